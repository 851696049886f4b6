"""The main job: a real posterior of the default spec on the bundled table."""

import json
from dataclasses import replace
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from bayescale import BayescaleError, Fit, Runs, ScalingModel, Settings, Spec
from bayescale.base.errors import FitError, RunsError
from bayescale.base.intervals import holds, interval
from bayescale.evaluation.reference import least_squares, reference_runs
from bayescale.model.curve import curve
from bayescale.model.design import collapsed, design
from bayescale.model.graph import build
from bayescale.report import figures

SHORT = Settings(draws=200, tune=200, chains=2)


def codes(fit: Fit) -> set[str]:
    return {note.code for note in fit.notes}


def test_least_squares_to_the_digits_given(table: Runs) -> None:
    line = least_squares(reference_runs(table), "bpc")
    assert line.runs == 21
    assert round(line.slope, 4) == -0.0306
    assert round(line.slope_per_decade, 4) == -0.0704
    assert round(line.intercept, 3) == 0.572
    assert round(line.r_squared, 3) == 0.959


def test_the_posterior_agrees_with_least_squares_within_its_own_uncertainty(fitted: Fit) -> None:
    summary = fitted.summary()
    slope = summary.loc["slope_per_decade"]
    assert slope["lower"] < -0.0704 < slope["upper"]
    assert abs(slope["mean"] + 0.0704) < slope["sd"]
    intercept = summary.loc["intercept"]
    assert intercept["lower"] < 0.572 < intercept["upper"]


def test_what_a_fit_holds_has_names(fitted: Fit) -> None:
    posterior = fitted.posterior
    assert posterior["level_family"].dims == ("chain", "draw", "family")
    assert posterior["level_tokenizer"].sizes["tokenizer"] == 7
    assert set(posterior["tokens"]["latent"].values) == {
        "Mistral-7b", "Mixtral-8x7B", "Mixtral-8x22B-v0.1", "Qwen-1.5-32b", "Qwen1.5-110B",
    }  # fmt: skip
    assert fitted.replicates().dims == ("chain", "draw", "run")
    assert not any(str(name).endswith("_z") for name in posterior)
    assert {"single-run-group", "confounded-groups"} <= codes(fitted)
    assert fitted.convergence.passed


def test_replicates_are_pymcs_prior_predictive(table: Runs) -> None:
    """Our own noise around our own curve against `pm.sample_prior_predictive`, draw by draw."""
    import pymc as pm

    from bayescale.model.design import design
    from bayescale.predictive.predictive import Predictive
    from bayescale.sampling.sampler import Sampler

    for name in ("chinchilla", "compute-only-corpora"):
        spec = Spec.load(name)
        sampler = Sampler(spec, design(spec, table))
        tree = pm.sample_prior_predictive(
            400, model=sampler.model, random_seed=3, compile_kwargs={"mode": "FAST_COMPILE"}
        )
        draws, theirs = tree["prior"].to_dataset(), tree["prior_predictive"]["observed"]
        ours = Predictive.of_design(spec, draws, sampler.design, seed=2).replicates()
        ours = np.log(ours) if spec.noise.on == "log" else ours
        gap = ((ours - theirs) / draws["sigma"]).values.ravel()  # of two noises of unit scale
        assert abs(np.median(gap)) < 0.05
        assert 0.8 < np.subtract(*np.percentile(gap, [75, 25])) / (1.349 * np.sqrt(2)) < 1.25


