"""The discrepancy widens what is extrapolated, is exact where it says so, and backtests hold."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from conftest import SHARED
from known_laws import TRUTH
from scipy import stats
from scipy.special import logsumexp

from bayescale import BayescaleError, Fit, Runs, ScalingModel, Settings, Spec
from bayescale.evaluation.backtest import backtest, calibrate, read_suite, rolling, split, summary
from bayescale.evaluation.compare import compare
from bayescale.model.design import design
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.discrepancy.law_coordinates import place, placed
from bayescale.model.discrepancy.process import condition, covariance, inducing, places
from bayescale.model.discrepancy.weights import weighed
from bayescale.model.linearised import bound, tangent
from bayescale.model.priors import log_density
from bayescale.predictive.predictive import Predictive
from bayescale.sampling.sampler import Sampler
from bayescale.testing import ladder, simulate

RNG = np.random.default_rng(0)
QUICK = Settings(draws=400, tune=400)


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


NOISE = 0.004**2


@pytest.fixture(scope="module")
def case() -> tuple[dict, list[np.ndarray], xr.DataArray]:
    """12 runs and 4 points further out, the dense covariance of all, and what the runs missed."""
    count, points = 12, 4
    params, tokens = RNG.uniform(-3, 3, (2, count + points))
    params[count:] += 3
    draws = draws_of()
    frontier = ((params + tokens)[:count] / np.sqrt(2)).max()
    dense = []
    for i in range(3):
        theta = {n: np.float64(draws[discrepancy.PREFIX + n][0, i])
                 for n in discrepancy.PARAMETERS}  # fmt: skip
        where = places(params, tokens, frontier, np)
        dense.append(covariance(theta, where, where, np) + np.eye(count + points) * NOISE)
    share = xr.DataArray(RNG.multivariate_normal(np.zeros(count + points), dense[0]), dims="run")
    asked = {"params": params, "tokens": tokens, "frontier": frontier, "draws": draws}
    return asked, dense, share


def drawn(asked: dict, share: np.ndarray, draw: int, standard: Any, tails: Any = None) -> Any:
    """The sampler's graph of the processes given the first 12 runs."""
    values = {n: float(asked["draws"][discrepancy.PREFIX + n][0, draw])
              for n in discrepancy.PARAMETERS}  # fmt: skip
    theta = {name: pt.as_tensor(value) for name, value in values.items()}
    where = places(asked["params"][:12], asked["tokens"][:12], asked["frontier"], np)
    where = {axis: pt.as_tensor(value) for axis, value in where.items()}
    return weighed(
        theta,
        runs=where,
        inducing=where,
        residual=pt.as_tensor(share[:12]),
        noise=pt.as_tensor(NOISE),
        tails=np.inf if tails is None else tails,
        standard=standard,
    )


@pytest.mark.parametrize("tails", [5.0, np.inf])
def test_the_samplers_weights_have_the_formulas_values_and_slopes(tails: float) -> None:
    """In one operation, against the formula step by step and PyTensor's gradient of it."""
    few, many = 5, 300  # more than go through at a time
    theta = {name: pt.as_tensor(RNG.lognormal(0, 0.5)) for name in discrepancy.PARAMETERS}
    theta["local_growth"] = pt.as_tensor(0.3)
    inducing, runs = (
        places(*(pt.as_tensor(3 * RNG.normal(size=count)) for _ in "ND"), 1, pt)
        for count in (few, many)
    )
    said: dict[str, Any] = {
        "runs": runs, "inducing": inducing, "residual": pt.as_tensor(RNG.normal(size=many)),
        "noise": pt.as_tensor(0.1), "tails": pt.as_tensor(tails),
        "standard": pt.as_tensor(RNG.normal(size=few)),
    }  # fmt: skip
    ours = weighed(theta, **said)
    step_by_step = discrepancy.weigh(theta, **said, xp=pt)
    pulls = [RNG.normal(size=few), RNG.normal(size=many), RNG.normal(size=many), 1.3]
    names = ["residual", "noise", "standard", *(["tails"] if tails < np.inf else [])]
    inputs = [*theta.values(), *inducing.values(), *runs.values(), *(said[name] for name in names)]

    def found(results: list[Any], mode: str) -> list[np.ndarray]:
        total = sum((one * pull).sum() for one, pull in zip(results, pulls, strict=True))
        return pytensor.function([], [*results, *pytensor.grad(total, inputs)], mode=mode)()

    expected = found(list(step_by_step), "FAST_COMPILE")
    for mode in ("FAST_COMPILE", "NUMBA"):
        got = found([ours.weights, ours.missed, ours.own, ours.correction], mode)
        for one, other in zip(got, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-6, abs=1e-6 * np.abs(other).max())


