"""Simulation-based calibration of each shipped spec on the bundled table's inputs."""

import numpy as np
import pandas as pd
import pytest

from bayescale import Runs, Settings, Spec
from bayescale.base import bundled
from bayescale.evaluation.calibration import simulated_ranks, uniformity

SIMULATIONS = 50
REFIT = Settings(draws=500, tune=700, chains=2)
# A discrepancy's gradients are dear, and its draws nearly independent.
DEAR = Settings(draws=300, tune=400, chains=2)


# A line, a curve and repeated data. With every spec, tests take over twenty minutes on two cores.
ALWAYS = ("compute-only", "chinchilla", "data-constrained")


def specs() -> list:
    """Every shipped spec, most of them in `make long`."""
    return [
        name if name in ALWAYS else pytest.param(name, marks=pytest.mark.long)
        for name in bundled.specs()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", specs())
def test_ranks_are_uniform(name: str, table: Runs) -> None:
    spec = Spec.load(name).replace(response="bpc")
    if "unique_tokens" in spec.law.inputs:
        unique = table.table["tokens"] / np.resize([1, 3, 10], len(table))
        table = Runs.from_frame(table.table[table.known_tokens].assign(unique_tokens=unique))
    simulations, settings = (SIMULATIONS // 2, DEAR) if spec.discrepancy else (SIMULATIONS, REFIT)
    ranks = simulated_ranks(spec, table, simulations, settings)
    assert set(spec.priors) <= set(ranks.columns)
    assert {effect.sd_name for effect in spec.effect_list()} <= set(ranks.columns)
    # About 60 tests over the five specs: one in a thousand seeds fails by chance.
    assert (uniformity(ranks, bins=5) > 2e-5).all(), uniformity(ranks, bins=5)
    centre = (ranks.mean() - 49.5) / (28.9 / np.sqrt(simulations))
    assert (centre.abs() < 4.3).all(), centre


@pytest.mark.parametrize("shape", [(2, 2), (0.5, 0.5), (1, 2)])
def test_the_test_of_uniformity_can_fail(shape: tuple[float, float]) -> None:
    """Too wide, too narrow and biased posteriors are found out."""
    rng = np.random.default_rng(0)
    right = pd.DataFrame({"p": rng.integers(0, 100, 400)})
    wrong = pd.DataFrame({"p": (rng.beta(*shape, 400) * 100).astype(int)})
    assert uniformity(right)["p"] > 0.01
    assert uniformity(wrong)["p"] < 1e-4
