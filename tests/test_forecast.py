"""The discrepancy widens what is extrapolated, is exact where it says so, and backtests hold."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import SHARED
from scipy import stats
from test_recovery import TRUTH, ladder, simulate

from bayescale import BayescaleError, Fit, Runs, ScalingModel, Spec, discrepancy
from bayescale.backtest import backtest, calibrate, read_suite, rolling, split, summary
from bayescale.design import design
from bayescale.discrepancy import Conditioned, condition, covariance, inducing, places
from bayescale.unseen import OneByOne

RNG = np.random.default_rng(0)


def draws_of(count: int = 3) -> xr.Dataset:
    """A few draws of the processes' parameters."""
    typical = {"amplitude": 0.05, "length_compute": 6, "length_split": 3, "local_amplitude": 0.006}
    typical |= {"local_length_compute": 1.5, "local_length_split": 1.5, "local_growth": 0.4}
    return xr.Dataset(
        {
            discrepancy.PREFIX + name: (
                ("chain", "draw"),
                value * np.exp(0.1 * RNG.standard_normal((1, count))),
            )
            for name, value in typical.items()
        }
    )


@pytest.fixture(scope="module")
def case() -> tuple[Conditioned, dict, list[np.ndarray], np.ndarray]:
    """Processes given 12 runs, and the dense covariance of those runs and 4 points."""
    count, points = 12, 4
    params, tokens = RNG.uniform(-3, 3, (2, count + points))
    params[count:] += 3
    draws, noise = draws_of(), 0.004**2
    frontier = ((params + tokens)[:count] / np.sqrt(2)).max()
    dense = []
    for i in range(3):
        theta = {n: np.full((1, 1), float(draws[discrepancy.PREFIX + n][0, i]))
                 for n in discrepancy.PARAMETERS}  # fmt: skip
        where = places(params, tokens, frontier, np)
        dense.append(covariance(theta, where, where, np) + np.eye(count + points) * noise)
    share = RNG.multivariate_normal(np.zeros(count + points), dense[0])
    x = {"params": xr.DataArray(params[:count], dims="run"),
         "tokens": xr.DataArray(tokens[:count], dims="run")}  # fmt: skip
    residual = xr.DataArray(np.tile(share[:count], (1, 3, 1)), dims=("chain", "draw", "run"))
    given = condition(
        draws,
        runs=x,
        stand_in={"params": params[:count], "tokens": tokens[:count]},
        residual=residual,
        noise=xr.full_like(draws["discrepancy_amplitude"], noise),
        frontier=frontier,
    )
    asked = {"params": params[count:], "tokens": tokens[count:], "share": share}
    asked |= {"inside": x, "residual": residual, "noise": noise}
    return given, asked, dense, share


def test_conditioning_is_that_of_a_dense_gaussian(case) -> None:
    given, asked, dense, share = case
    like = xr.DataArray(np.zeros((1, 3, 4)), dims=("chain", "draw", "run"))
    there = [xr.DataArray(asked[name], dims="run") for name in ("params", "tokens")]
    said = given.at(*there, like)
    for i, whole in enumerate(dense):
        gain = whole[12:, :12] @ np.linalg.inv(whole[:12, :12])
        mean = gain @ share[:12]
        left = whole[12:, 12:] - gain @ whole[:12, 12:]
        assert said["mean"].values[0, i] == pytest.approx(mean, abs=1e-5)
        spread = np.sqrt(np.diag(left) - asked["noise"])
        assert said["sd"].values[0, i] == pytest.approx(spread, rel=1e-3)
        joint = stats.multivariate_normal(mean, left).logpdf(share[12:])
        residual = like + share[12:]
        noise = xr.full_like(like.isel(run=0), asked["noise"])
        density = given.joint_log_density(*there, residual, noise)
        assert float(density[0, i]) == pytest.approx(joint, abs=0.01)


def test_leaving_one_out_is_that_of_a_dense_gaussian(case) -> None:
    given, asked, dense, share = case
    noise = xr.full_like(asked["residual"].isel(run=0), asked["noise"])
    said = given.leave_one_out(
        asked["inside"]["params"], asked["inside"]["tokens"], asked["residual"], noise
    )
    for i, whole in enumerate(dense):
        for row in range(12):
            rest = [k for k in range(12) if k != row]
            gain = whole[row, rest] @ np.linalg.inv(whole[np.ix_(rest, rest)])
            spread = np.sqrt(whole[row, row] - gain @ whole[rest, row])
            own = np.sqrt(spread**2 - asked["noise"])
            assert float(said["mean"][0, i, row]) == pytest.approx(gain @ share[rest], abs=1e-4)
            assert float(said["sd"][0, i, row]) == pytest.approx(own, rel=0.01)


