"""The checks of a report can fail, and name what they found."""

import pytest
from known_laws import TRUTH

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.report.checks import checks
from bayescale.testing import ladder, simulate

NO_HISTORY = {"refused": "too few runs"}
FORECASTS = [{"run": "next", "decades_outside": 0.0}]


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
    assert rows["sensitivity"]["status"] == "unknown"
    settings = Settings(draws=100, tune=200, chains=2)
    several = ScalingModel("compute-only-corpora").fit(table, settings, show_progress=False)
    assert predictive(several)["status"] == "unknown"
