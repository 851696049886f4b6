"""Accuracy, error, perplexity and reward: fitted, forecast and inverted in the right direction."""

import numpy as np
import pytest
import xarray as xr
from known_responses import ACCURACY, CASES, simulated

from bayescale import Fit, Runs, ScalingModel, Spec
from bayescale.base.errors import BayescaleError, RunsError, SpecError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.evaluation.backtest import backtest
from bayescale.evaluation.splits import split
from bayescale.fit.identification import identification_notes
from bayescale.model.curve import curve
from bayescale.model.design import design
from bayescale.model.odds import law_at, of_law
from bayescale.model.scale import Logit, scale_of
from bayescale.runs.columns import COLUMNS

REACHED_BY_ANY = {"accuracy": 0.26, "error": 0.99, "perplexity": 1e4, "reward": -50.0}
SIZE = {"params": 30e9, "tokens": 1e12}


@pytest.fixture(scope="module", params=CASES)
def fit(request: pytest.FixtureRequest) -> Fit:
    spec, _ = CASES[request.param]
    return ScalingModel(spec).fit(simulated(request.param), show_progress=False)


def better(fit: Fit, one: float, other: float) -> bool:
    return COLUMNS[fit.spec.response].reached(one, other) and one != other


def test_the_truth_is_found_and_nothing_is_wrong(fit: Fit) -> None:
    assert fit.convergence.passed
    assert not {note.code for note in fit.notes if note.level != "info"}
    spec, truth = next(case for case in CASES.values() if case[0].name == fit.spec.name
                       and case[0].response == fit.spec.response)  # fmt: skip
    logs = {name: np.log(SIZE[name] / fit.centre[name]) for name in SIZE}
    expected = curve(spec, {n: xr.DataArray(v) for n, v in truth.items()}, logs, np)
    rows = fit.predict(SIZE, "curve").table(0.99)
    assert rows["lower"][0] <= float(expected) <= rows["upper"][0]


def test_a_larger_run_is_forecast_to_be_better(fit: Fit) -> None:
    best = COLUMNS[fit.spec.response].best(fit.observed.to_numpy())
    prediction = fit.predict([SIZE, {"params": 300e9, "tokens": 1e13}])
    large, larger = prediction.table()["median"]
    assert better(fit, large, best)
    assert better(fit, larger, large)
    far = prediction.probability_of_reaching(larger)
    assert float(far[0]) < 0.5
    assert float(far[1]) == pytest.approx(0.5, abs=0.01)
    half = float(np.median(fit.observed))
    assert prediction.probability_of_reaching(half).min() > 0.95
    assert not [note for note in prediction.notes if note.code != "extrapolation"]


def test_a_better_target_takes_more_compute_and_the_answer_reaches_it(fit: Fit) -> None:
    easy, hard = fit.predict([SIZE, {"params": 30e9, "tokens": 4e12}], "curve").table()["median"]
    answers = [fit.invert(target, params=30e9) for target in (easy, hard)]
    assert answers[0].tokens < answers[1].tokens
    point = {"params": 30e9, "tokens": answers[1].tokens}
    reached = fit.predict(point).probability_of_reaching(hard)
    assert float(reached[0]) == pytest.approx(0.9, abs=0.01)
    surer = fit.invert(hard, params=30e9, prob=0.95)
    assert surer.tokens > answers[1].tokens
    with pytest.raises(BayescaleError, match=f"ask for a {COLUMNS[fit.spec.response].better}"):
        fit.invert(REACHED_BY_ANY[fit.spec.response], tokens_per_param=20)


def test_intervals_hold_beyond_the_cheaper_runs(fit: Fit) -> None:
    halves = split(fit.runs, "params * tokens < 1e20")
    result = backtest(fit.spec, halves, show_progress=False)
    assert result.convergence.passed
    points = result.points
    assert points["inside_90"].mean() >= 0.7
    observed = halves.test.table[fit.spec.response].to_numpy()
    if fit.spec.response == "perplexity":
        observed = np.log(observed)
    assert points["observed"].to_numpy() == pytest.approx(observed)


def test_variances_of_components_sum_to_that_of_a_run(fit: Fit) -> None:
    scale = fit.locate(SIZE).predictive.scale
    shares = fit.variance_shares(SIZE).sum("component")
    assert float(shares[0]) == pytest.approx(1)
    draws = scale.forward(fit.predict(SIZE).draws, np)
    whole = fit.locate(SIZE).predictive.variance_components().sum("component")
    assert float(draws.var(SAMPLE_DIMS)[0]) == pytest.approx(float(whole[0]), rel=0.2)


# The scale, the odds, and what is refused.