def test_runs_that_stand_in_for_all_are_few_and_spread_out() -> None:
    params, tokens = RNG.uniform(-4, 4, (2, 300))
    chosen = inducing(params, tokens)
    assert len(set(chosen)) == len(chosen) <= discrepancy.INDUCING
    assert {params.argmin(), params.argmax()} & set(chosen)
    assert list(inducing(params[:20], tokens[:20])) == list(range(20))


@pytest.fixture(scope="module")
def forecast() -> Fit:
    """The forecast spec on simulated runs of Chinchilla's law."""
    spec = Spec.load("chinchilla").replace(groups=False)
    runs = simulate(spec, ladder(), TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}, seed=3)
    some = Runs(runs.table.sample(40, random_state=1).reset_index(drop=True), "simulated")
    forecast = Spec.load("forecast").replace(response="bpc")
    return ScalingModel(forecast).fit(some, show_progress=False)


def test_the_forecast_samples_cleanly_and_widens_with_distance(forecast: Fit) -> None:
    assert forecast.convergence.passed, forecast.convergence
    far = [{"params": 1e9 * k, "tokens": 1e11 * k} for k in (1, 10, 100)]
    width = forecast.predict(far).table()
    share = ((width["upper"] - width["lower"]) / width["median"]).to_numpy()
    assert (np.diff(share) > 0).all()
    law = Spec.load("chinchilla").replace(groups=False)
    alone = ScalingModel(law).fit(forecast.runs, show_progress=False).predict(far).table()
    assert (share[1:] > ((alone["upper"] - alone["lower"]) / alone["median"])[1:]).all()
    assert share[0] < 0.03  # in range it is about as sure as the scatter allows


def test_a_forecast_is_saved_asked_and_inverted(forecast: Fit, tmp_path) -> None:
    point = {"params": 2e10, "tokens": 2e12}
    again = Fit.load(forecast.save(tmp_path / "fit"))
    xr.testing.assert_identical(again.predict(point).draws, forecast.predict(point).draws)
    target = float(forecast.predict(point, "mean").draws.median())
    found = forecast.invert(target, tokens_per_param=100, kind="mean", prob=0.5)
    assert found.params == pytest.approx(2e10, rel=0.2)
    mean, new = (forecast.predict(point, kind).draws.std() for kind in ("mean", "run"))
    assert float(mean) < float(new)


def test_runs_given_the_others_are_as_likely_as_when_left_out(forecast: Fit) -> None:
    data = design(forecast.spec, forecast.runs).data
    density = OneByOne(forecast.spec, forecast.posterior, data).log_density()
    assert density.shape == (4, 750, 40)
    # Scatter of 0.4 % on responses near 2.6: about ln(1 / (0.01 sqrt(2 pi e))) nats a run.
    assert float(density.mean()) == pytest.approx(3.1, abs=0.4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise": {"on": "log", "dist": "StudentT"}}, "needs noise dist"),
        ({"corpora": ["a", "b"]}, "several corpora"),
    ],
)
def test_what_a_discrepancy_cannot_do_is_one_line(change: dict, words: str) -> None:
    says = Spec.load("forecast").model_dump() | change
    if "StudentT" in str(change):
        says["priors"]["nu"] = {"dist": "LogNormal", "mu": 2.0, "sigma": 0.6}
    with pytest.raises(ValueError, match=words):
        Spec.model_validate(says)
    says = Spec.load("forecast").model_dump()
    says["discrepancy"].pop("amplitude")
    with pytest.raises(ValueError, match="discrepancy amplitude"):
        Spec.model_validate(says)


def test_any_spec_can_have_a_discrepancy(table: Runs) -> None:
    spec = Spec.load("compute-only").replace(discrepancy=True)
    assert spec.name == "compute-only-discrepancy"
    fit = ScalingModel(spec).fit(table, show_progress=False)  # groups, hidden counts and all
    assert fit.convergence.r_hat < 1.05
    point = {"params": 4e11, "tokens": 3e13}
    wide, narrow = (
        one.predict(point, "mean").draws.std()
        for one in (fit, ScalingModel("compute-only").fit(table, show_progress=False))
    )
    assert float(wide) > float(narrow)


def test_splits_are_checked(table: Runs, tmp_path) -> None:
    stated = table.keep("tokens == tokens")
    one = split(stated, "params < 1e10")
    assert len(one.train) + len(one.test) == len(stated)
    with pytest.raises(BayescaleError, match="predict some"):
        split(stated, "params > 0")
    with pytest.raises(BayescaleError, match="hides its token count"):
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
@pytest.mark.skipif(not SHARED.is_dir(), reason="the published runs are not in ../shared/data")
def test_intervals_hold_beyond_the_data() -> None:
    quick = {"gadre-c4", "datablations-one-epoch", "olmo-ladder", "porian-rw-chinchilla"}
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
