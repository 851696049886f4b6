"""Plans of a fit with a model discrepancy count it, as its predictions do."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import TRUTH

from bayescale import Fit, ScalingModel, Settings, Spec
from bayescale.plan.allocation import optimum
from bayescale.plan.curve import Curve
from bayescale.plan.serving import serve
from bayescale.testing import ladder, simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forecast() -> Fit:
    law = Spec.load("chinchilla").replace(response="bpc", groups=False)
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 8.0}
    runs = simulate(law, ladder(), truth, seed=4)
    spec = law.replace(discrepancy=True)
    quick = Settings(draws=250, tune=400, chains=2)
    return ScalingModel(spec).fit(runs, quick, show_progress=False)


@pytest.mark.parametrize("point", [(1e9, 1e11), (5e10, 2e12), (1e12, 1e12)])
def test_a_plans_curve_is_that_of_a_prediction(forecast: Fit, point: tuple[float, float]) -> None:
    planned = Curve.of_fit(forecast).at(*point).to_numpy().ravel()
    predicted = forecast.predict({"params": point[0], "tokens": point[1]}, "curve").draws
    np.testing.assert_allclose(np.sort(planned), np.sort(predicted.to_numpy().ravel()), rtol=1e-9)


def test_an_optimum_and_a_serving_plan_have_it(forecast: Fit) -> None:
    best = optimum(forecast, 6 * 1e10 * 2e11)
    at_best = Curve.of_fit(forecast).at(best.params, best.tokens)
    np.testing.assert_allclose(best.loss, at_best, rtol=1e-6)
    for factor in (0.5, 2):  # no other split of the budget is better
        other = Curve.of_fit(forecast).at(best.params * factor, best.tokens / factor)
        assert float((other < best.loss - 1e-6).mean()) < 0.01
    target = float(np.median(best.loss)) * 1.01
    plan = serve(forecast, target=target, generated_tokens=1e12, prob=0.8)
    size = {"params": float(plan.params), "tokens": float(plan.tokens)}
    observed = forecast.predict(size).probability_of_reaching(target)
    assert float(observed.item()) == pytest.approx(0.8, abs=0.05)
    assert "law-alone" not in {note.code for note in [*best.notes, *plan.notes]}
