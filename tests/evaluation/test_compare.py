"""Comparison: refits through one sampler agree with fits from scratch, and the truth wins."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known_laws import TRUTH
from scipy.integrate import quad

from bayescale import BayescaleError, Fit, Runs, ScalingModel, Settings, Spec
from bayescale.base.settings import REFIT
from bayescale.evaluation.compare import Comparison, compare, undecided
from bayescale.evaluation.discrimination import discrimination, most_informative
from bayescale.evaluation.folds import folds, training_flops
from bayescale.evaluation.reference import reference_runs
from bayescale.evaluation.scores import averaged, crps, scores
from bayescale.fit.stack import Stack, load, stack
from bayescale.model.design import design
from bayescale.model.noise import NOISES
from bayescale.model.scale import scale_of
from bayescale.sampling.sampler import Sampler
from bayescale.testing import ladder, simulate

POINT = {"params": 4e11, "tokens": 3e13}


@pytest.fixture(scope="module")
def some(table: Runs) -> Runs:
    return reference_runs(table)


@pytest.fixture(scope="module")
def by_run(some: Runs) -> Comparison:
    specs = [Spec.load(name).replace(groups=False) for name in ("compute-only", "separate-slopes")]
    return compare(specs, some, by="run", show_progress=False)


@pytest.fixture(scope="module")
def pair(some: Runs) -> list[Fit]:
    specs = [Spec.load(name).replace(groups=False) for name in ("compute-only", "chinchilla")]
    return [ScalingModel(spec).fit(some, REFIT, show_progress=False) for spec in specs]


def test_a_refit_is_the_fit_without_those_runs(some: Runs) -> None:
    spec = Spec.load("compute-only").replace(groups=False)
    out = folds(some, "run")[3].out
    refit = Sampler(spec, design(spec, some)).refit(~out)
    assert refit.convergence.passed
    alone = ScalingModel(spec).fit(Runs(some.table[~out], "without"), show_progress=False)
    # Another centre, so compare what does not depend on it.
    slope = refit.posterior["slope"]
    assert float(slope.mean()) == pytest.approx(float(alone.posterior["slope"].mean()), abs=1e-4)
    assert float(slope.std()) == pytest.approx(float(alone.posterior["slope"].std()), rel=0.1)


def test_importance_sampling_agrees_with_exact_refits_where_k_is_low(
    by_run: Comparison, some: Runs
) -> None:
    spec = by_run.specs["compute-only"]
    sampler = Sampler(spec, design(spec, some))
    refitted = set(by_run.refits.query("model == 'compute-only'")["fold"])
    cheap = [fold for fold in folds(some, "run") if fold.name not in refitted]
    assert len(cheap) >= 10
    for fold in cheap:
        refit = sampler.refit(~fold.out)
        here = sampler.design.data.isel(run=np.flatnonzero(fold.out))
        error = here["response"] - spec.law.mean(here, refit.posterior, np)
        density = NOISES[spec.noise.dist].log_density(
            refit.posterior, error, refit.posterior["sigma"]
        )
        elpd = float(np.log(np.exp(density).mean()))
        assert by_run.elpd.loc[fold.name, "compute-only"] == pytest.approx(elpd, abs=0.1, rel=0.1)


def test_the_table_has_what_a_reader_needs(by_run: Comparison, some: Runs) -> None:
    assert by_run.table["elpd_diff"].iloc[0] == 0
    assert sum(by_run.weights.values()) == pytest.approx(1)
    assert by_run.table["elpd"].to_dict() == pytest.approx(by_run.elpd.sum().to_dict())
    assert set(by_run.elpd.index) == set(some.table["run"])
    assert by_run.passed
    assert [note.code for note in by_run.notes if note.code != "sampled-again"] == ["undecided"]
    assert {"coverage_50", "coverage_90", "crps", "interval_score", "rmse"} < set(by_run.table)
    # Nested laws on data that one slope explains: neither is far ahead.
    assert by_run.table["elpd_diff"].min() > -4
    said = by_run.to_dict()
    assert said["models"][0]["model"] in by_run.specs
    assert len(said["predictions"]) == 2 * len(some)


@pytest.mark.parametrize(
    ("difference", "error", "monte_carlo", "units", "decided"),
    [
        (-52, 7.9, 0.1, 12, True),  # however few the families are
        (-50, 5, 0.1, 28, True),
        (-8, 3.5, 0.1, 28, False),  # the error of few units may be twice as large
        (-8, 3.5, 0.1, 200, True),
        (-8, 3.5, 3.0, 200, False),  # other draws might say otherwise
        (-3, 0.2, 0.1, 200, False),  # small, whatever its error
        (-20, 2, 0.1, 2, False),  # two units know nothing of an error
        (-20, 0, 0.0, 1, False),
    ],
)
def test_a_difference_of_many_errors_decides(
    difference: float, error: float, monte_carlo: float, units: int, decided: bool
) -> None:
    table = pd.DataFrame(
        {"elpd_diff": [0, difference], "dse": [0, error], "elpd_mcse": [0, monte_carlo]},
        index=["best", "other"],
    )
    notes = undecided(table, "family", units)
    assert [note.code for note in notes] == ([] if decided else ["undecided"])
    if not decided:
        assert f"other {difference:+.1f} (standard error {error:.1f}" in notes[0].text
        assert ("draw more" in notes[0].hint) == (monte_carlo > error)


def test_the_split_does_not_show_on_the_bundled_runs(some: Runs) -> None:
    spec = Spec.load("separate-slopes").replace(groups=False)
    summary = ScalingModel(spec).fit(some, REFIT, show_progress=False).summary()
    # Least squares gives -0.0712 and -0.0691 per decade.
    assert summary.loc["params_per_decade", "mean"] == pytest.approx(-0.0712, abs=0.004)
    assert summary.loc["tokens_per_decade", "mean"] == pytest.approx(-0.0691, abs=0.004)
    difference = summary.loc["difference_per_decade"]
    assert difference["lower"] < 0 < difference["upper"]
    assert difference["upper"] - difference["lower"] < 0.05


@pytest.mark.slow
def test_a_family_left_out_is_predicted_as_an_unseen_one(table: Runs) -> None:
    kept = ["Falcon", "Llama-1", "Llama-2", "Llama-3", "Qwen1.5", "Yi"]
    table = Runs(table.table[table.table["family"].isin(kept)], "six families")
    by_family = compare(["compute-only", "separate-slopes"], table, by="family")
    assert by_family.passed
    assert by_family.elpd.index.name == "family"
    assert set(by_family.elpd.index) == set(table.table["family"])
    assert 0.75 <= by_family.table.loc["compute-only", "coverage_90"] <= 1
    without = Runs(table.table.query("family != 'Llama-3'"), "without")
    asked = table.table.query("family == 'Llama-3'").set_index("run")
    fit = ScalingModel("compute-only").fit(without)
    alone = fit.predict(Runs(asked.reset_index(), "llama"), "run").table().set_index("run")
    rows = by_family.predictions.query("model == 'compute-only' and fold == 'Llama-3'")
    for row in rows.itertuples():
        for end in ("median", "lower", "upper"):
            assert getattr(row, end) == pytest.approx(alone.loc[row.run, end], abs=0.004)


def test_the_frontier_is_what_took_the_most_compute(table: Runs) -> None:
    (fold,) = folds(table, "frontier", share=0.25)
    flops = training_flops(table).to_numpy()
    assert fold.out.sum() == 7
    assert flops[fold.out].min() > flops[~fold.out].max()
    (fold,) = folds(table, "frontier", above=1e24)
    assert (fold.out == (flops > 1e24)).all()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda t: compare(["compute-only"], t), "at least two"),
        (lambda t: compare(["compute-only", "compute-only"], t), "two models are named"),
        (lambda t: compare(["compute-only", "compute-only-corpora"], t), "one response"),
        (lambda t: compare(["compute-only", "chinchilla"], t, by="moon"), "by='moon'"),
        (lambda t: compare(["compute-only", "chinchilla"], t, by="dataset"), "no column dataset"),
        (lambda t: folds(t, "frontier", share=1.5), "share=1.5"),
        (lambda t: folds(t, "frontier", above=1e30), "leave some on either side"),
        (lambda t: folds(t.keep("family == 'Yi'"), "family"), "nothing would be left"),
    ],
)
def test_what_cannot_be_compared_is_one_line(ask, words: str, table: Runs) -> None:
    with pytest.raises(BayescaleError, match=words) as caught:
        ask(table)
    assert "\n" not in str(caught.value)


def test_fits_of_different_runs_are_refused(pair: list[Fit], table: Runs) -> None:
    with pytest.raises(BayescaleError, match="saw different runs"):
        compare(pair, table)


ON_LOGIT = {"on": "logit", "dist": "StudentT"}


@pytest.mark.parametrize(
    ("name", "changes", "middle"),
    [
        ("compute-only", {}, 2.0),
        ("chinchilla", {}, 2.0),
        ("compute-only-corpora", {}, 2.0),
        ("chinchilla", {"response": "error", "noise": ON_LOGIT}, 0.4),
        ("chinchilla", {"response": "score", "noise": ON_LOGIT, "bounds": (25.0, 90.0)}, 50.0),
    ],
)
def test_densities_are_of_the_response_whatever_the_noise_is_on(
    name: str, changes: dict, middle: float
) -> None:
    spec = Spec.load(name).replace(**changes)
    scale = scale_of(spec)
    one = {"sigma": xr.DataArray(0.1), "nu": xr.DataArray(5.0)}

    def density(value: float) -> float:
        error = scale.difference(xr.DataArray(value), xr.DataArray(middle))
        log = NOISES[spec.noise.dist].log_density(one, error, one["sigma"])
        return float(np.exp(log + scale.log_jacobian(xr.DataArray(value))))

    low = 1e-9 if spec.noise.on == "log" else scale.low
    whole = quad(density, low, middle)[0] + quad(density, middle, scale.high)[0]
    assert whole == pytest.approx(1, abs=1e-6)


def test_scores_of_known_draws() -> None:
    rng = np.random.default_rng(0)
    draws = xr.DataArray(rng.standard_normal((4, 5000, 400)), dims=("chain", "draw", "run"))
    observed = xr.DataArray(
        rng.standard_normal(400), dims="run", coords={"run": np.arange(400)}, name="observed"
    )
    said = averaged(scores(draws, observed))
    assert said["coverage_90"] == pytest.approx(0.9, abs=0.04)
    assert said["coverage_50"] == pytest.approx(0.5, abs=0.06)
    assert said["crps"] == pytest.approx(1 / np.sqrt(np.pi), abs=0.05)
    # A Normal's interval score at 90 %: width and expected misses.
    assert said["interval_score"] == pytest.approx(4.13, abs=0.35)
    assert said["rmse"] == pytest.approx(1, abs=0.08)


def test_scores_are_those_of_scoringrules() -> None:
    import scoringrules

    rng = np.random.default_rng(1)
    draws = rng.gamma(2, size=(2, 500, 30))
    observed = xr.DataArray(rng.gamma(2, size=30), dims="run", coords={"run": np.arange(30)})
    found = scores(xr.DataArray(draws, dims=("chain", "draw", "run")), observed)
    values, (lower, upper) = observed.values, (found[end].to_numpy() for end in ("lower", "upper"))
    interval_scores = scoringrules.interval_score(values, lower, upper, 0.1)
    np.testing.assert_allclose(found["interval_score"], interval_scores)
    levels = (np.arange(50) + 0.5) / 50
    quantiles = np.quantile(draws.reshape(-1, 30), levels, axis=0).T
    crps_by_quantiles = 2 * scoringrules.quantile_score(values[:, None], quantiles, levels).mean(1)
    np.testing.assert_allclose(found["crps"], crps_by_quantiles)


def test_the_crps_exists_without_a_mean_and_is_proper() -> None:
    """Of Student's t noise on the logarithm: draws with other seeds have the same score."""

    coords = {"run": np.arange(400)}
    values = np.exp(0.3 + 0.1 * np.random.default_rng(9).standard_t(1.2, 400))
    observed = xr.DataArray(values, dims="run", coords=coords)

    def score(scale: float, seed: int) -> xr.DataArray:
        noise = scale * np.random.default_rng(seed).standard_t(1.2, (4, 2500, 400))
        with np.errstate(over="ignore"):  # some draws are infinite
            draws = np.exp(0.3 + noise)
        return crps(xr.DataArray(draws, dims=("chain", "draw", "run"), coords=coords), observed)

    true = score(0.1, 0)
    assert np.isfinite(true).all()
    assert score(0.1, 1).to_numpy() == pytest.approx(true.to_numpy(), rel=0.2)
    for scale in (0.05, 0.2):
        assert float((score(scale, 0) - true).mean()) > 0


