"""Models of benchmark scores: simulated from their priors, the truth's rank is uniform."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known_scores import score_table, two_stage_table

from bayescale import Runs
from bayescale.base.settings import Settings
from bayescale.evaluation.calibration import uniformity
from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design, as_x, design
from bayescale.runs.benchmarks.scores import Scores
from bayescale.sampling.benchmarks import sample_scores

SIMULATIONS = 100
SETTINGS = Settings(chains=2, tune=300, draws=1000, ess=150)


def of_families(form: str) -> Design:
    table = score_table(0, families=5, each=4)
    table["instruct"] = np.arange(len(table)) % 3 == 0
    return design(Scores.of(Runs.from_frame(table, blank_counts=True)), form)


def of_a_ladder() -> Design:
    return design(Scores.of(Runs.from_frame(two_stage_table(0))), "two-stage")


def of_losses() -> Design:
    """Models of two families whose sizes are not known, some without one of their losses."""
    table = two_stage_table(0).drop(columns=["params", "tokens"])
    table["family"] = np.arange(len(table)) % 2
    table.loc[[3, 8], "bpb_mmlu"] = np.nan
    table = table.rename(columns={"bpb_mmlu": "bpb_web", "bpb_hellaswag": "bpb_code"})
    scores = Scores.of(Runs.from_frame(table.astype({"family": str}), blank_counts=True))
    return design(scores, "two-stage")


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
    ranks = {}
    for name, dims in designed.blocks.items():
        first = dict.fromkeys(dims, 0)
        draws = posterior[name].isel(first).values.ravel()
        kept = draws[np.linspace(0, draws.size - 1, 99).astype(int)]
        ranks[name] = int((kept < float(truth[name].isel(first))).sum())
    return ranks


@pytest.mark.long
@pytest.mark.parametrize(
    "designed",
    [of_families("direct"), of_families("latent"), of_a_ladder(), of_losses()],
    ids=["direct", "latent", "ladder", "losses"],
)
def test_ranks_of_the_truth_are_uniform(designed: Design) -> None:
    ranks = pd.DataFrame([ranked(designed, seed) for seed in range(SIMULATIONS)])
    p_values = uniformity(ranks)
    assert p_values.min() > 0.01 / len(p_values), p_values.to_string()
