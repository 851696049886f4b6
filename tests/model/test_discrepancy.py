"""The discrepancy: its sampler's density is exact, and it widens what is extrapolated."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from known_laws import TRUTH
from scipy import stats
from scipy.special import logsumexp

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.evaluation.compare import _ByFold
from bayescale.evaluation.folds import folds
from bayescale.model.conditioning import conditioned
from bayescale.model.design import design
from bayescale.model.discrepancy import inducing
from bayescale.model.discrepancy import law_coordinates as law
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.discrepancy.prior_covariance import prior_covariance
from bayescale.model.discrepancy.process import (
    Coordinates,
    Parameters,
    condition,
    coordinates,
    covariance,
)
from bayescale.model.discrepancy.weights import Discrepancy, Given, unwhiten, unwhiten_compiled
from bayescale.model.linearised import constrained, tangent
from bayescale.model.priors import log_density
from bayescale.sampling.sampler import Sampler
from bayescale.testing import ladder, simulate

RNG = np.random.default_rng(0)
QUICK = Settings(draws=400, tune=400)
NOISE = 0.004**2


def parameter_draws(count: int = 3) -> xr.Dataset:
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


def parameters_of(draws: xr.Dataset, draw: int) -> Parameters:
    return Parameters(
        **{n: np.float64(draws[discrepancy.PREFIX + n][0, draw]) for n in discrepancy.PARAMETERS}
    )


@pytest.fixture(scope="module")
def case() -> tuple[dict, list[np.ndarray], xr.DataArray]:
    """12 runs and 4 points further out, the dense covariance of all, and their residuals."""
    count, points = 12, 4
    params, tokens = RNG.uniform(-3, 3, (2, count + points))
    params[count:] += 3
    draws = parameter_draws()
    frontier = ((params + tokens)[:count] / np.sqrt(2)).max()
    dense = []
    for i in range(3):
        at = coordinates(params, tokens, frontier, np)
        theta = parameters_of(draws, i)
        dense.append(covariance(theta, at, at, np) + np.eye(count + points) * NOISE)
    residual = RNG.multivariate_normal(np.zeros(count + points), dense[0])
    table = {"params": params, "tokens": tokens, "frontier": frontier, "draws": draws}
    table["count"] = len(inducing.inducing_points(params[:count], tokens[:count])["params"])
    return table, dense, xr.DataArray(residual, dims="run")


def at_first_runs(
    table: dict, residual: np.ndarray, draw: int, whitened: Any, nu: float = np.inf
) -> Discrepancy:
    """The sampler's graph of the processes given the first 12 runs, inducing points padded."""
    params, tokens, frontier = table["params"][:12], table["tokens"][:12], table["frontier"]
    points = inducing.inducing_points(params, tokens)
    at_inducing = coordinates(points["params"], points["tokens"], frontier, np)
    theta = pt.as_tensor(np.array(parameters_of(table["draws"], draw)))
    at = pt.as_tensor(np.stack(at_inducing))
    return unwhiten_compiled(
        Given(
            theta=theta,
            inducing=at,
            runs=pt.as_tensor(np.stack(coordinates(params, tokens, frontier, np))),
            prior=prior_covariance(theta, at),
            residual=pt.as_tensor(residual[:12]),
            noise=pt.as_tensor(NOISE),
            nu=pt.as_tensor(nu),
            whitened=whitened,
        )
    )


def random_parameters() -> Any:
    return pt.as_tensor(np.append(RNG.lognormal(0, 0.5, 6), 0.3))


def random_coordinates(count: int) -> Any:
    return pt.as_tensor(np.stack(coordinates(*(3 * RNG.normal(size=(2, count))), 1, np)))


def formula_covariance(theta: Any, at: Any) -> Any:
    names = Parameters(*(theta[i][None] for i in range(7)))
    points = Coordinates(*(at[i] for i in range(3)))
    return covariance(names, points, points, pt)


