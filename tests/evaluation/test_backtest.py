"""Backtests: splits, whether intervals hold beyond the data, and false alarms."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import SHARED
from known_laws import TRUTH

from bayescale import BayescaleError, Fit, Runs, Spec
from bayescale.base.intervals import holds, interval
from bayescale.evaluation.backtest import Backtest, backtest, summary
from bayescale.evaluation.compare import compare
from bayescale.evaluation.history import calibrate, probability_of_fewer, some_of, surprising
from bayescale.evaluation.split_scores import as_scored, scored
from bayescale.evaluation.splits import read_suite, rolling, split
from bayescale.model.design import design
from bayescale.predictive.predictive import Predictive
from bayescale.report.figures.backtest import observed_in_intervals
from bayescale.sampling.convergence import Convergence
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
    halves = split(stated, "params < 1e10")
    assert len(halves.train) + len(halves.test) == len(stated)
    with pytest.raises(BayescaleError, match="predict some"):
        split(stated, "params > 0")
    with pytest.raises(BayescaleError, match="does not state its token count"):
        split(table, "params < 1e10")
    with pytest.raises(BayescaleError, match="no such file"):
        read_suite(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[[backtest]]\nname = 'a'\n")
    with pytest.raises(BayescaleError, match="file must be text"):
        read_suite(tmp_path / "bad.toml")
    assert [len(s.train) for s in rolling(stated)] == sorted(
        (len(s.train) for s in rolling(stated)), reverse=True
    )


# Of a curve's error beyond three frontiers: what is left of its standard deviation.
LEFT = np.array([1.0, 0.8, 0.5])


def alarms(curve_sd: float, noise_sd: float, *, wrong: float = 1.0) -> tuple[float, float]:
    """Shares of simulated histories with an alarm: by `calibrate`, and were runs independent.

    24, 12 and 6 runs beyond three frontiers have the error of the curve in common, of which each
    frontier knows more. Predictions are right, or their intervals too narrow by a factor `wrong`.
    """
    rng = np.random.default_rng(1)
    known = np.sqrt(LEFT**2 - np.append(LEFT[1:], 0) ** 2)
    errors = (curve_sd * known * rng.standard_normal((400, 3)))[:, ::-1].cumsum(1)[:, ::-1]
    runs = noise_sd * rng.standard_normal((400, 24))
    chances, inside = [], []
    for error, left, count in zip(errors.T, LEFT, (24, 12, 6), strict=True):
        curve = left * curve_sd * rng.standard_normal((2, 200, 400, 1))
        noise = noise_sd * rng.standard_normal((2, 200, 400, count))
        draws = xr.DataArray(curve + noise, dims=("chain", "draw", "history", "run"))
        observed = wrong * xr.DataArray(error[:, None] + runs[:, :count], dims=("history", "run"))
        chances.append(probability_of_fewer(draws, observed).values)
        inside.append(holds(interval(draws), observed).values)
    together = np.mean([surprising(each) for each in np.transpose(chances)])
    least = 0.9 - 2 * np.sqrt(0.9 * 0.1 / 24)
    return float(together), float(np.mean(np.hstack(inside).mean(1) < least))


@pytest.mark.parametrize("curve_sd", [0.0, 1.0, 3.0])
def test_a_right_model_is_called_overconfident_in_at_most_one_history_of_twenty(
    curve_sd: float,
) -> None:
    together, independent = alarms(curve_sd, 1.0)
    assert together <= 0.05
    if curve_sd == 3:
        assert independent > 0.1  # runs that share an error miss together


def test_intervals_far_too_narrow_are_found() -> None:
    assert alarms(1.0, 1.0, wrong=3.0)[0] > 0.7
    assert alarms(0.0, 1.0, wrong=2.0)[0] > 0.9


def test_at_most_so_many_runs_are_predicted_together() -> None:
    above = np.arange(1000) >= 100
    some = some_of(above, 200)
    assert some.sum() == 200
    assert not (some & ~above).any()
    assert (some_of(above, 2000) == above).all()


def test_tails_beyond_floating_point_are_no_responses_below_zero() -> None:
    line, log = (Spec.load(name).replace(groups=False) for name in ("compute-only", "chinchilla"))
    runs = mixtures().table.rename(columns={"loss": "bpc"})
    halves = split(Runs.from_frame(runs), "params < 1e9")
    draws = xr.DataArray([[[0.0, 1.0, np.inf]]], dims=("chain", "draw", "run"))
    assert np.isfinite(as_scored(log, halves, draws)).all()
    with pytest.raises(BayescaleError, match="at or below 0"):
        as_scored(line, halves, draws)


def test_single_draws_below_zero_do_not_refuse_a_straight_line() -> None:
    line = Spec.load("compute-only").replace(groups=False)
    halves = split(
        Runs.from_frame(mixtures().table.rename(columns={"loss": "bpc"})), "params < 1e9"
    )
    values = np.random.default_rng(0).uniform(0.4, 0.6, (4, 500, 3))
    values[1, 7, 2] = -0.1
    draws = xr.DataArray(values, dims=("chain", "draw", "run"))
    logs = as_scored(line, halves, draws)
    assert float(logs[1, 7, 2]) == pytest.approx(np.log(np.delete(values[..., 2], 507).min()))
    xr.testing.assert_equal(logs[..., :2], np.log(draws[..., :2]))
    values[1, :10, 2] = -0.1
    with pytest.raises(BayescaleError, match="at or below 0"):
        as_scored(line, halves, draws)


def mixtures() -> Runs:
    """Runs of a dense model and of mixtures of experts with a fifth of their parameters active."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"params": np.geomspace(1e8, 1e10, 12), "tokens": 1e11})
    frame["params_active"] = frame["params"] / np.tile([1, 5], 6)
    frame["loss"] = 1.8 + 400 / frame["params_active"] ** 0.34
    frame["loss"] *= np.exp(0.003 * rng.standard_normal(12))
    return Runs.from_frame(frame)