def test_the_laws_parameters_have_the_formulas_values_and_slopes() -> None:
    few, law = 7, 4
    theta = {name: pt.as_tensor(RNG.lognormal(0, 0.5)) for name in discrepancy.PARAMETERS}
    theta["local_growth"] = pt.as_tensor(0.3)
    said: dict[str, Any] = {
        "inducing": places(*(pt.as_tensor(3 * RNG.normal(size=few)) for _ in "ND"), 1, pt),
        "noise": pt.as_tensor(0.1), "runs": pt.as_tensor(RNG.integers(1, 9, few).astype(float)),
        "residual": pt.as_tensor(RNG.normal(size=few)),
        "slope": pt.as_tensor(RNG.normal(size=(few, law))),
        "standard": pt.as_tensor(RNG.normal(size=law)),
    }  # fmt: skip
    inputs = [*theta.values(), *(said[name] for name in ("noise", "residual", "standard"))]
    pull = RNG.normal(size=law)

    def found(results: tuple[Any, Any], mode: str) -> list[np.ndarray]:
        total = (results[0] * pull).sum() + 1.3 * results[1]
        return pytensor.function([], [*results, *pytensor.grad(total, inputs)], mode=mode)()

    expected = found(place(theta, **said, xp=pt), "FAST_COMPILE")
    for mode in ("FAST_COMPILE", "NUMBA"):
        for one, other in zip(found(placed(theta, **said), mode), expected, strict=True):
            assert one == pytest.approx(other, rel=1e-9, abs=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("name", ["forecast", "compute-only"])
def test_wherever_the_sampler_moves_the_laws_priors_are_the_specs(name: str, table: Runs) -> None:
    """Noise on the log or on the response, with groups and latent counts or without."""
    spec = Spec.load(name).replace(response="bpc", discrepancy=True)
    runs = table if spec.groups else table.keep("tokens == tokens")
    model = Sampler(spec, design(spec, runs)).model
    law = [parameter.name for parameter in spec.law.parameters]
    said = model.replace_rvs_by_values([model[one] for one in law])
    ask = model.compile_fn(
        said, inputs=model.value_vars, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    density = model.compile_logp(vars=[model["law_z"]], mode="FAST_COMPILE")
    start = {one: value + 0.1 for one, value in model.initial_point().items()}
    constants = []
    for _ in range(3):
        z = RNG.standard_normal(len(law))
        values, *moved = (
            np.array(ask(start | {"law_z": z + step})) for step in (0, *1e-5 * np.eye(len(law)))
        )
        slopes = (np.stack(moved) - values) / 1e-5
        prior = sum(float(log_density(spec.priors[one], xr.DataArray(value)))
                    for one, value in zip(law, values, strict=True))  # fmt: skip
        volume = np.linalg.slogdet(slopes)[1]
        constants.append(prior + volume - float(density(start | {"law_z": z})))
    assert np.ptp(constants) < 1e-3


def test_the_laws_parameters_start_where_the_runs_put_them() -> None:
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}
    runs = simulate(Spec.load("chinchilla").replace(groups=False), ladder(), truth, seed=3)
    spec = Spec.load("forecast").replace(response="bpc")
    found = tangent(spec, design(spec, runs).data)
    said = bound(spec, found["law_middle"].values, np)
    assert said["level"] == pytest.approx(truth["level"], rel=0.01)
    assert said["alpha"] == pytest.approx(truth["alpha"], abs=0.05)
    assert float(found["law_runs"].sum()) == len(runs)


def test_the_samplers_density_is_that_of_a_dense_gaussian(case) -> None:
    # log p(y, w) and its Jacobian, less log p(z): constant in z where the noise is Normal.
    asked, dense, share = case
    values = share.to_numpy()[:12]
    standard = pt.vector()
    for i, whole in enumerate(dense):
        said = drawn(asked, values, i, standard)
        spread = np.sqrt(NOISE) * np.ones(12)
        left = (values - said.missed) / spread
        density = -(left**2).sum() / 2 - np.log(spread).sum() - 6 * np.log(2 * np.pi)
        total = pytensor.function([standard], density + said.correction)
        expected = stats.multivariate_normal(np.zeros(12), whole[:12, :12]).logpdf(values)
        for _ in range(3):
            assert float(total(RNG.standard_normal(12))) == pytest.approx(expected, abs=0.01)


def test_heavy_tails_count_the_same_wherever_the_sampler_moves(case) -> None:
    # The density of the weights under standard and correction, whatever the centring.
    asked, _, share = case
    standard = pt.vector()
    said = drawn(asked, share.to_numpy(), 0, standard, tails=pt.as_tensor(4.0))
    jacobian = pytensor.function([standard], pt.jacobian(said.weights, standard))
    weights = pytensor.function([standard], said.weights)
    correction = pytensor.function([standard], said.correction)
    z = RNG.standard_normal(12)
    w = weights(z)
    expected = (
        stats.norm.logpdf(w).sum() - stats.norm.logpdf(z).sum() + np.linalg.slogdet(jacobian(z))[1]
    )
    assert float(correction(z)) == pytest.approx(expected, abs=1e-6)


def test_predictions_given_the_runs_are_those_of_a_dense_gaussian(case) -> None:
    asked, dense, share = case
    values = share.to_numpy()
    many = 4000
    standard = pt.vector()
    weights = pytensor.function([standard], drawn(asked, values, 0, standard).weights)
    drawn_weights = np.stack([weights(z) for z in RNG.standard_normal((many, 12))])
    one = asked["draws"].isel(draw=[0] * many).assign_coords(draw=np.arange(many))
    one[discrepancy.WEIGHTS] = (("chain", "draw", "inducing"), drawn_weights[None])
    inducing = {name: asked[name][:12] for name in ("params", "tokens")}
    given = condition(one, inducing=inducing, frontier=asked["frontier"])
    like = xr.DataArray(np.zeros((1, many, 4)), dims=("chain", "draw", "run"))
    there = [xr.DataArray(asked[name][12:], dims="run") for name in ("params", "tokens")]
    said = given.at(*there, like)
    whole = dense[0]
    gain = whole[12:, :12] @ np.linalg.inv(whole[:12, :12])
    mean, left = gain @ values[:12], whole[12:, 12:] - gain @ whole[:12, 12:]
    spread = np.sqrt(said["mean"].var("draw") + (said["sd"] ** 2).mean("draw")).values[0]
    expected = np.sqrt(np.diag(left) - NOISE)
    assert said["mean"].mean("draw").values[0] == pytest.approx(mean, abs=4 * expected.max() / 60)
    assert spread == pytest.approx(expected, rel=0.05)
    residual = like + values[12:]
    density = given.joint_log_density(*there, residual, xr.full_like(like, NOISE)).values.ravel()
    joint = stats.multivariate_normal(mean, left).logpdf(values[12:])
    assert float(logsumexp(density) - np.log(many)) == pytest.approx(joint, abs=0.15)


def test_runs_that_stand_in_for_all_are_few_and_spread_out() -> None:
    params, tokens = np.random.default_rng(1).uniform(-4, 4, (2, 300))
    chosen = inducing(params, tokens)
    assert len(set(chosen)) == len(chosen) <= discrepancy.INDUCING
    apart = np.hypot(*(np.subtract.outer(x, x[chosen]) for x in (params, tokens)))
    assert apart.min(axis=1).max() < 3  # every run has one near by
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
    of_law = (alone["upper"] - alone["lower"]) / alone["median"]
    assert share[2] > 1.5 * of_law[2]
    assert share[0] == pytest.approx(of_law[0], rel=0.15)  # in range the law's data need no more
    assert share[0] < 0.03  # in range it is about as sure as the scatter allows


def missed_at_the_runs(fit: Fit) -> float:
    """Root mean square of what the law is expected to miss at the fitted runs, a share."""
    x = design(fit.spec, fit.runs).data
    like = xr.zeros_like(fit.replicates())
    return float(
        (
            fit.conditioned.at(x["params"], x["tokens"], like)["mean"].mean(("chain", "draw")) ** 2
        ).mean()
        ** 0.5
    )


def test_the_discrepancy_shrinks_on_the_laws_data_and_appears_on_anothers(forecast: Fit) -> None:
    prior, found = (
        {name: float(one[f"discrepancy_{name}"].median()) for name in ("amplitude",
                                                                       "local_amplitude")}
        for one in (forecast.prior, forecast.posterior)
    )  # fmt: skip
    assert all(found[name] < 0.3 * prior[name] for name in prior)
    bent = forecast.runs.table.copy()
    compute = np.log(bent["params"] * bent["tokens"])
    bent["bpc"] *= np.exp(0.02 * np.sin((compute - compute.mean()) / 2))
    other = ScalingModel(forecast.spec).fit(Runs(bent, "bent"), QUICK, show_progress=False)
    assert other.convergence.r_hat < 1.05
    assert missed_at_the_runs(other) > 2 * missed_at_the_runs(forecast)
    assert missed_at_the_runs(other) > 0.01


def test_a_forecast_is_saved_asked_and_inverted(forecast: Fit, tmp_path) -> None:
    point = {"params": 2e10, "tokens": 2e12}
    again = Fit.load(forecast.save(tmp_path / "fit"))
    xr.testing.assert_identical(again.predict(point).draws, forecast.predict(point).draws)
    target = float(forecast.predict(point, "curve").draws.median())
    found = forecast.invert(target, tokens_per_param=100, kind="curve", prob=0.5)
    assert found.params == pytest.approx(2e10, rel=0.2)
    mean, new = (forecast.predict(point, kind).draws.std() for kind in ("curve", "run"))
    assert float(mean) < float(new)


def test_runs_given_the_others_are_as_likely_as_when_left_out(forecast: Fit) -> None:
    arrays = design(forecast.spec, forecast.runs)
    inside = Predictive.of_design(forecast.spec, forecast.posterior, arrays, seed=0)
    density = inside.log_likelihood(inside.observed)
    drawn = forecast.posterior.sizes  # longer chains than asked for where some diverged
    assert density.shape == (drawn["chain"], drawn["draw"], 40)
    # Noise of 0.4 % on responses near 2.6: about ln(1 / (0.01 sqrt(2 pi e))) nats a run.
    assert float(density.mean()) == pytest.approx(3.1, abs=0.4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"corpora": ["a", "b"]}, "several corpora"),
    ],
)
def test_what_a_discrepancy_cannot_do_is_one_line(change: dict, words: str) -> None:
    says = Spec.load("forecast").model_dump() | change
    with pytest.raises(ValueError, match=words):
        Spec.model_validate(says)
    says = Spec.load("forecast").model_dump()
    says["discrepancy"].pop("amplitude")
    with pytest.raises(ValueError, match="discrepancy amplitude"):
        Spec.model_validate(says)


def test_any_spec_can_have_a_discrepancy(table: Runs) -> None:
    spec = Spec.load("compute-only").replace(discrepancy=True)
    assert spec.name == "compute-only-discrepancy"
    fit = ScalingModel(spec).fit(table, QUICK, show_progress=False)  # groups, latent counts, all
    assert fit.convergence.r_hat < 1.05
    point = {"params": 4e11, "tokens": 3e13}
    wide, narrow = (
        one.predict(point, "curve").draws.std()
        for one in (fit, ScalingModel("compute-only").fit(table, show_progress=False))
    )
    assert float(wide) > float(narrow)


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
