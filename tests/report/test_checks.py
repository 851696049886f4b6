"""The checks of a report can fail, and name what they found."""

import numpy as np
import pandas as pd
import pytest
from known_laws import TRUTH

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.report.checks import checks
from bayescale.report.sensitivity import Sensitivity, of_forecasts, sensitivities
from bayescale.testing import ladder, simulate

NO_HISTORY = {"refused": "too few runs"}
FORECASTS = [{"run": "next", "decades_outside": 0.0, "priors": {"precision": 0.1, "shift": 0.02}}]


def fit_of(median_noise: float, *, runs: int = 28, discrepancy: bool = False) -> Fit:
    """A line through runs whose noise is .005, under a prior that is sure of another."""
    plain = Spec.load("compute-only").replace(groups=False)
    truth = TRUTH["compute-only"] | {"sigma": 0.005, "nu": 30.0}
    table = simulate(plain, ladder(), truth, seed=4).table.sample(runs, random_state=1)
    fields = plain.replace(discrepancy=discrepancy).model_dump()
    fields["priors"]["level"] |= {"mu": 0.45}
    fields["priors"]["sigma"] = {"dist": "Gamma", "alpha": 400, "beta": 400 / median_noise}
    fields["priors"]["nu"] = {"dist": "Gamma", "alpha": 400, "beta": 400 / 30}
    settings = Settings(draws=300, tune=300, chains=2)
    model = ScalingModel(Spec.model_validate(fields))
    return model.fit(Runs(table.reset_index(drop=True), "simulated"), settings, show_progress=False)


def predictive(fit: Fit) -> dict:
    (row,) = (c for c in checks(fit, FORECASTS, NO_HISTORY) if c["kind"] == "predictive")
    return row


@pytest.mark.parametrize(
    ("median_noise", "runs", "status", "words"),
    [
        (0.005, 28, "passed", "no misfit"),
        (0.0022, 28, "attention", "too narrow"),
        (0.012, 28, "attention", "too wide"),
        (0.0012, 5, "attention", "too narrow"),
    ],
)
def test_intervals_that_do_not_fit_the_runs_are_found(
    median_noise: float, runs: int, status: str, words: str
) -> None:
    row = predictive(fit_of(median_noise, runs=runs))
    assert row["status"] == status, row
    assert words in row["found"]


@pytest.mark.slow
def test_leave_one_out_is_checked_with_a_discrepancy_and_not_with_corpora(table: Runs) -> None:
    rows = {c["kind"]: c for c in checks(fit_of(0.005, discrepancy=True), FORECASTS, NO_HISTORY)}
    assert rows["predictive"]["status"] == "passed", rows["predictive"]
    assert rows["pareto"]["status"] in ("passed", "attention")
    assert rows["sensitivity"]["status"] == "passed", rows["sensitivity"]
    settings = Settings(draws=100, tune=200, chains=2)
    several = ScalingModel("compute-only-corpora").fit(table, settings, show_progress=False)
    assert predictive(several)["status"] == "unknown"
    names = {one.name for one in sensitivities(several)}
    assert {f"intercept[{corpus}]" for corpus in several.spec.corpora} <= names


CHINCHILLA = Spec.load("chinchilla").replace(response="bpc", groups=False)


def sensitivity_to_priors(runs: Runs, spec: Spec = CHINCHILLA) -> dict[str, Sensitivity]:
    fit = ScalingModel(spec).fit(runs, show_progress=False)
    (row,) = (c for c in checks(fit, FORECASTS, NO_HISTORY) if c["kind"] == "sensitivity")
    every = {one.name: one for one in sensitivities(fit)}
    assert row["status"] == ("attention" if any(one.high for one in every.values()) else "passed")
    far = fit.predict({"params": 1e12, "tokens": 1e14}, "curve")
    return every | {"forecast": of_forecasts(fit, far.draws)[0]}


def simulated(runs: Runs) -> Runs:
    truth = TRUTH["chinchilla"] | {"sigma": 0.005, "nu": 8.0}
    return simulate(CHINCHILLA, runs, truth, seed=1)


@pytest.mark.slow
def test_constants_that_the_runs_decide_do_not_depend_on_the_prior() -> None:
    every = sensitivity_to_priors(simulated(ladder()))
    assert {"E", "A", "B", "alpha", "beta", "a", "forecast"} == set(every)
    assert not any(one.high for one in every.values())
    assert max(one.precision for one in every.values()) < 0.2


@pytest.mark.slow
def test_constants_that_the_prior_decides_do() -> None:
    """Twenty tokens per parameter everywhere: the split between the two terms is the prior's."""
    size = np.geomspace(1e8, 1e10, 16)
    frame = pd.DataFrame({"params": size, "tokens": 20 * size, "bpc": 1.0})
    every = sensitivity_to_priors(simulated(Runs.from_frame(frame)))
    assert all(every[name].high for name in ("A", "B", "alpha", "beta", "a"))


def test_a_narrow_prior_that_pulls_a_constant_is_found() -> None:
    """Most of the precision is the runs', yet the prior pulls the slope from where they put it."""
    line = Spec.load("compute-only").replace(groups=False)
    truth = TRUTH["compute-only"] | {"sigma": 0.005, "nu": 30.0}
    runs = simulate(line, ladder(), truth, seed=4)
    free = sensitivity_to_priors(runs, line)
    assert not free["slope_per_decade"].high
    assert free["forecast"].shift < 0.1
    fields, error = line.model_dump(), 0.0002  # of the slope, by these runs alone
    fields["priors"]["slope"] |= {"mu": -0.03 + 6 * error, "sigma": 2 * error}
    pulled = sensitivity_to_priors(runs, Spec.model_validate(fields))
    assert pulled["slope_per_decade"].precision < 0.5
    assert pulled["slope_per_decade"].shift > 0.25
    assert pulled["forecast"].shift > 0.25