def test_a_stack_predicts_inverts_and_is_saved_like_a_fit(pair: list[Fit], tmp_path) -> None:
    mixed = stack(pair, {"compute-only": 1.0, "chinchilla": 3.0})
    assert mixed.weights == (0.25, 0.75)
    line, bent = (fit.predict(POINT).draws.values.ravel() for fit in pair)
    both = mixed.predict(POINT)
    between = float((both.draws < 0.3).mean())
    assert between == pytest.approx(
        0.25 * (line < 0.3).mean() + 0.75 * (bent < 0.3).mean(), abs=0.02
    )
    assert both.draws.dims == pair[0].predict(POINT).draws.dims
    answers = [one.invert(0.33, params=4e11, prob=0.5) for one in (*pair, mixed)]
    assert min(a.flops for a in answers[:2]) < answers[2].flops < max(a.flops for a in answers[:2])
    again = load(mixed.save(tmp_path / "mix"))
    assert isinstance(again, Stack)
    xr.testing.assert_identical(again.predict(POINT).draws, both.draws)
    only = stack(pair, {"compute-only": 0.0, "chinchilla": 1.0})
    assert [fit.spec.name for fit in only.fits] == ["chinchilla"]


@pytest.mark.parametrize(
    "weights", [{}, {"compute-only": 1}, {"compute-only": -1, "chinchilla": 1}]
)
def test_bad_weights_are_one_line(pair: list[Fit], weights: dict) -> None:
    with pytest.raises(BayescaleError, match="give each fit a share"):
        stack(pair, weights)


