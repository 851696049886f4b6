"""What a fit says of tables that hold too little, or what no law can follow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known_laws import TRUTH

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.fit.identification import identification_notes
from bayescale.fit.notes import prior_notes, residual_notes
from bayescale.model.design import design
from bayescale.testing import ladder, simulate

QUICK = Settings(draws=300, tune=400, chains=2)
CHINCHILLA = Spec.load("chinchilla").replace(response="loss", groups=False)


def runs_of(params: list[float], tokens: list[float], loss: list[float]) -> Runs:
    return Runs.from_frame(pd.DataFrame({"params": params, "tokens": tokens, "loss": loss}))


SIZES = [1e8, 2e8, 4e8, 8e8, 1.6e9, 3.2e9]
FALLING = [3.4, 3.2, 3.05, 2.9, 2.8, 2.7]
THIN = {
    "one run": (SIZES[:1], [2e9], FALLING[:1], {"few-runs"}),
    "one size": ([1e9] * 6, [s * 20 for s in SIZES], FALLING, {"unidentified"}),
    "one token count": (SIZES, [1e10] * 6, FALLING, {"unidentified"}),
    "twenty tokens per parameter": (SIZES, [s * 20 for s in SIZES], FALLING, {"unidentified"}),
    "all equal": (SIZES, [1e9, 3e10, 2e9, 5e10, 1e9, 7e10], [3.0] * 6, {"constant-response"}),
    "rising": (SIZES[:4], [1e9, 3e9, 2e10, 5e10], [0.4, 0.5, 0.6, 0.7], {"rising-response"}),
    "enough": (SIZES, [1e9, 3e10, 2e9, 5e10, 1e9, 7e10], FALLING, set()),
}


@pytest.mark.parametrize("case", THIN)
def test_a_thin_table_says_so_before_sampling(case: str) -> None:
    params, tokens, loss, codes = THIN[case]
    notes = identification_notes(CHINCHILLA, design(CHINCHILLA, runs_of(params, tokens, loss)))
    found = {note.code for note in notes}
    assert codes <= found
    if not codes:
        assert not found
    for note in notes:
        assert "\n" not in str(note)


def test_the_ridge_is_named() -> None:
    params, tokens, loss, _ = THIN["twenty tokens per parameter"]
    notes = identification_notes(CHINCHILLA, design(CHINCHILLA, runs_of(params, tokens, loss)))
    assert any("20 tokens per parameter" in note.text for note in notes)


def fitted(spec: Spec, runs: Runs) -> Fit:
    return ScalingModel(spec).fit(runs, QUICK, show_progress=False)


@pytest.mark.slow
def test_a_scale_far_from_its_prior_is_a_conflict() -> None:
    """Noise-free points: sigma is far below what the prior expects, on the log scale."""
    grid = [(n, d) for n in np.geomspace(1e8, 1e10, 5) for d in np.geomspace(2e9, 2e11, 5)]
    loss = [1.69 + 406.4 * n**-0.34 + 410.7 * d**-0.28 for n, d in grid]
    runs = runs_of([n for n, _ in grid], [d for _, d in grid], loss)
    notes = {note.code: note for note in fitted(CHINCHILLA, runs).notes}
    assert "sigma" in notes["prior-conflict"].text


def draws(low: float, high: float) -> xr.DataArray:
    """A parameter between two values, evenly."""
    return xr.DataArray(np.linspace(low, high, 4000).reshape(4, 1000), dims=("chain", "draw"))


@pytest.mark.parametrize(
    ("posterior", "code", "words"),
    [
        ((-0.099, 0.099), "weak-prior-data-separation", "about as wide as the prior: slope (99%)"),
        ((-0.5, 0.5), "prior-conflict", "wider than the prior: slope (5.0 times as wide)"),
        ((0.2, 0.3), "prior-conflict", "outside the prior's central 99 %: slope"),
        ((-0.01, 0.01), None, ""),
    ],
)
def test_wider_or_shifted_is_a_conflict_and_not_a_weak_prior(
    posterior: tuple[float, float], code: str | None, words: str
) -> None:
    spec = Spec.load("compute-only").replace(groups=False)
    names = [*spec.all_priors(), *spec.law.units]
    before = xr.Dataset({name: draws(-0.1, 0.1) for name in names})
    after = xr.Dataset({name: draws(-0.001, 0.001) for name in names})
    notes = prior_notes(spec, before, after.assign(slope=draws(*posterior)))
    assert [note.code for note in notes] == ([code] if code else [])
    assert words in " ".join(note.text for note in notes)


@pytest.mark.parametrize(("largest", "said"), [(0.012, "above"), (-0.012, "below"), (0.0, None)])
def test_the_largest_runs_on_one_side_are_a_misfit(largest: float, said: str | None) -> None:
    """As in a sweep at one learning rate, whose largest models are the worst."""
    residual = np.array([0.002, -0.002] * 6 + [0.0, 0.0, 0.0, 0.0])
    residual[-4:] = [largest, largest, 1.1 * largest, largest]
    compute = xr.DataArray(np.linspace(-4, 4, 16), dims="run")
    inside = SimpleNamespace(
        law=xr.DataArray(np.full((2, 5, 16), 3.0), dims=("chain", "draw", "run")),
        observed=xr.DataArray(3 + residual, {"run": [f"r{i}" for i in range(16)]}, "run"),
        values={"sigma": xr.DataArray(np.full((2, 5), 0.002), dims=("chain", "draw"))},
        inputs={"params": compute, "tokens": compute},
    )
    line = Spec.load("compute-only").replace(groups=False)
    texts = [note.text for note in residual_notes(line, inside)]
    assert any(f"most compute all lie {said} the curve" in text for text in texts) == bool(said)


@pytest.mark.slow
def test_a_floor_that_the_data_do_not_hold_is_named() -> None:
    """A narrow range of compute: E is the prior's, though no sampled parameter alone says so."""
    spec = Spec.load("chinchilla").replace(response="bpc", groups=False)
    truth = TRUTH["chinchilla"] | {"sigma": 0.02, "nu": 5.0}
    table = simulate(spec, ladder(), truth, seed=1).table
    narrow = table[table["params"].between(4e8, 1e9) & table["tokens"].between(2e10, 1e11)]
    notes = {note.code: note for note in fitted(spec, Runs.from_frame(narrow)).notes}
    assert "mostly the prior's: E, " in notes["weak-prior-data-separation"].text


@pytest.mark.slow
def test_a_run_that_diverged_is_named() -> None:
    spec = Spec.load("chinchilla").replace(response="bpc", groups=False)
    truth = TRUTH["chinchilla"] | {"sigma": 0.005, "nu": 8.0}
    table = simulate(spec, ladder(), truth, seed=1).table
    table.loc[table.index[41], "bpc"] *= 1.5
    notes = {note.code: note for note in fitted(spec, Runs.from_frame(table)).notes}
    assert str(table["run"].iloc[41]) in notes["outlying-runs"].text


@pytest.mark.slow
@pytest.mark.parametrize("truth_of", ["chinchilla", "compute-only"])
def test_residuals_that_trend_are_a_misfit(truth_of: str) -> None:
    """The line misses both ends of a law with a floor; it does not miss its own runs."""
    source = Spec.load(truth_of).replace(response="bpc", groups=False)
    truth = TRUTH[truth_of] | {"sigma": 0.004, "nu": 8.0}
    runs = simulate(source, ladder(), truth, seed=2)
    line = Spec.load("compute-only").replace(groups=False)
    codes = {note.code for note in fitted(line, runs).notes}
    assert ("misfit" in codes) == (truth_of == "chinchilla")
