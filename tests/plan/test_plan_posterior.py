"""Plans on posteriors: intervals, probabilities, and the other two of Hoffmann's approaches."""

import numpy as np
import pytest

from bayescale import Fit
from bayescale.base.errors import BayescaleError
from bayescale.plan import allocation, serving
from bayescale.plan import overhead as size_plan
from bayescale.plan.allocation import optimum
from bayescale.plan.curve import Curve
from bayescale.plan.isoflop import approaches
from bayescale.plan.overhead import overhead
from bayescale.plan.serving import serve

GOPHER = 5.76e23


def test_the_posterior_of_the_optimum_is_the_formula_draw_by_draw(chinchilla_240: Fit) -> None:
    best = optimum(Curve.of_fit(chinchilla_240), GOPHER)
    every = chinchilla_240.posterior.sizes["draw"] // best.params.sizes["draw"]
    p = chinchilla_240.posterior.isel(draw=slice(None, None, every))
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    expected = g * (GOPHER / 6) ** p["a"]
    assert best.params.dims == ("chain", "draw")
    np.testing.assert_allclose(best.params, expected, rtol=1e-5)
    np.testing.assert_allclose(best.a, p["a"], atol=1e-5)


def test_besiroglus_answers_lie_in_the_posterior(chinchilla_240: Fit) -> None:
    curve = Curve.of_fit(chinchilla_240)
    best = allocation.answer(curve, GOPHER, 0.9, fit=chinchilla_240)
    for name, published in {"params": 72.2e9, "tokens": 1.33e12, "a": 0.5126}.items():
        assert best.content[name]["lower"] < published < best.content[name]["upper"]
    assert {"extrapolation", "envelope-grid"} <= {note.code for note in best.notes}
    half = size_plan.answer(curve, 0.5, 0.9).content
    assert half["overhead"]["lower"] < 0.259 < half["overhead"]["upper"]
    assert half["feasible"] == 1
    tiny = size_plan.answer(curve, 0.142, 0.9)
    assert 0 < tiny.content["feasible"] < 1
    assert tiny.content["overhead"]["mean"] is None
    assert {note.code for note in tiny.notes} == {"infeasible-size"}


def test_hoffmanns_three_approaches(chinchilla_240: Fit) -> None:
    """Exponents .50 and .49 (Table 2, rounded); Gopher's budget: 67B by the envelope."""
    best = allocation.answer(Curve.of_fit(chinchilla_240), GOPHER, 0.9, fit=chinchilla_240)
    by = {row["approach"]: row for row in best.content["approaches"]}
    assert list(by) == ["envelope", "isoflop", "parametric"]
    assert by["envelope"]["a"]["lower"] < 0.50 < by["envelope"]["a"]["upper"]
    assert by["envelope"]["params"]["lower"] < 67e9 < by["envelope"]["params"]["upper"]
    assert by["isoflop"]["a"]["lower"] < 0.49 < by["isoflop"]["a"]["upper"]


def test_runs_at_no_common_budget_say_so(fitted: Fit) -> None:
    estimates, notes = approaches(fitted.runs, fitted.spec, 1e23, seed=0)
    assert estimates == []
    assert [note.code for note in notes] == ["no-isoflops"]


def test_a_plan_meets_its_target_as_often_as_it_says(chinchilla_240: Fit) -> None:
    curve = Curve.of_fit(chinchilla_240)
    likely = serve(curve, target=2.05, generated_tokens=2e12, prob=0.9)
    even = serve(curve, target=2.05, generated_tokens=2e12, prob=0.5)
    assert likely.probability == pytest.approx(0.9, abs=0.01)
    assert likely.tokens > even.tokens
    plan = {"params": likely.params, "tokens": likely.tokens}
    met = float(chinchilla_240.predict(plan, "run").probability_of_reaching(2.05)[0])
    assert met == pytest.approx(0.9, abs=0.03)
    for name in ("best_params", "best_tokens", "total"):
        assert getattr(likely, name).dims == ("chain", "draw")
    low, high = likely.best_params.quantile([0.05, 0.95])
    assert float(low) < likely.params < float(high)


def test_a_fit_of_compute_alone(fitted: Fit) -> None:
    curve = Curve.of_fit(fitted, {"family": "Llama-3"})
    best = optimum(curve, 1e25)
    assert best.params is None
    predicted = fitted.predict(
        {"params": 1e11, "tokens": 1e25 / 6e11, "family": "Llama-3"}, "curve"
    )
    assert float(best.loss.median()) == pytest.approx(float(predicted.draws.median()), abs=2e-4)
    with pytest.raises(BayescaleError, match="no compute-optimal size"):
        overhead(curve, 0.5)
    plan = serving.answer(curve, fit=fitted, prob=0.9, target=0.36, max_tokens=15e12)
    assert plan.content["tokens"] == 15e12
    assert plan.content["probability"] >= 0.9
    assert "data-decide" in {note.code for note in plan.notes}
    with pytest.raises(BayescaleError, match="group 'famly' not found"):
        Curve.of_fit(fitted, {"famly": "Llama-3"})


@pytest.mark.slow
def test_repeats_are_worth_less_with_full_uncertainty(data_constrained: Fit) -> None:
    curve = Curve.of_fit(data_constrained)
    scarce = optimum(curve, 9.3e21, unique_tokens=25e9)
    free = optimum(curve, 9.3e21)
    assert float((scarce.loss > free.loss).mean()) == 1
    once = data_constrained.predict({"params": 8.7e9, "tokens": 178e9}, "curve").draws
    four = {"params": 8.7e9, "tokens": 178e9, "unique_tokens": 44e9}
    more = data_constrained.predict(four, "curve").draws / once - 1
    assert 0.002 < float(more.median()) < 0.02  # measured: 0.6 %; the form is 2 % coarse