def test_a_damaged_stack_is_one_line(pair: list[Fit], tmp_path) -> None:
    saved = stack(pair, {"compute-only": 1, "chinchilla": 1}).save(tmp_path / "mix")
    (saved / "stack.json").write_text('{"format": 9, "weights": {"compute-only": 1}}')
    with pytest.raises(BayescaleError, match="damaged"):
        load(saved)


def test_separation_counts_standard_deviations_of_one_run(pair: list[Fit]) -> None:
    """Of lines .02 apart, under which runs deviate by .01 or .03."""

    def line(level: float, sigma: float) -> Fit:
        truth = {"level": level, "slope": -0.03, "sigma": sigma, "nu": 1e6}
        posterior = pair[0].posterior
        constant = {name: xr.full_like(posterior[name], value) for name, value in truth.items()}
        return replace(pair[0], groups={**pair[0].groups, "posterior": posterior.assign(constant)})

    alike = discrimination(line(0.47, 0.01), line(0.45, 0.01))
    assert alike["median"].to_numpy() == pytest.approx(0.02)
    assert alike["separation"].to_numpy() == pytest.approx(2, rel=0.06)
    unlike = discrimination(line(0.45, 0.01), line(0.47, 0.03))
    expected = -0.02 / np.sqrt((0.01**2 + 0.03**2) / 2)
    assert unlike["separation"].to_numpy() == pytest.approx(expected, rel=0.06)