def same_values_and_gradients(
    compiled: Sequence[Any], formula: Sequence[Any], inputs: list[Any], precision: float
) -> None:
    """Of the results, and of a weighted sum of them all, in Python and as nutpie compiles it."""
    weights = [RNG.normal(size=value.eval().shape) for value in formula]

    def evaluated(results: Sequence[Any], mode: str) -> list[np.ndarray]:
        total = sum((value * weight).sum() for value, weight in zip(results, weights, strict=True))
        gradients = pytensor.grad(total, inputs)
        return pytensor.function([], [*results, *gradients], mode=mode)()

    expected = evaluated(formula, "FAST_COMPILE")
    for mode in ("FAST_COMPILE", "NUMBA"):
        for value, wanted in zip(evaluated(compiled, mode), expected, strict=True):
            most = max(1, np.abs(wanted).max())
            assert value == pytest.approx(wanted, rel=precision, abs=precision * most)


def test_the_prior_covariance_is_that_of_the_formula() -> None:
    theta, at = random_parameters(), random_coordinates(7)
    compiled, formula = prior_covariance(theta, at), formula_covariance(theta, at)
    same_values_and_gradients([compiled], [formula], [theta, at], 1e-9)


@pytest.mark.parametrize(("nu", "total"), [(5.0, 700), (np.inf, 50)])  # in two blocks, in one
def test_the_weights_are_those_of_the_formula(nu: float, total: int) -> None:
    theta, at = random_parameters(), random_coordinates(5)
    given = Given(
        theta=theta,
        inducing=at,
        runs=random_coordinates(total),
        prior=formula_covariance(theta, at),
        residual=pt.as_tensor(RNG.normal(size=total)),
        noise=pt.as_tensor(0.1),
        nu=pt.as_tensor(nu),
        whitened=pt.as_tensor(RNG.normal(size=5)),
    )
    inputs = [given.theta, given.inducing, given.runs, given.residual, given.noise, given.whitened]
    inputs += [given.nu] if nu < np.inf else []
    same_values_and_gradients(unwhiten_compiled(given), unwhiten(given, pt), inputs, 1e-6)


def test_the_laws_parameters_are_those_of_the_formula() -> None:
    count, parameters = 7, 4
    theta, at = random_parameters(), random_coordinates(count)
    given = law.GivenLaw(
        prior=formula_covariance(theta, at),
        noise=pt.as_tensor(0.1),
        runs=pt.as_tensor(RNG.integers(1, 9, count).astype(float)),
        residual=pt.as_tensor(RNG.normal(size=count)),
        slope=pt.as_tensor(RNG.normal(size=(count, parameters))),
        whitened=pt.as_tensor(RNG.normal(size=parameters)),
    )
    inputs = [theta, at, given.noise, given.residual, given.whitened]
    compiled, formula = law.unwhiten_law_compiled(given), law.unwhiten_law(given, pt)
    same_values_and_gradients(compiled, formula, inputs, 1e-9)


@pytest.mark.parametrize("name", ["forecast", "compute-only"])
def test_in_whitened_coordinates_the_laws_priors_are_the_specs(name: str, table: Runs) -> None:
    """Noise on the log or on the response, with groups and latent counts or without."""
    spec = Spec.load(name).replace(response="bpc", discrepancy=True)
    runs = table if spec.groups else table.keep("tokens == tokens")
    model = Sampler(spec, design(spec, runs)).model
    parameters = [parameter.name for parameter in spec.law.parameters]
    in_values = model.replace_rvs_by_values([model[parameter] for parameter in parameters])
    evaluate = model.compile_fn(
        in_values, inputs=model.value_vars, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    density = model.compile_logp(vars=[model["law_z"]], mode="FAST_COMPILE")
    start = {variable: value + 0.1 for variable, value in model.initial_point().items()}
    constants = []
    for _ in range(3):
        z = RNG.standard_normal(len(parameters))
        values, *stepped = (
            np.array(evaluate(start | {"law_z": z + step}))
            for step in (0, *1e-5 * np.eye(len(parameters)))
        )
        slopes = (np.stack(stepped) - values) / 1e-5
        prior = sum(
            float(log_density(spec.priors[parameter], xr.DataArray(value)))
            for parameter, value in zip(parameters, values, strict=True)
        )
        log_volume = np.linalg.slogdet(slopes)[1]
        constants.append(prior + log_volume - float(density(start | {"law_z": z})))
    assert np.ptp(constants) < 1e-3


def test_the_tangent_is_where_the_runs_put_the_law() -> None:
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}
    runs = simulate(Spec.load("chinchilla").replace(groups=False), ladder(), truth, seed=3)
    spec = Spec.load("forecast").replace(response="bpc")
    arrays = tangent(spec, design(spec, runs).data)
    values = constrained(spec, arrays["law_point"].values, np)
    assert values["level"] == pytest.approx(truth["level"], rel=0.01)
    assert values["alpha"] == pytest.approx(truth["alpha"], abs=0.05)
    assert float(arrays["law_runs"].sum()) == len(runs)


