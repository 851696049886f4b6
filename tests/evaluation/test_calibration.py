"""Simulation-based calibration of each shipped spec on the bundled table's inputs."""

import numpy as np
import pytest

from bayescale import Runs, Settings, Spec
from bayescale.base import bundled
from bayescale.evaluation.calibration import simulated_ranks, uniformity

REFIT = Settings(draws=500, tune=700, chains=2)
# A discrepancy's gradients are expensive, and its draws nearly independent.
EXPENSIVE = Settings(draws=300, tune=400, chains=2)
# How often a spec that is right may fail, over all its parameters.
LEVEL = 0.01


def check(name: str, table: Runs, simulations: int) -> None:
    spec = Spec.load(name).replace(response="bpc")
    if "unique_tokens" in spec.law.inputs:
        unique = table.table["tokens"] / np.resize([1, 3, 10], len(table))
        table = Runs.from_frame(table.table[table.known_tokens].assign(unique_tokens=unique))
    settings = EXPENSIVE if spec.discrepancy else REFIT
    ranks = simulated_ranks(spec, table, simulations, settings)
    assert set(spec.priors) <= set(ranks.columns)
    assert {effect.sd_name for effect in spec.effect_list()} <= set(ranks.columns)
    p_values = uniformity(ranks)
    assert (p_values > LEVEL / len(p_values)).all(), p_values


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compute-only", "data-constrained"])
def test_ranks_of_few_simulations_are_uniform(name: str, table: Runs) -> None:
    """A line and repeated data: all that CI has time for."""
    check(name, table, simulations=50)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["forecast", *(n for n in bundled.specs() if Spec.load(n).law.centred)]
)
def test_ranks_are_uniform(name: str, table: Runs) -> None:
    check(name, table, simulations=200)
