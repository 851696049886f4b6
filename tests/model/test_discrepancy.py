"""The discrepancy: its sampler's density is exact, and it widens what is extrapolated."""

import numpy as np
import pytest
import xarray as xr
from known_laws import TRUTH
from scipy import stats
from scipy.special import logsumexp

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.evaluation.folds import folds
from bayescale.evaluation.left_out import ByFold
from bayescale.model.conditioning import conditioned
from bayescale.model.design import design
from bayescale.model.discrepancy import inducing
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.discrepancy.axes import COMPUTE
from bayescale.model.discrepancy.process import (
    Parameters,
    condition,
    coordinates,
    covariance,
)
from bayescale.model.linearised import constrained, tangent
from bayescale.model.priors import local_lengths, typical
from bayescale.sampling.density import arrays as sampled_arrays
from bayescale.testing import ladder, simulate

RNG = np.random.default_rng(0)
QUICK = Settings(draws=400, tune=400)
NOISE = 0.004**2
FORECAST = Spec.load("forecast")
AXES, LOCAL, TYPICAL = FORECAST.axes, local_lengths(FORECAST), typical(FORECAST)


def at_sizes(params: np.ndarray, tokens: np.ndarray, frontier: float) -> discrepancy.Coordinates:
    return coordinates(AXES, {"params": params, "tokens": tokens}, frontier, np)


def inducing_points(params: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    return inducing.inducing_points(AXES, {"params": params, "tokens": tokens}, TYPICAL)


def parameter_draws(count: int = 3) -> xr.Dataset:
    """A few draws of the processes' parameters."""
    middle = {"amplitude": 0.05, "length_compute": 6, "length_split": 3, "local_amplitude": 0.006}
    middle |= {"local_growth": 0.4}
    return xr.Dataset(
        {
            discrepancy.PREFIX + name: (
                ("chain", "draw"),
                value * np.exp(0.1 * RNG.standard_normal((1, count))),
            )
            for name, value in middle.items()
        }
    )


def parameters_of(draws: xr.Dataset, draw: int) -> Parameters:
    named = {
        name: draws[discrepancy.PREFIX + name].values[0, draw : draw + 1]
        for name in discrepancy.parameters(AXES)
    }
    return Parameters.named(AXES, named, LOCAL)


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
        at = at_sizes(params, tokens, frontier)
        theta = parameters_of(draws, i)
        dense.append(covariance(theta, at, at, np) + np.eye(count + points) * NOISE)
    residual = RNG.multivariate_normal(np.zeros(count + points), dense[0])
    table = {"params": params, "tokens": tokens, "frontier": frontier, "draws": draws}
    table["count"] = len(inducing_points(params[:count], tokens[:count])["params"])
    return table, dense, xr.DataArray(residual, dims="run")


def weights_given(table: dict, residual: np.ndarray, count: int) -> np.ndarray:
    """Draws of the weights given the first 12 runs and the first parameters, noise Normal."""
    params, tokens, frontier = table["params"][:12], table["tokens"][:12], table["frontier"]
    points = inducing_points(params, tokens)
    at = at_sizes(points["params"], points["tokens"], frontier)
    runs = at_sizes(params, tokens, frontier)
    theta = parameters_of(table["draws"], 0)
    among = covariance(theta, at, at, np) * (1 + np.eye(table["count"]) * discrepancy.JITTER)
    basis = np.linalg.solve(np.linalg.cholesky(among), covariance(theta, at, runs, np))
    precision = np.eye(table["count"]) + basis @ basis.T / NOISE
    mean = np.linalg.solve(precision, basis @ residual / NOISE)
    return RNG.multivariate_normal(mean, np.linalg.inv(precision), count)


def test_the_tangent_is_where_the_runs_put_the_law() -> None:
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}
    runs = simulate(Spec.load("chinchilla").replace(groups=False), ladder(), truth, seed=3)
    spec = Spec.load("chinchilla").replace(groups=False, discrepancy=True)
    arrays = tangent(spec, design(spec, runs).data)
    values = constrained(spec, arrays["law_point"].values, np)
    assert values["level"] == pytest.approx(truth["level"], rel=0.01)
    assert values["alpha"] == pytest.approx(truth["alpha"], abs=0.05)
    assert float(abs(arrays["run_misfit"]).median()) == pytest.approx(0.67 * 0.004, rel=0.3)


def test_a_run_far_off_counts_less_in_the_samplers_coordinates() -> None:
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}
    runs = simulate(Spec.load("chinchilla").replace(groups=False), ladder(), truth, seed=3)
    frame = runs.table.copy()
    frame.loc[frame.index[44], "bpc"] *= 1.1
    spec = Spec.load("forecast").replace(response="bpc")
    misfit = tangent(spec, design(spec, Runs.from_frame(frame)).data)["run_misfit"].values
    assert int(np.argmax(misfit)) == 44
    assert misfit[44] == pytest.approx(np.log(1.1), rel=0.2)