def test_the_samplers_density_is_that_of_a_dense_gaussian(case) -> None:
    # log p(y, w) and its Jacobian, less log p(z): constant in z where the noise is Normal.
    table, dense, residual = case
    values = residual.to_numpy()[:12]
    whitened = pt.vector()
    for i, matrix in enumerate(dense):
        graph = at_first_runs(table, values, i, whitened)
        sigma = np.sqrt(NOISE) * np.ones(12)
        error = (values - graph.mean) / sigma
        density = -(error**2).sum() / 2 - np.log(sigma).sum() - 6 * np.log(2 * np.pi)
        total = pytensor.function([whitened], density + graph.correction)
        expected = stats.multivariate_normal(np.zeros(12), matrix[:12, :12]).logpdf(values)
        for _ in range(3):
            z = RNG.standard_normal(table["count"])
            assert float(total(z)) == pytest.approx(expected, abs=0.01)


def test_heavy_tails_leave_the_density_of_the_weights_exact(case) -> None:
    table, _, residual = case
    whitened = pt.vector()
    graph = at_first_runs(table, residual.to_numpy(), 0, whitened, nu=4.0)
    jacobian = pytensor.function([whitened], pt.jacobian(graph.weights, whitened))
    weights = pytensor.function([whitened], graph.weights)
    correction = pytensor.function([whitened], graph.correction)
    z = RNG.standard_normal(table["count"])
    w = weights(z)
    expected = (
        stats.norm.logpdf(w).sum() - stats.norm.logpdf(z).sum() + np.linalg.slogdet(jacobian(z))[1]
    )
    assert float(correction(z)) == pytest.approx(expected, abs=1e-6)


def test_predictions_given_the_runs_are_those_of_a_dense_gaussian(case) -> None:
    table, dense, residual = case
    values = residual.to_numpy()
    many = 4000
    whitened = pt.vector()
    weights = pytensor.function([whitened], at_first_runs(table, values, 0, whitened).weights)
    weight_draws = np.stack([weights(z) for z in RNG.standard_normal((many, table["count"]))])
    draws = table["draws"].isel(draw=[0] * many).assign_coords(draw=np.arange(many))
    draws[discrepancy.WEIGHTS] = (("chain", "draw", "inducing"), weight_draws[None])
    points = inducing.inducing_points(*(table[name][:12] for name in ("params", "tokens")))
    processes = condition(draws, inducing=points, frontier=table["frontier"])
    like = xr.DataArray(np.zeros((1, many, 4)), dims=("chain", "draw", "run"))
    new = [xr.DataArray(table[name][12:], dims="run") for name in ("params", "tokens")]
    predicted = processes.at(*new, like)
    joint = dense[0]
    gain = joint[12:, :12] @ np.linalg.inv(joint[:12, :12])
    mean, left = gain @ values[:12], joint[12:, 12:] - gain @ joint[:12, 12:]
    sd = np.sqrt(predicted["mean"].var("draw") + (predicted["sd"] ** 2).mean("draw")).values[0]
    expected = np.sqrt(np.diag(left) - NOISE)
    error = 4 * expected.max() / 60
    assert predicted["mean"].mean("draw").values[0] == pytest.approx(mean, abs=error)
    assert sd == pytest.approx(expected, rel=0.05)
    residuals, noise = like + values[12:], xr.full_like(like, NOISE)
    density = processes.joint_log_density(*new, residuals, noise).values.ravel()
    exact = stats.multivariate_normal(mean, left).logpdf(values[12:])
    assert float(logsumexp(density) - np.log(many)) == pytest.approx(exact, abs=0.15)
    together = processes.joint_draws(*new, like, np.random.default_rng(0)).values[0]
    covered, largest = left - NOISE * np.eye(4), np.diag(left).max()
    assert np.cov(together.T) == pytest.approx(covered, abs=0.1 * largest)
    assert np.abs(covered - np.diag(np.diag(covered))).max() > 0.3 * largest


