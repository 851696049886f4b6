"""Models of benchmark scores: simulated from their priors, the truth's rank is uniform."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known_scores import DESIGNS

from bayescale.base.settings import Settings
from bayescale.evaluation.calibration import first_rank, uniformity
from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design, as_x
from bayescale.sampling.benchmarks import sample_scores

SIMULATIONS = 100
SETTINGS = Settings(chains=2, tune=300, draws=1000, ess=400)


def simulated(designed: Design, seed: int) -> tuple[Design, dict[str, xr.DataArray]]:
    """The same models with scores, and losses that follow a law, from a draw of the priors."""
    rng = np.random.default_rng(seed)
    data, x = designed.data, as_x(designed.data)

    def normal(dims: tuple[str, ...]) -> xr.DataArray:
        return xr.DataArray(rng.normal(size=[data.sizes[dim] for dim in dims]), dims=dims)

    z = {name: normal(dims) for name, dims in designed.blocks.items()}
    drawn = {}
    if designed.form != "two-stage":
        logit = formulas.by_compute(z, x, np)
    elif designed.has_law:
        losses = formulas.log_loss(z, x, np)
        measured = losses + formulas.loss_sd(z, np) * normal(("run", "corpus"))
        drawn["log_loss"] = measured.transpose("run", "corpus") * data["log_loss_used"].values
        logit = formulas.by_loss(losses, z, x, np)
    else:
        logit = formulas.by_loss(formulas.measured_loss(z, x), z, x, np)
    mean = formulas.score(logit, z, x, np)
    noise = formulas.variance(mean, z, x, np) ** 0.5 * normal(("run", "benchmark"))
    drawn["score"] = (mean + noise).transpose("run", "benchmark") * data["score_used"].values
    return replace(designed, data=data.assign({n: v.variable for n, v in drawn.items()})), z


def ranked(designed: Design, seed: int) -> dict[str, int]:
    made, truth = simulated(designed, seed)
    posterior = sample_scores(made, replace(SETTINGS, seed=seed)).posterior
    return {name: first_rank(truth[name], posterior[name]) for name in designed.blocks}


@pytest.mark.long
@pytest.mark.parametrize("name", ["direct", "latent", "ladder", "measured"])
def test_ranks_of_the_truth_are_uniform(name: str) -> None:
    ranks = pd.DataFrame([ranked(DESIGNS[name], seed) for seed in range(SIMULATIONS)])
    p_values = uniformity(ranks)
    assert p_values.min() > 0.01 / len(p_values), p_values.to_string()