def test_the_logit_is_inverted_and_stays_between_its_bounds() -> None:
    scale = Logit(0.25, 1.0)
    responses = np.array([0.26, 0.5, 0.75, 0.99])
    assert scale.back(scale.forward(responses, np)) == pytest.approx(responses)
    assert scale.add(scale.add(responses, 1.3), -1.3) == pytest.approx(responses)
    step = 1e-6
    slopes = (scale.add(responses, step) - scale.add(responses, -step)) / (2 * step)
    assert scale.slope(responses) == pytest.approx(slopes, rel=1e-5)
    beyond = scale.add(np.array([-1.0, 0.25, 1.0, 2.0]), np.array([800.0, -800.0, 800.0, -800.0]))
    assert ((beyond >= 0.25) & (beyond <= 1)).all()


@pytest.mark.parametrize("response", ["accuracy", "error"])
def test_the_odds_of_a_miss_fall_as_the_response_gets_better(response: str) -> None:
    spec = ACCURACY.replace(response=response, bounds=(0.2, 0.9))
    odds = np.array([0.0, 0.1, 1.0, 10.0, np.inf])
    responses = of_law(spec, odds)
    assert law_at(spec, responses[1:4]) == pytest.approx(odds[1:4])
    ends = [0.9, 0.2] if response == "accuracy" else [0.2, 0.9]
    assert responses[[0, -1]] == pytest.approx(ends)
    assert np.all(np.diff(COLUMNS[response].as_loss(responses)) > 0)


TOML = ACCURACY.to_toml()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    0.25,", "    1.25,", r"bounds = \[1.25, 1\]: the floor must be below the ceiling"),
        ('"accuracy"', '"score"', None),
        ('"odds"', '"logit"', "law_of"),
        ('"chinchilla"', '"compute-linear"', "the odds need a positive law"),
    ],
)
def test_what_bounds_and_odds_must_not_say(old: str, new: str, message: str | None) -> None:
    assert old in TOML
    changed = TOML.replace(old, new, 1)
    if message is None:  # a score of any unit has bounds of its own
        assert scale_of(Spec.parse(changed)) == Logit(0.25, 1.0)
        return
    with pytest.raises(SpecError, match=message) as caught:
        Spec.parse(changed)
    assert "\n" not in str(caught.value)


def test_bounds_need_a_use_and_a_logit_needs_bounds() -> None:
    log = {"on": "log", "dist": "Normal"}
    with pytest.raises(SpecError, match="bounds are for noise on the logit or the odds"):
        ACCURACY.replace(law_of="response", noise=log)
    with pytest.raises(SpecError, match=r"noise on the logit of score: give bounds = \[FLOOR"):
        ACCURACY.replace(law_of="response", bounds=None, response="score")
    assert Spec.parse(TOML) == ACCURACY


def test_a_discrepancy_is_no_share_of_what_can_be_negative() -> None:
    with pytest.raises(SpecError, match="reward can be negative"):
        CASES["reward"][0].replace(discrepancy=True)


@pytest.mark.parametrize(
    ("case", "value", "rule"),
    [
        ("accuracy", 0.25, "with noise on the logit it must lie above 0.25 and below 1"),
        ("error", 0.0, "with noise on the logit it must lie above 0 and below 1"),
        ("accuracy", 69.0, r"expected 0 to 1 share; if it counts per cent, write 0\.69"),
    ],
)
def test_a_response_at_a_bound_is_refused_by_its_row(case: str, value: float, rule: str) -> None:
    spec, _ = CASES[case]
    table = simulated(case).table
    table.loc[4, spec.response] = value
    with pytest.raises(RunsError, match=rule):
        design(spec, Runs.from_frame(table))


@pytest.mark.parametrize(
    ("case", "changes", "flip", "code"),
    [
        ("accuracy", {}, True, "falling-response"),
        ("error", {}, True, "rising-response"),
        ("accuracy", {"law_of": "response"}, False, "falling-law"),
        ("accuracy", {}, False, None),
        ("error", {}, False, None),
    ],
)
def test_a_response_that_gets_worse_is_said(
    case: str, changes: dict, flip: bool, code: str | None
) -> None:
    spec = CASES[case][0].replace(**changes)
    table = simulated(case).table
    if flip:
        table[spec.response] = 1.1 * table[spec.response].max() - table[spec.response]
        table[spec.response] += 0.25 if case == "accuracy" else 0
    notes = identification_notes(spec, design(spec, Runs.from_frame(table)))
    assert [note.code for note in notes] == ([code] if code else [])


def test_a_table_of_accuracies_is_not_taken_for_one_of_losses() -> None:
    runs = simulated("accuracy")
    assert Spec.load("chinchilla").for_runs(runs)[0].response == "bpc"
    both = Runs.from_frame(runs.table.assign(loss=2.5))
    spec, notes = Spec.load("compute-only").replace(groups=False).for_runs(both)
    assert (spec.response, [note.code for note in notes]) == ("loss", ["only-response"])
