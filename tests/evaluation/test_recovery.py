"""Parameters put into simulated runs come out of the fit."""

import numpy as np
import pytest
import xarray as xr
from known_laws import TRUTH

from bayescale import Runs, ScalingModel, Spec
from bayescale.base import bundled
from bayescale.base.intervals import interval
from bayescale.testing import ladder, simulate


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
    latent = table["run"].isin(table["run"].iloc[[3, 42, 77]])
    frame = table.assign(tokens=table["tokens"].mask(latent))
    frame["tokens_low"] = table["tokens"].where(latent) / 8
    frame["tokens_high"] = table["tokens"].where(latent) * 3
    fit = ScalingModel(spec).fit(Runs.from_frame(frame))

    effects = fit.posterior["level_family"].mean(("chain", "draw"))
    assert np.corrcoef(effects, shifts)[0, 1] > 0.98
    slope = fit.summary().loc["slope"]
    assert slope["lower"] < -0.03 < slope["upper"]
    counts = interval(fit.posterior["tokens"], 0.99)
    true_counts = table.set_index("run")["tokens"][counts["latent"].to_numpy()].to_numpy()
    assert (counts["lower"] < true_counts).all()
    assert (true_counts < counts["upper"]).all()
    assert (counts["upper"] / counts["lower"] < 8).all()  # assumed: a factor of 24 at 90 %


def test_every_law_is_recovered_somewhere() -> None:
    specs = map(Spec.load, bundled.specs())
    shipped = {spec.law.name for spec in specs if spec.law.centred}
    assert {Spec.load(name).law.name for name in TRUTH} == shipped