def test_our_prior_is_that_of_the_model(table: Runs) -> None:
    """Draws without PyMC against `pm.sample_prior_predictive`: names, dims, spread."""
    import pymc as pm
    from scipy.stats import ks_2samp

    from bayescale.model import priors
    from bayescale.model.design import design
    from bayescale.sampling.sampler import Sampler

    for name in ("compute-only", "compute-only-corpora", "forecast"):
        spec = Spec.load(name)
        if name == "forecast":
            spec = spec.replace(response="bpc")
        sampler = Sampler(spec, design(spec, table))
        ours = priors.draws(spec, sampler.design, 2000, seed=1)
        names = [str(v) for v in ours]
        theirs = pm.sample_prior_predictive(
            2000,
            model=sampler.model,
            var_names=names,
            random_seed=2,
            compile_kwargs={"mode": "FAST_COMPILE"},
        )["prior"].to_dataset()
        for variable in names:
            assert set(ours[variable].dims) == set(theirs[variable].dims)
            first = {dim: 0 for dim in ours[variable].dims[2:]}
            one, other = (draws[variable].isel(first).values.ravel() for draws in (ours, theirs))
            assert ks_2samp(one, other).pvalue > 1e-4, variable
        left = {v.name for v in sampler.model.free_RVs} - {*names, "discrepancy_weights"}
        assert all(variable.endswith("_z") for variable in left)