def law_runs(count: int) -> Runs:
    """Some runs of Chinchilla's law, the largest of them last."""
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}
    runs = simulate(Spec.load("chinchilla").replace(groups=False), ladder(), truth, seed=3)
    some = runs.table.sample(count, random_state=1)
    order = (some["params"] * some["tokens"]).sort_values().index
    return Runs(some.loc[order].reset_index(drop=True), "simulated")


def compute_of(data: xr.Dataset) -> np.ndarray:
    return coordinates(data["params"].values, data["tokens"].values, 0.0, np).compute


def test_leaving_out_the_largest_run_keeps_the_prior() -> None:
    spec = Spec.load("forecast").replace(response="bpc")
    arrays = design(spec, law_runs(12))
    kept = arrays.data.isel(run=slice(None, -1))
    frontier = compute_of(arrays.data).max()
    assert compute_of(kept).max() < frontier
    # Of the sampler, and of what is predicted from its draws.
    assert float(Sampler(spec, arrays)._arrays(kept)["frontier"]) == pytest.approx(frontier)
    draws = parameter_draws()
    weights = RNG.standard_normal((1, 3, arrays.data.sizes["inducing"]))
    draws[discrepancy.WEIGHTS] = (("chain", "draw", "inducing"), weights)
    like = xr.DataArray(np.zeros((1, 3, 11)), dims=("chain", "draw", "run"))
    predicted = [
        conditioned(draws, data).at(kept["params"], kept["tokens"], like)
        for data in (arrays.data, kept)
    ]
    xr.testing.assert_identical(*predicted)


def test_below_a_frontier_the_prior_is_that_of_the_runs_kept() -> None:
    spec = Spec.load("forecast").replace(response="bpc")
    runs = law_runs(12)
    arrays = design(spec, runs)
    left_out = folds(runs, "frontier", share=0.25)
    (job,) = _ByFold(spec, arrays, left_out, spec.refit_settings, "frontier").jobs
    below = arrays.data.isel(run=np.flatnonzero(~job.out))
    assert float(job.arrays.data["frontier"]) == pytest.approx(compute_of(below).max())
    assert float(job.arrays.data["frontier"]) < float(arrays.data["frontier"])


def test_a_latent_count_does_not_set_the_frontier(table: Runs) -> None:
    spec = Spec.load("compute-only").replace(discrepancy=True)
    hidden = table.table.copy()
    largest = (hidden["params"] * hidden["tokens"]).idxmax()
    tokens = hidden.at[largest, "tokens"]
    hidden.loc[largest, ["tokens", "tokens_low", "tokens_high"]] = (
        np.nan,
        10 * tokens,
        90 * tokens,
    )
    arrays = design(spec, Runs(hidden, "hidden"))
    stated = arrays.data["tokens_sd"].sum("latent") == 0
    compute = compute_of(arrays.data)
    assert float(arrays.data["frontier"]) == pytest.approx(compute[stated].max())
    assert float(arrays.data["frontier"]) < compute.max()


def test_small_tables_have_few_inducing_points() -> None:
    for count, size in ((8, 10), (10, 10), (11, 20), (25, 40), (60, 40)):
        params, tokens = RNG.uniform(-4, 4, (2, count))
        points = inducing.inducing_points(params, tokens)
        assert len(points["params"]) == len(points["tokens"]) == size


def test_inducing_points_are_few_and_spread_out() -> None:
    params, tokens = np.random.default_rng(1).uniform(-4, 4, (2, 300))
    chosen = inducing.inducing_runs(params, tokens)
    assert len(set(chosen)) == len(chosen) <= inducing.MOST
    apart = np.hypot(*(np.subtract.outer(x, x[chosen]) for x in (params, tokens)))
    assert apart.min(axis=1).max() < 3  # every run has one near by
    assert list(inducing.inducing_runs(params[:20], tokens[:20])) == list(range(20))


