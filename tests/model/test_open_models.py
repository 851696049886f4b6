"""Open models of many rounds: rows of one checkpoint share a latent token count."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale import Runs, ScalingModel, Settings, Spec
from bayescale.base.errors import RunsError
from bayescale.evaluation.calibration import simulated_ranks, uniformity
from bayescale.model.design import design
from bayescale.report.figures.compute import token_intervals
from bayescale.testing import ladder, simulate

ROOT = Path(__file__).parents[2]
SATURATING = ROOT / "tests" / "benchmarks" / "more_compute_saturating.toml"
MORE_COMPUTE = ROOT / "reports" / "more-compute" / "more-compute.json"
USED = "isnull(excluded)"
SPECS = ("open-models",)


@pytest.fixture(scope="module")
def rows() -> Runs:
    return Runs.read("open-llm-bpb", where=USED)


def test_the_bundled_rows_are_those_of_the_card(rows: Runs) -> None:
    everything = Runs.read("open-llm-bpb").table
    counts = everything["excluded"].fillna("").value_counts().to_dict()
    assert counts == {"": 268, "derived": 25, "instruct": 14, "synthetic": 5, "language": 4}
    table = rows.table
    assert table["model"].nunique() == 112
    assert table["bpb"].between(0.4, 1.2).all()
    within = table.groupby("model")[["tokens", "released", "family", "lab", "tokenizer"]].nunique()
    assert (within <= 1).all(axis=None)
    stated = pd.to_numeric(table["tokens_stated"])
    inside = stated.between(table["tokens_low"], table["tokens_high"])
    assert (inside | table["tokens"].notna() | stated.isna()).all()


@pytest.mark.parametrize("name", SPECS)
def test_a_checkpoint_has_one_latent_count(name: str, rows: Runs) -> None:
    arrays = design(Spec.load(name), rows).data
    latent = rows.table[~rows.known_tokens]
    assert arrays.sizes["latent"] == latent["checkpoint"].nunique() < len(latent)
    spread = arrays["tokens_sd"] > 0
    assert (spread.sum("latent") == ~rows.known_tokens.to_numpy()).all()
    qwen = [run for run in arrays["latent"].values if run.startswith("Qwen2.5-3B@")]
    assert len(qwen) == 1
    shared = set(rows.table.loc[spread.sel(latent=qwen[0]).to_numpy(), "model"])
    assert shared == {"Qwen2.5-3B"}


def test_rows_of_a_checkpoint_that_disagree_are_refused() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a@1", "a@2", "b@1", "b@2"],
            "checkpoint": ["a", "a", "b", "b"],
            "params": 1e9,
            "tokens": [np.nan, 1e11, 1e11, 2e11],
            "tokens_low": [1e10, np.nan, np.nan, np.nan],
            "tokens_high": [1e12, np.nan, np.nan, np.nan],
            "bpb": 0.8,
        }
    )
    Runs.from_frame(frame)  # the first row of a checkpoint, and stated counts, may be what they are
    with pytest.raises(RunsError, match="differs from another row of its checkpoint") as error:
        Runs.from_frame(frame.iloc[[1, 0, 2, 3]])
    assert len(error.value.problems) == 1
    low = frame.assign(tokens=np.nan, tokens_low=[1e10, 2e10, 1e10, 1e10], tokens_high=1e12)
    with pytest.raises(RunsError, match="row 2"):
        Runs.from_frame(low)


def test_a_checkpoint_scored_twice_has_one_posterior_count() -> None:
    """Two rounds tell more of one count than each of two counts of its own would."""
    spec = Spec.load("compute-only").replace(groups=False)
    truth = {"level": 0.6, "slope": -0.03, "sigma": 0.01, "nu": 10.0}
    known = simulate(spec, ladder(), truth, seed=1).table
    twice = known.iloc[[5, 5]].assign(run=["again@1", "again@2"])
    frame = pd.concat([known.drop(index=known.index[5]), twice], ignore_index=True)
    latent = frame["run"].str.startswith("again")
    frame["tokens_low"] = frame["tokens"].where(latent) / 30
    frame["tokens_high"] = frame["tokens"].where(latent) * 30
    frame["tokens"] = frame["tokens"].mask(latent)
    settings = Settings(draws=400, tune=300, chains=2)
    widths = {}
    for name, checkpoint in {"one": ["again"] * 2, "two": ["a", "b"]}.items():
        table = frame.assign(checkpoint=frame["run"])
        table.loc[latent, "checkpoint"] = checkpoint
        fit = ScalingModel(spec).fit(table, settings, show_progress=False)
        counts = np.log(fit.posterior["tokens"])
        assert list(counts["latent"].values) == ["again@1", "again@2"][: len(set(checkpoint))]
        widths[name] = float(counts.std(("chain", "draw")).mean())
        everyone = token_intervals(fit)
        assert everyone.notna().all(axis=None)
        assert (everyone.loc["again@1"] == everyone.loc["again@2"]).all() == (name == "one")
    assert widths["one"] < 0.85 * widths["two"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", SPECS)
def test_all_rows_sample_cleanly(name: str, rows: Runs) -> None:
    fit = ScalingModel(name).fit(rows, Settings(draws=2500, tune=600, target_accept=0.9, ess=450))
    assert fit.convergence.passed, fit.convergence


@pytest.mark.slow
@pytest.mark.long
def test_diminishing_returns_sample_cleanly_and_agree_with_the_page(rows: Runs) -> None:
    """Of this spec the page has Laplace's approximation."""
    settings = Settings(draws=8000, tune=800, target_accept=0.98, ess=600)
    fit = ScalingModel(SATURATING).fit(rows, settings)
    assert fit.convergence.passed, fit.convergence
    published = json.loads(MORE_COMPUTE.read_text("utf-8"))["steps"]["diminishing returns"]
    for name in ("alpha", "beta", "inactive", "embeddings", "code"):
        said = published[name]
        sd = (said["upper"] - said["lower"]) / 3.3
        assert abs(float(fit.posterior[name].median()) - said["median"]) < 0.5 * sd


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", SPECS)
def test_ranks_of_simulations_are_uniform(name: str, rows: Runs) -> None:
    settings = Settings(draws=500, tune=500, chains=2)
    ranks = simulated_ranks(Spec.load(name), rows, 100, settings, show_progress=True)
    assert {"gap", "embeddings", "inactive", "worth_lab", "tokens_z"} <= set(ranks.columns)
    p_values = uniformity(ranks)
    assert (p_values > 0.01 / len(p_values)).all(), p_values
