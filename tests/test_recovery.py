"""Parameters put into simulated runs come out of the fit."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale import Runs, ScalingModel, Spec, bundled
from bayescale.design import design
from bayescale.intervals import interval
from bayescale.predict import replicate

TRUTH = {
    "compute-only": {"level": 0.45, "slope": -0.03},
    "separate-slopes": {"level": 0.45, "slope_params": -0.03, "slope_tokens": -0.02},
    "compute-floor": {"level": 2.6, "reducible": 0.35, "gamma": 0.17},
    "kaplan": {"level": 2.6, "split": 0.4, "alpha_N": 0.08, "alpha_D": 0.1},
    "chinchilla": {"level": 2.6, "reducible": 0.3, "split": 0.5, "alpha": 0.35, "beta": 0.37},
    "data-constrained": {
        "level": 2.6,
        "reducible": 0.3,
        "split": 0.4,
        "alpha": 0.35,
        "beta": 0.37,
        "R_D": 15.0,
        "R_N": 5.0,
    },
}


def ladder(families: int = 1) -> Runs:
    """A grid of sizes and durations, shared out among families."""
    params, tokens = np.meshgrid(np.geomspace(5e7, 1e10, 10), np.geomspace(1e9, 1e12, 10))
    frame = pd.DataFrame({"params": params.ravel(), "tokens": tokens.ravel(), "bpc": 1.0})
    frame["unique_tokens"] = frame["tokens"] / np.resize([1, 2, 5, 20], len(frame))
    labels = np.random.default_rng(1).integers(families, size=len(frame))
    return Runs.from_frame(frame.assign(family=[f"f{i}" for i in labels], tokenizer="t"))


def simulate(spec: Spec, runs: Runs, truth: dict, seed: int) -> Runs:
    arrays = design(spec, runs)
    values = xr.Dataset(truth).expand_dims(chain=1, draw=1)
    response = replicate(spec, values, arrays.data, seed).isel(chain=0, draw=0)
    return Runs.from_frame(runs.table.assign(bpc=response.to_numpy()))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTH)
def test_the_laws_parameters_are_recovered(name: str) -> None:
    spec = Spec.load(name).replace(response="bpc", groups=False)
    truth = TRUTH[name] | {"sigma": 0.005, "nu": 5.0}
    truth = {name: value for name, value in truth.items() if name in spec.priors}
    fit = ScalingModel(spec).fit(simulate(spec, ladder(), truth, seed=3))
    assert fit.convergence.passed
    summary = fit.summary(0.99)
    for parameter, value in truth.items():
        assert summary.loc[parameter, "lower"] < value < summary.loc[parameter, "upper"], parameter
    for parameter, value in TRUTH[name].items():  # and the interval says something
        if parameter not in ("alpha_N", "alpha_D", "R_D", "R_N"):
            assert summary.loc[parameter, "sd"] < 0.1 * abs(value), parameter


@pytest.mark.slow
def test_family_effects_and_hidden_counts_are_recovered() -> None:
    spec, runs = Spec.load("compute-only"), ladder(families=8)
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.02, 8)
    truth = TRUTH["compute-only"] | {"sigma": 0.004, "nu": 10.0}
    truth |= {
        "level_family": xr.DataArray(shifts - shifts.mean(), dims="family"),
        "level_tokenizer": xr.DataArray([0.0], dims="tokenizer"),
    }
    table = simulate(spec, runs, truth, seed=5).table
    hidden = table["run"].isin(table["run"].iloc[[3, 42, 77]])
    frame = table.assign(tokens=table["tokens"].mask(hidden))
    frame["tokens_low"] = table["tokens"].where(hidden) / 8
    frame["tokens_high"] = table["tokens"].where(hidden) * 3
    fit = ScalingModel(spec).fit(Runs.from_frame(frame))

    effects = fit.posterior["level_family"].mean(("chain", "draw"))
    assert np.corrcoef(effects, shifts)[0, 1] > 0.98
    slope = fit.summary().loc["slope"]
    assert slope["lower"] < -0.03 < slope["upper"]
    counts = interval(fit.posterior["tokens"], 0.99)
    true_counts = table.set_index("run")["tokens"][counts["hidden"].to_numpy()].to_numpy()
    assert (counts["lower"] < true_counts).all()
    assert (true_counts < counts["upper"]).all()
    assert (counts["upper"] / counts["lower"] < 8).all()  # assumed: a factor of 24 at 90 %


def test_every_law_is_recovered_somewhere() -> None:
    shipped = {Spec.load(name).law.name for name in bundled.specs()}
    assert {Spec.load(name).law.name for name in TRUTH} == shipped