def test_the_forecast_samples_cleanly_and_widens_with_distance(forecast: Fit) -> None:
    assert forecast.convergence.passed, forecast.convergence
    far = [{"params": 1e9 * k, "tokens": 1e11 * k} for k in (1, 10, 100)]
    width = forecast.predict(far).table()
    share = ((width["upper"] - width["lower"]) / width["median"]).to_numpy()
    assert (np.diff(share) > 0).all()
    spec = Spec.load("chinchilla").replace(groups=False)
    law_alone = ScalingModel(spec).fit(forecast.runs, show_progress=False).predict(far).table()
    of_law = (law_alone["upper"] - law_alone["lower"]) / law_alone["median"]
    assert share[2] > 1.5 * of_law[2]
    assert share[0] == pytest.approx(of_law[0], rel=0.15)  # in range the law's data need no more
    assert share[0] < 0.03  # in range it is about as sure as the noise allows


def discrepancy_at_the_runs(fit: Fit) -> float:
    """Root mean square of the posterior mean at the fitted runs, a share of the response."""
    x = design(fit.spec, fit.runs).data
    like = xr.zeros_like(fit.replicates())
    mean = fit.conditioned.at(x["params"], x["tokens"], like)["mean"].mean(("chain", "draw"))
    return float((mean**2).mean() ** 0.5)


def test_the_discrepancy_shrinks_on_the_laws_data_and_appears_on_anothers(forecast: Fit) -> None:
    prior, posterior = (
        {
            name: float(draws[f"discrepancy_{name}"].median())
            for name in ("amplitude", "local_amplitude")
        }
        for draws in (forecast.prior, forecast.posterior)
    )
    assert all(posterior[name] < 0.3 * prior[name] for name in prior)
    bent = forecast.runs.table.copy()
    compute = np.log(bent["params"] * bent["tokens"])
    bent["bpc"] *= np.exp(0.02 * np.sin((compute - compute.mean()) / 2))
    other = ScalingModel(forecast.spec).fit(Runs(bent, "bent"), QUICK, show_progress=False)
    assert other.convergence.r_hat < 1.05
    assert discrepancy_at_the_runs(other) > 2 * discrepancy_at_the_runs(forecast)
    assert discrepancy_at_the_runs(other) > 0.01


def test_a_forecast_is_saved_predicts_and_is_inverted(forecast: Fit, tmp_path) -> None:
    point = {"params": 2e10, "tokens": 2e12}
    loaded = Fit.load(forecast.save(tmp_path / "fit"))
    xr.testing.assert_identical(loaded.predict(point).draws, forecast.predict(point).draws)
    target = float(forecast.predict(point, "curve").draws.median())
    inverse = forecast.invert(target, tokens_per_param=100, kind="curve", prob=0.5)
    assert inverse.params == pytest.approx(2e10, rel=0.2)
    curve, run = (forecast.predict(point, kind).draws.std() for kind in ("curve", "run"))
    assert float(curve) < float(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"corpora": ["a", "b"]}, "several corpora"),
    ],
)
def test_what_a_discrepancy_cannot_do_is_one_line(change: dict, words: str) -> None:
    fields = Spec.load("forecast").model_dump()
    with pytest.raises(ValueError, match=words):
        Spec.model_validate(fields | change)
    fields["discrepancy"].pop("amplitude")
    with pytest.raises(ValueError, match="discrepancy amplitude"):
        Spec.model_validate(fields)


def test_any_spec_can_have_a_discrepancy(table: Runs) -> None:
    spec = Spec.load("compute-only").replace(discrepancy=True)
    assert spec.name == "compute-only-discrepancy"
    fit = ScalingModel(spec).fit(table, QUICK, show_progress=False)  # groups, latent counts, all
    assert fit.convergence.r_hat < 1.05
    without = ScalingModel("compute-only").fit(table, show_progress=False)
    point = {"params": 4e11, "tokens": 3e13}
    wide, narrow = (model.predict(point, "curve").draws.std() for model in (fit, without))
    assert float(wide) > float(narrow)
