"""The cheapest model that reaches a score: its probability, its cost, what it cannot do."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known_scores import score_table

from bayescale import Runs
from bayescale.base.errors import BayescaleError
from bayescale.base.settings import Settings
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.model.benchmarks.design import Design, design
from bayescale.plan.benchmark import answer
from bayescale.runs.benchmarks.scores import Scores
from bayescale.sampling.convergence import Convergence

CONVERGENCE = Convergence(1.0, 400.0, 400.0, 0, "level_z[mmlu]")


def unfitted(scores: Scores, designed: Design) -> BenchmarkFit:
    """A fit whose draws are near the middle of the priors."""
    rng = np.random.default_rng(0)
    sizes = {"chain": 2, "draw": 200, **designed.data.sizes}
    posterior = xr.Dataset(
        {
            name: (("chain", "draw", *dims), 0.3 * rng.normal(size=shape(sizes, dims)))
            for name, dims in designed.blocks.items()
        },
        coords=designed.coords,
    )
    return BenchmarkFit(designed.form, scores, posterior, CONVERGENCE, Settings(), [])


def shape(sizes: dict[str, int], dims: tuple[str, ...]) -> list[int]:
    return [sizes[dim] for dim in ("chain", "draw", *dims)]


@pytest.fixture(scope="module")
def fit() -> BenchmarkFit:
    scores = Scores.of(Runs.from_frame(score_table(1), blank_counts=True))
    return unfitted(scores, design(scores, "latent"))


def test_the_plan_is_the_least_compute_at_which_the_score_is_likely_enough(
    fit: BenchmarkFit,
) -> None:
    plan = answer(fit, "mmlu", target=0.7, prob=0.8).content
    assert plan["unit"] == "FLOP"
    assert plan["training"] == pytest.approx(6 * plan["params"] * plan["tokens"])
    for split in plan["splits"]:
        at = {"params": split["params"], "tokens": split["tokens"], "family": "new"}
        assert fit.probability(at, "mmlu", 0.7)[0] == pytest.approx(split["probability"])
        assert split["probability"] >= 0.8
        less = {**at, "tokens": 0.9 * split["tokens"]}
        assert fit.probability(less, "mmlu", 0.7)[0] < 0.8
        assert plan["total"] <= split["total"] * (1 + 1e-6)


def test_many_tokens_to_serve_ask_for_a_smaller_model(fit: BenchmarkFit) -> None:
    alone = answer(fit, "mmlu", target=0.7).content
    served = answer(fit, "mmlu", target=0.7, generated_tokens=1e15).content
    assert served["params"] < alone["params"]
    assert served["serving"] == pytest.approx(2 * served["params"] * 1e15)
    kept = {split["tokens_per_param"]: split["training"] for split in alone["splits"]}
    assert kept == {split["tokens_per_param"]: split["training"] for split in served["splits"]}


def test_ratios_are_those_of_the_models(fit: BenchmarkFit) -> None:
    table = fit.scores.runs.table
    seen = table["tokens"] / table["params"]
    splits = pd.DataFrame(answer(fit, "mmlu", target=0.7).content["splits"])
    assert splits["tokens_per_param"].between(seen.min(), seen.max()).all()
    served = answer(fit, "mmlu", target=0.7, generated_tokens=1e17)
    assert "no such model was seen" in served.notes[0].hint


def test_a_limit_on_data_is_kept(fit: BenchmarkFit) -> None:
    free = answer(fit, "mmlu", target=0.7, generated_tokens=1e15).content
    most = free["tokens"] / 10
    limited = answer(fit, "mmlu", target=0.7, generated_tokens=1e15, max_tokens=most).content
    assert limited["tokens"] <= most
    assert limited["total"] > free["total"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": 75}, "write 0.75"),
        ({"target": 0.9999}, "at any compute; the highest probability is 0.0"),
        ({"target": 0.7, "max_tokens": 1e9}, "on at most 1e\\+09 tokens; .* are needed at least"),
        ({"target": 0.7, "prompt_tokens": -1.0}, "prompt_tokens=-1"),
        ({"target": 0.7, "family": "family-9"}, "family 'family-9' not found"),
    ],
)
def test_what_cannot_be_is_one_line(fit: BenchmarkFit, asked: dict, said: str) -> None:
    with pytest.raises(BayescaleError, match=said):
        answer(fit, "mmlu", **asked)


def test_the_command_serves_a_score(run, fit: BenchmarkFit) -> None:
    fit.save("scores")
    options = ("--benchmark", "mmlu", "--target", 0.7, "--group", "family=family-1")
    code, out, _ = run("plan", "serve", "scores", *options, "--json")
    assert code == 0
    expected = answer(fit, "mmlu", target=0.7, family="family-1").content
    assert json.loads(out)["params"] == pytest.approx(expected["params"])
    code, out, _ = run("plan", "serve", "scores", *options)
    assert "probability that it is reached" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", 0.7, "--figure", "x.svg"], "--figure and --benchmark do not go together"),
        (["--target", 0.7, "--group", "familly=a"], "did you mean family?"),
        ([], "and --target SCORE"),
        (["--as-good-as", "7B"], "--as-good-as and --benchmark"),
    ],
)
def test_options_that_do_not_go_together(run, options: list, said: str) -> None:
    code, _, err = run("plan", "serve", "scores", "--benchmark", "mmlu", *options)
    assert code == 2
    assert said in err