@pytest.mark.parametrize("params", ["active", "total"])
def test_a_mixture_of_experts_lies_where_the_law_sees_it(params: str) -> None:
    column = "params" if params == "total" else "params_active"
    runs = mixtures()
    halves = split(runs, "params < 1e9")
    spec = Spec.load("chinchilla").replace(groups=False, response="loss")
    spec = Spec.model_validate(spec.model_dump() | {"params": params})
    names = halves.test.table["run"].to_numpy()
    logs = xr.DataArray(
        np.random.default_rng(1).normal(1, 0.1, (2, 50, len(names))),
        dims=("chain", "draw", "run"),
        coords={"run": names},
    )
    points = scored(halves, "loss", logs, spec.params)
    assert points["params"].tolist() == halves.test.table[column].tolist()
    convergence = Convergence(1.0, 400.0, 400.0, 0, "level")
    result = Backtest(halves, spec, points, convergence, 1.0)
    (axis,) = observed_in_intervals({"chinchilla": [result]}).axes
    fitted, predicted = (np.asarray(dots.get_offsets())[:, 0] for dots in
                         (axis.collections[0], axis.collections[-1]))  # fmt: skip
    compute = 6 * runs.table[column] * runs.table["tokens"]
    assert np.sort([*fitted, *predicted]) == pytest.approx(np.sort(compute))


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
    comparison = compare([law, Spec.load("forecast").replace(response="bpc")], stated, by="run")
    assert comparison.passed
    elpd = comparison.table["elpd"]
    assert elpd["forecast"] > elpd["chinchilla"] - 2


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not SHARED.is_dir(), reason="the published runs are not in ../shared/data")
def test_intervals_hold_beyond_the_data() -> None:
    quick = {"marin-comma", "datablations-one-epoch", "olmo-ladder", "porian-rw-chinchilla"}
    suite = [each for each in read_suite(SHARED / "backtests.toml") if each.name in quick]
    wide = summary([backtest(Spec.load("forecast"), each, show_progress=False) for each in suite])
    assert wide["rhat"] <= 1.01
    assert 0.75 <= wide["coverage"]["90"] <= 1
    assert wide["interval_score"] < 0.10
    alone = Spec.load("chinchilla").replace(groups=False, response="loss")
    narrow = summary([backtest(alone, each, show_progress=False) for each in suite])
    assert narrow["interval_score"] > 1.5 * wide["interval_score"]
    assert narrow["coverage"]["90"] < wide["coverage"]["90"]


def test_a_split_of_a_suite_may_name_its_response(tmp_path) -> None:
    rows = [
        "params,tokens,loss,bpc",
        *(f"1e{n},1e11,{3 - n / 10},{1 - n / 20}" for n in range(7, 11)),
    ]
    (tmp_path / "runs.csv").write_text("\n".join(rows))
    entry = "[[backtest]]\nname = 'a'\nfile = 'runs.csv'\ntrain = 'params < 1e9'\n"
    (tmp_path / "suite.toml").write_text(entry + entry + "response = 'bpc'\n")
    usual, own = read_suite(tmp_path / "suite.toml")
    spec = Spec.load("forecast")
    assert usual.of(spec).response == "loss"
    assert own.of(spec).response == "bpc"
    (tmp_path / "suite.toml").write_text(entry + "response = 'bcp'\n")
    with pytest.raises(BayescaleError, match="response 'bcp' not found; did you mean bpc"):
        read_suite(tmp_path / "suite.toml")


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
    result = json.loads(stdout)
    (row,) = result["splits"]
    assert set(row["coverage"]) == {"50", "80", "90"}
    assert {"name", "n_train", "n_test", "interval_score", "crps", "rmse", "bias", "width", "rhat",
            "seconds", "points"} <= set(row)  # fmt: skip
    assert row["n_train"] == 8
    assert len(row["points"]) == row["n_test"] == 4
    assert result["mean"]["crps"] == pytest.approx(row["crps"])
    assert (tmp_path / "f.svg").is_file()
    code, _, stderr = run("backtest", "forecast")
    assert code == 2
    assert "name a table of runs" in stderr


@pytest.mark.slow
@pytest.mark.long
def test_a_forecast_from_checkpoints_of_a_schedule_holds() -> None:
    """Losses before the end of a cosine lie above those of finished runs, alike in every size."""
    rng = np.random.default_rng(0)
    done = np.arange(1, 13) / 12
    rows = []
    for size in (7e7, 1.6e8, 4.1e8, 1e9, 2.8e9, 6.9e9):
        tokens = 3e11 * done
        above = 0.05 * (1 + np.cos(np.pi * done)) + rng.normal(0, 0.01)
        loss = 1.75 + 482 / size**0.348 + 2085 / tokens**0.366 + above
        rows.append(pd.DataFrame({"params": size, "tokens": tokens, "loss": loss}))
    one = split(Runs.from_frame(pd.concat(rows, ignore_index=True)), "params < 5e9")
    points = backtest(Spec.load("forecast"), one, show_progress=False).points
    assert points["inside_90"].iloc[-1], points  # the finished run
    assert points["error"].abs().max() < 0.015  # of all checkpoints fitted: 0.028