def test_predictions_given_the_runs_are_those_of_a_dense_gaussian(case) -> None:
    table, dense, residual = case
    values = residual.to_numpy()
    many = 4000
    weight_draws = weights_given(table, values[:12], many)
    draws = table["draws"].isel(draw=[0] * many).assign_coords(draw=np.arange(many))
    draws[discrepancy.WEIGHTS] = (("chain", "draw", "inducing"), weight_draws[None])
    points = inducing_points(*(table[name][:12] for name in ("params", "tokens")))
    processes = condition(
        draws, axes=AXES, local_lengths=LOCAL, inducing=points, frontier=table["frontier"]
    )
    like = xr.DataArray(np.zeros((1, many, 4)), dims=("chain", "draw", "run"))
    new = {name: xr.DataArray(table[name][12:], dims="run") for name in ("params", "tokens")}
    predicted = processes.at(new, like)
    joint = dense[0]
    gain = joint[12:, :12] @ np.linalg.inv(joint[:12, :12])
    mean, left = gain @ values[:12], joint[12:, 12:] - gain @ joint[:12, 12:]
    sd = np.sqrt(predicted["mean"].var("draw") + (predicted["sd"] ** 2).mean("draw")).values[0]
    expected = np.sqrt(np.diag(left) - NOISE)
    error = 4 * expected.max() / 60
    assert predicted["mean"].mean("draw").values[0] == pytest.approx(mean, abs=error)
    assert sd == pytest.approx(expected, rel=0.05)
    residuals, noise = like + values[12:], xr.full_like(like, NOISE)
    density = processes.joint_log_density(new, residuals, noise).values.ravel()
    exact = stats.multivariate_normal(mean, left).logpdf(values[12:])
    assert float(logsumexp(density) - np.log(many)) == pytest.approx(exact, abs=0.15)
    together = processes.joint_draws(new, like, np.random.default_rng(0)).values[0]
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
    return COMPUTE.along(data).values


def test_leaving_out_the_largest_run_keeps_the_prior() -> None:
    spec = Spec.load("forecast").replace(response="bpc")
    arrays = design(spec, law_runs(12))
    kept = arrays.data.isel(run=slice(None, -1))
    frontier = compute_of(arrays.data).max()
    assert compute_of(kept).max() < frontier
    # Of the sampler, and of what is predicted from its draws.
    assert float(sampled_arrays(spec, kept)["frontier"]) == pytest.approx(frontier)
    draws = parameter_draws()
    weights = RNG.standard_normal((1, 3, arrays.data.sizes["inducing"]))
    draws[discrepancy.WEIGHTS] = (("chain", "draw", "inducing"), weights)
    like = xr.DataArray(np.zeros((1, 3, 11)), dims=("chain", "draw", "run"))
    predicted = [conditioned(spec, draws, data).at(kept, like) for data in (arrays.data, kept)]
    xr.testing.assert_identical(*predicted)


def test_below_a_frontier_the_prior_is_that_of_the_runs_kept() -> None:
    spec = Spec.load("forecast").replace(response="bpc")
    runs = law_runs(12)
    arrays = design(spec, runs)
    left_out = folds(runs, "frontier", share=0.25)
    (job,) = ByFold(spec, arrays, left_out, spec.refit_settings, "frontier").jobs
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
        points = inducing_points(params, tokens)
        assert len(points["params"]) == len(points["tokens"]) == size


def test_inducing_points_are_few_and_spread_out() -> None:
    params, tokens = np.random.default_rng(1).uniform(-4, 4, (2, 300))
    short = TYPICAL._replace(
        amplitude=np.full(1, 0.042),
        local_amplitude=np.full(1, 0.0047),
        lengths=(np.full(1, 6.0), np.full(1, 3.0)),
    )
    chosen = inducing.inducing_runs(AXES, {"params": params, "tokens": tokens}, short)
    assert len(set(chosen)) == len(chosen) <= inducing.MOST
    apart = np.hypot(*(np.subtract.outer(x, x[chosen]) for x in (params, tokens)))
    assert apart.min(axis=1).max() < 3  # every run has one near by
    some = {"params": params[:20], "tokens": tokens[:20]}
    assert list(inducing.inducing_runs(AXES, some, TYPICAL)) == list(range(20))


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
    mean = fit.conditioned.at(x, like)["mean"].mean(("chain", "draw"))
    return float((mean**2).mean() ** 0.5)


def test_the_discrepancy_shrinks_on_the_laws_data_and_appears_on_anothers(forecast: Fit) -> None:
    # Chinchilla's law, at the edge of the priors, which have a sharper corner.
    for name, most in {"amplitude": 0.0126, "local_amplitude": 0.0014}.items():
        assert float(forecast.posterior[f"discrepancy_{name}"].median()) < most
    bent = forecast.runs.table.copy()
    compute = np.log(bent["params"] * bent["tokens"])
    bent["bpc"] *= np.exp(0.02 * np.sin((compute - compute.mean()) / 2))
    longer = QUICK.replace(draws=1000)
    other = ScalingModel(forecast.spec).fit(Runs(bent, "bent"), longer, show_progress=False)
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