def test_the_same_seed_gives_the_same_draws_on_any_number_of_cores(
    table: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ScalingModel("compute-only").fit(table, SHORT)
    monkeypatch.setattr("os.process_cpu_count", lambda: 1, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    again = ScalingModel("compute-only").fit(table, SHORT)
    other = ScalingModel("compute-only").fit(table, replace(SHORT, seed=1))
    xr.testing.assert_equal(first.posterior, again.posterior)
    assert not first.posterior["slope"].equals(other.posterior["slope"])


@pytest.mark.long
def test_pymcs_own_sampler_agrees(fitted: Fit, table: Runs) -> None:
    theirs = ScalingModel("compute-only").fit(
        table, Settings(draws=300, tune=500, chains=2, sampler="pymc")
    )
    one, other = fitted.posterior["slope"], theirs.posterior["slope"]
    error = np.hypot(*(float(az.mcse(draws)) for draws in (one, other)))
    assert abs(float(one.mean() - other.mean())) < 5 * error


def test_short_chains_are_marked(table: Runs) -> None:
    fit = ScalingModel("compute-only").fit(table, Settings(draws=100, tune=100, chains=2))
    assert not fit.convergence.passed
    assert "unconverged" in codes(fit)


def test_replicates_of_many_runs_are_thinned_and_the_posterior_is_not(
    fitted: Fit, table: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bayescale.fit.scaling._REPLICATES_MOST", 100 * len(table))
    fit = ScalingModel("compute-only").fit(table, SHORT)
    assert fit.posterior.sizes["draw"] == SHORT.draws
    assert dict(fit.replicates().sizes) == {"chain": 2, "draw": 50, "run": len(table)}
    assert dict(fit.replicates("prior").sizes) == {"chain": 1, "draw": 100, "run": len(table)}
    assert "thinned-replicates" in codes(fit) - codes(fitted)
    inside = holds(interval(fit.replicates()), fit.observed).mean()
    assert abs(inside - holds(interval(fitted.replicates()), fitted.observed).mean()) < 0.15
    assert figures.check(fit).axes
    xr.testing.assert_equal(Fit.load(fit.save(tmp_path / "fit")).replicates(), fit.replicates())


def test_a_group_of_one_level_is_said(table: Runs) -> None:
    fit = ScalingModel("compute-only").fit(table.keep("family == 'Qwen1.5'"), SHORT)
    assert "single-level-group" in codes(fit)
    assert "weak-prior-data-separation" in codes(fit)


def test_priors_of_another_unit_are_said(table: Runs) -> None:
    """compute-only's priors are in bits per character; nats per token are five times as many."""
    frame = table.table.assign(loss=table.table["bpc"] * 5)
    fit = ScalingModel(Spec.load("compute-only").replace(response="loss")).fit(
        Runs.from_frame(frame), SHORT
    )
    assert "prior-data-conflict" in codes(fit)
    scale_free = Spec.load("chinchilla").replace(response="loss")
    assert "prior-data-conflict" not in codes(
        ScalingModel(scale_free).fit(Runs.from_frame(frame), SHORT)
    )


def test_what_the_spec_needs_and_the_table_lacks(table: Runs) -> None:
    frame = table.table.drop(columns="tokenizer").reset_index(drop=True)
    frame.loc[2, "family"] = None
    frame.loc[4, "bpc"] = None
    with pytest.raises(RunsError) as caught:
        ScalingModel("compute-only").fit(Runs.from_frame(frame))
    assert {(p.row, p.column) for p in caught.value.problems} == {
        (None, "tokenizer"), (3, "family"), (5, "bpc"),
    }  # fmt: skip


def test_saved_and_loaded_predicts_bit_for_bit_the_same(fitted: Fit, fitted_dir: Path) -> None:
    loaded = Fit.load(fitted_dir)
    points = [
        {"params": 70e9, "tokens": 15e12, "family": "Llama-3"},
        {"params": 4e11, "tokens": 2e13, "family": "Orion"},
    ]
    for kind in ("curve", "run"):
        before, after = fitted.predict(points, kind), loaded.predict(points, kind)
        np.testing.assert_array_equal(before.draws.values, after.draws.values)
        pd.testing.assert_frame_equal(before.table(), after.table())
    assert loaded.spec == fitted.spec
    assert loaded.notes == fitted.notes
    assert loaded.convergence == fitted.convergence
    pd.testing.assert_frame_equal(
        loaded.runs.table, fitted.runs.table, check_dtype=False, check_column_type=False
    )


def damage(folder: Path, how: str) -> None:
    record = folder / "fit.json"
    match how:
        case "draws cut short":
            (folder / "posterior.nc").write_bytes((folder / "posterior.nc").read_bytes()[:5000])
        case "draws gone":
            (folder / "posterior.nc").unlink()
        case "spec edited":
            (folder / "spec.toml").write_text("law = 'x'")
        case "runs edited":
            (folder / "runs.jsonl").write_text('{"run": "a", "params": 7e9, "tokens": 2e12}\n')
        case "record is no JSON":
            record.write_text("{")
        case "record is a list":
            record.write_text("[]")
        case "record lacks fields":
            record.write_text('{"format": 1}')
        case "a later format":
            record.write_text(json.dumps({**json.loads(record.read_text()), "format": 99}))
        case "settings of another kind":
            said = json.loads(record.read_text())
            record.write_text(json.dumps({**said, "settings": {"draws": "many"}}))
        case "foreign":
            record.unlink()


@pytest.mark.parametrize(
    "how",
    ["draws cut short", "draws gone", "spec edited", "runs edited", "record is no JSON",
     "record is a list", "record lacks fields", "a later format", "settings of another kind",
     "foreign"],
)  # fmt: skip
def test_a_damaged_or_foreign_folder_is_one_clear_error(
    how: str, fitted_dir: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(fitted_dir, folder)
    damage(folder, how)
    with pytest.raises(FitError) as caught:
        Fit.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_nothing_is_overwritten_unasked(fitted: Fit, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "fit")
    with pytest.raises(FitError, match="holds a fit already"):
        fitted.save(folder)
    fitted.save(folder, overwrite=True)
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(FitError, match="not empty and not a fit"):
        fitted.save(foreign, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit", "mine"]  # no drafts left


def test_settings_are_checked() -> None:
    with pytest.raises(BayescaleError, match="chains=1"):
        Settings(chains=1)
    with pytest.raises(BayescaleError, match="sampler="):
        Settings(sampler="gibbs")  # type: ignore[arg-type]


def test_runs_alike_count_as_one_where_the_noise_is_normal() -> None:
    """The density is that of all runs one by one, at any point."""
    says = Spec.load("chinchilla").model_dump()
    says["noise"] = {"on": "log", "dist": "Normal"}
    says["priors"].pop("nu")
    spec = Spec.model_validate(says).replace(groups=False)
    rng = np.random.default_rng(0)
    few = pd.DataFrame({"params": [1e8, 1e9, 1e9, 4e9], "tokens": [1e10, 1e10, 1e11, 1e11]})
    frame = few.loc[np.repeat(few.index, [1, 5, 2, 12])].reset_index(drop=True)
    frame["bpc"] = rng.lognormal(0, 0.1, len(frame))
    arrays = design(spec, Runs.from_frame(frame))
    cells = collapsed(spec, arrays.data)
    assert cells["repeats"].values.tolist() == [1, 5, 2, 12]
    model = build(spec, arrays)
    point = {v.name: u for v, u in zip(model.value_vars, rng.normal(0, 0.5, 6), strict=True)}
    constrained = model.compile_fn(model.unobserved_value_vars)
    density = model.compile_logp(vars=model.observed_RVs)
    names = [variable.name for variable in model.unobserved_value_vars]
    for shift in (0.0, 0.3):
        moved = {name: value + shift for name, value in point.items()}
        values = dict(zip(names, map(float, constrained(moved)), strict=True))
        mean = curve(spec, values, {k: arrays.data[k] for k in ("params", "tokens")}, np)
        one_by_one = stats.norm(np.log(mean), values["sigma"]).logpdf(np.log(frame["bpc"]))
        assert float(density(moved)) == pytest.approx(one_by_one.sum(), rel=1e-9)
    fit = ScalingModel(spec).fit(Runs.from_frame(frame), SHORT, show_progress=False)
    assert fit.replicates().sizes["run"] == len(frame)
    assert not Spec.load("chinchilla").collapses  # Student's t needs every run


def test_a_fit_takes_a_dataframe_and_single_settings(table: Runs) -> None:
    model = ScalingModel("compute-only", groups=False)
    fit = model.fit(table.table, draws=150, tune=200, chains=2, show_progress=False)
    assert (fit.settings.draws, fit.settings.chains) == (150, 2)
    assert fit.posterior.sizes["draw"] == 150
    with pytest.raises(BayescaleError, match="setting 'drawz' is unknown"):
        model.fit(table, drawz=10)


def test_objects_show_themselves_in_short(fitted: Fit, table: Runs) -> None:
    shown = repr(fitted)
    assert shown.startswith("<Fit of compute-only to open-llm-bpc: 28 runs")
    assert len(shown.splitlines()) < 20
    assert "<table" in fitted._repr_html_()
    assert "level" in shown
    prediction = fitted.predict({"params": 7e10, "tokens": 1.5e13})
    assert "point-1" in repr(prediction)
    assert repr(fitted.invert(0.35, prob=0.8)).startswith("<target 0.35 with probability 0.8")


def test_arviz_takes_a_fit(fitted: Fit) -> None:
    import arviz_stats

    loo = arviz_stats.loo(fitted.data)
    assert loo.n_data_points == 28
    assert np.isfinite(loo.elpd)


def test_a_group_that_all_runs_share_has_no_effect_unless_asked(table: Runs) -> None:
    """A forecast of a team's own ladder is of the same family, not of a new one."""
    runs = Runs.from_frame(table.table.assign(family="ours"))
    quick = {"draws": 150, "tune": 200, "chains": 2, "show_progress": False}
    fit = ScalingModel("compute-only").fit(runs, **quick)
    assert fit.spec.groups == ("tokenizer",)
    note = next(note for note in fit.notes if note.code == "single-level-group")
    assert "family ours" in note.text
    kept = ScalingModel("compute-only").fit(runs, keep_groups=True, **quick)
    assert kept.spec.groups == ("family", "tokenizer")


def test_the_only_response_of_a_table_is_fitted(table: Runs) -> None:
    frame = table.table.rename(columns={"bpc": "loss"})[["run", "params", "tokens", "loss"]]
    frame = frame[frame["tokens"].notna()]
    fit = ScalingModel("compute-only", groups=False).fit(
        frame, draws=150, tune=200, chains=2, show_progress=False
    )
    assert fit.spec.response == "loss"
    assert any(note.code == "only-response" for note in fit.notes)