def test_the_laws_differ_outside_the_data(pair: list[Fit]) -> None:
    table = discrimination(*pair)
    covered = table[table["decades_outside"] == 0]
    outside = table[table["decades_outside"] > 1]
    assert len(covered)
    assert covered["separation"].abs().max() < outside["separation"].abs().max()
    assert (table["lower"] < table["median"]).all()
    best = most_informative(table, float(training_flops(pair[0].runs).max()))
    assert best["flops"] <= training_flops(pair[0].runs).max() * 1.001
    assert best["decades_outside"] > 0
    same = discrimination(pair[0], pair[0])
    assert same["median"].abs().max() < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("truth", ["compute-only", "chinchilla", "kaplan"])
def test_the_truth_is_picked_as_runs_are_added(truth: str) -> None:
    names = ["compute-only", "chinchilla", "kaplan"]
    whole = simulate(
        Spec.load(truth).replace(groups=False),
        ladder(),
        TRUTH[truth] | {"sigma": 0.01, "nu": 30.0},
        seed=5,
    )
    few = Runs(whole.table.sample(12, random_state=2), "few")
    specs = [_wide(Spec.load(name).replace(groups=False)) for name in names]
    ahead = []
    for runs in (few, whole):
        table = compare(specs, runs, by="run", show_progress=False).table
        others = table.drop(index=truth)["elpd"].max()
        ahead.append(table.loc[truth, "elpd"] - others)
    assert ahead[1] > 4, ahead
    assert ahead[1] > ahead[0], ahead


def _wide(spec: Spec) -> Spec:
    """The line's priors are for BPC below 1; these simulations are wider."""
    if spec.name != "compute-only":
        return spec
    says = spec.model_dump()
    says["priors"]["level"] = {"dist": "Normal", "mu": 2.0, "sigma": 2.0}
    says["priors"]["slope"] = {"dist": "Normal", "mu": 0.0, "sigma": 0.3}
    return Spec.model_validate(says)


@pytest.mark.slow
def test_equal_slopes_do_not_favour_the_richer_law() -> None:
    spec = Spec.load("compute-only").replace(groups=False)
    runs = simulate(spec, ladder(), TRUTH["compute-only"] | {"sigma": 0.005, "nu": 30.0}, seed=7)
    specs = [spec, Spec.load("separate-slopes").replace(groups=False)]
    table = compare(specs, runs, by="run", settings=Settings(draws=1500, tune=500)).table
    assert table.loc["separate-slopes", "elpd"] < table.loc["compute-only", "elpd"] + 1
    assert isinstance(table, pd.DataFrame)
