"""Forecasts: runs given the others, splits, and intervals that hold beyond the data."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from known_laws import TRUTH

from bayescale import BayescaleError, Fit, Runs, Spec
from bayescale.evaluation.backtest import backtest, calibrate, read_suite, rolling, split, summary
from bayescale.evaluation.compare import compare
from bayescale.model.design import design
from bayescale.predictive.predictive import Predictive
from bayescale.testing import ladder, simulate

RNG = np.random.default_rng(0)


def test_runs_given_the_others_are_as_likely_as_when_left_out(forecast: Fit) -> None:
    arrays = design(forecast.spec, forecast.runs)
    inside = Predictive.of_design(forecast.spec, forecast.posterior, arrays, seed=0)
    density = inside.log_likelihood(inside.observed)
    drawn = forecast.posterior.sizes  # longer chains than asked for where some diverged
    assert density.shape == (drawn["chain"], drawn["draw"], 40)
    # Noise of 0.4 % on responses near 2.6: about ln(1 / (0.01 sqrt(2 pi e))) nats a run.
    assert float(density.mean()) == pytest.approx(3.1, abs=0.4)


def test_splits_are_checked(table: Runs, tmp_path) -> None:
    stated = table.keep("tokens == tokens")
    one = split(stated, "params < 1e10")
    assert len(one.train) + len(one.test) == len(stated)
    with pytest.raises(BayescaleError, match="predict some"):
        split(stated, "params > 0")
    with pytest.raises(BayescaleError, match="does not state its token count"):
        split(table, "params < 1e10")
    with pytest.raises(BayescaleError, match="not a readable TOML"):
        read_suite(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[[backtest]]\nname = 'a'\n")
    with pytest.raises(BayescaleError, match="is missing"):
        read_suite(tmp_path / "bad.toml")
    assert [len(s.train) for s in rolling(stated)] == sorted(
        (len(s.train) for s in rolling(stated)), reverse=True
    )


@pytest.mark.slow
def test_the_users_own_history_is_checked() -> None:
    spec = Spec.load("chinchilla").replace(groups=False)
    truth = TRUTH["kaplan"] | {"sigma": 0.002, "nu": 30.0}
    runs = simulate(Spec.load("kaplan").replace(groups=False), ladder(), truth, seed=3)
    results, notes = calibrate(spec, runs, show_progress=False)
    assert len(results) == 3
    assert [note.code for note in notes] == ["overconfident-here"]
    assert summary(results)["coverage"]["90"] < 0.9


@pytest.mark.slow
@pytest.mark.long
def test_in_range_a_discrepancy_predicts_no_worse(table: Runs) -> None:
    stated = table.keep("tokens == tokens")
    law = Spec.load("chinchilla").replace(groups=False)
    said = compare([law, Spec.load("forecast").replace(response="bpc")], stated, by="run")
    assert said.passed
    assert said.table.loc["forecast", "elpd"] > said.table.loc["chinchilla", "elpd"] - 2


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not SHARED.is_dir(), reason="the published runs are not in ../shared/data")
def test_intervals_hold_beyond_the_data() -> None:
    quick = {"marin-comma", "datablations-one-epoch", "olmo-ladder", "porian-rw-chinchilla"}
    suite = [one for one in read_suite(SHARED / "backtests.toml") if one.name in quick]
    said = summary([backtest(Spec.load("forecast"), one, show_progress=False) for one in suite])
    assert said["rhat"] <= 1.01
    assert 0.75 <= said["coverage"]["90"] <= 1
    assert said["interval_score"] < 0.10
    alone = Spec.load("chinchilla").replace(groups=False, response="loss")
    narrow = summary([backtest(alone, one, show_progress=False) for one in suite])
    assert narrow["interval_score"] > 1.5 * said["interval_score"]
    assert narrow["coverage"]["90"] < said["coverage"]["90"]


def test_the_command_prints_the_agreed_form(run, tmp_path) -> None:
    runs = pd.DataFrame(
        {"params": np.tile(np.geomspace(1e8, 1e10, 6), 2), "tokens": [1e10] * 6 + [1e11] * 6}
    )
    runs["loss"] = 1.8 + 400 / runs["params"] ** 0.34 + 1800 / runs["tokens"] ** 0.36
    runs["loss"] *= np.exp(0.003 * RNG.standard_normal(12))
    runs.to_csv(tmp_path / "mine.csv", index=False)
    code, stdout, stderr = run(
        "backtest", "forecast", "mine.csv", "--train", "params < 3e9", "--out", "f.svg", "--json"
    )
    assert code == 0, stderr
    said = json.loads(stdout)
    (one,) = said["splits"]
    assert set(one["coverage"]) == {"50", "80", "90"}
    assert {"name", "n_train", "n_test", "interval_score", "crps", "rmse", "bias", "width", "rhat",
            "seconds", "points"} <= set(one)  # fmt: skip
    assert one["n_train"] == 8
    assert len(one["points"]) == one["n_test"] == 4
    assert said["mean"]["crps"] == pytest.approx(one["crps"])
    assert (tmp_path / "f.svg").is_file()
    code, _, stderr = run("backtest", "forecast")
    assert code == 2
    assert "name a table of runs" in stderr
