"""Plans where higher is better: an accuracy between chance and 1, and its error."""

import numpy as np
import pytest
from known_responses import CASES, simulated

from bayescale import Fit, ScalingModel
from bayescale.base.errors import BayescaleError
from bayescale.plan.allocation import answer as allocation
from bayescale.plan.allocation import optimum
from bayescale.plan.curve import Curve
from bayescale.plan.exhaustion import exhaust
from bayescale.plan.overhead import overhead
from bayescale.plan.scenario import Scenario
from bayescale.plan.serving import serve
from bayescale.runs.columns import COLUMNS

FLOPS = 1e22


@pytest.fixture(scope="module", params=["accuracy", "error"])
def fit(request: pytest.FixtureRequest) -> Fit:
    return ScalingModel(CASES[request.param][0]).fit(simulated(request.param), show_progress=False)


@pytest.fixture(scope="module")
def curve(fit: Fit) -> Curve:
    return Curve.of_fit(fit)


def test_no_split_of_a_budget_is_better_than_the_best(curve: Curve) -> None:
    best, column = optimum(curve, FLOPS), COLUMNS[curve.response]
    for factor in np.geomspace(0.1, 10, 21):
        params = best.params * factor
        other = curve.at(params, FLOPS / 6 / params)
        assert bool((column.as_loss(other) >= column.as_loss(best.loss) - 1e-12).all())
    assert 0 < float(best.loss.min()) < float(best.loss.max()) < 1
    assert bool((best.params_low < best.params).all() & (best.params < best.params_high).all())
    near = curve.at(best.params_high, FLOPS / 6 / best.params_high)
    assert near.to_numpy() == pytest.approx(
        (best.loss + column.as_loss(0.01) * best.loss).to_numpy()
    )


def test_a_smaller_size_reaches_the_same_on_more_tokens(curve: Curve) -> None:
    best, costs = optimum(curve, FLOPS), overhead(curve, 0.5, flops=FLOPS)
    assert float(costs.tokens_factor.min()) > 1
    same = curve.at(0.5 * best.params, costs.tokens_factor * best.tokens)
    assert same.to_numpy() == pytest.approx(best.loss.to_numpy())


def test_a_plan_to_serve_reaches_its_target(fit: Fit, curve: Curve) -> None:
    best = COLUMNS[curve.response].best(fit.observed)
    plan = serve(curve, target=best, generated_tokens=1e12)
    met = fit.predict({"params": plan.params, "tokens": plan.tokens}).probability_of_reaching(best)
    assert float(met[0]) == pytest.approx(0.9, abs=0.02)
    easier, hard = ("lower", 0.9999) if curve.response == "accuracy" else ("higher", 1e-4)
    with pytest.raises(BayescaleError, match=f"no model of up to.*ask for a {easier} one"):
        serve(curve, target=hard, generated_tokens=1e12)
    if curve.response == "accuracy":  # no model is below chance
        with pytest.raises(BayescaleError, match=r"any model reaches it.*ask for a higher one"):
            serve(curve, target=0.2500001, generated_tokens=1e12)
    with pytest.raises(BayescaleError, match="target=75: expected 0 to 1 share"):
        serve(curve, target=75.0)


def test_missing_data_make_the_best_response_worse(curve: Curve) -> None:
    (outlook,) = exhaust(Scenario.load("villalobos-2024"), [curve]).outlooks
    as_loss = COLUMNS[curve.response].as_loss
    last = {"year": -1}
    assert bool((as_loss(outlook.unlimited) <= as_loss(outlook.unrepeated) + 1e-12).all())
    assert 0 < float(outlook.unlimited.min()) <= float(outlook.unlimited.max()) < 1
    gain = as_loss(outlook.unlimited.isel(year=0)) - as_loss(outlook.unlimited.isel(last))
    assert float(gain.median()) > 0


def test_the_answer_is_in_the_response(fit: Fit, curve: Curve) -> None:
    content = allocation(curve, FLOPS, 0.9, fit=fit).content
    assert 0 < content[curve.response]["median"] < 1
