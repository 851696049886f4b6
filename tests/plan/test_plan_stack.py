"""Plans on a stack of fits, and on laws that have no compute-optimal size."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayescale import Fit, stack
from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.plan import allocation, exhaustion
from bayescale.plan import overhead as size_plan
from bayescale.plan.allocation import optimum
from bayescale.plan.curve import Curve
from bayescale.plan.exhaustion import exhaust
from bayescale.plan.mixture import Mixture, as_curve
from bayescale.plan.overhead import overhead
from bayescale.plan.scenario import Scenario
from bayescale.plan.serving import serve

GOPHER = 5.76e23
COUNT = 400


def drawn(name: str, spread: float = 0.0) -> Curve:
    """A published law with as many draws, their level spread."""
    curve = Curve.published(name)
    factor = np.exp(spread * np.random.default_rng(0).standard_normal((1, COUNT)))
    theta = {
        key: xr.DataArray(np.broadcast_to(value, (1, COUNT)), dims=SAMPLE_DIMS)
        for key, value in curve.theta.items()
    }
    theta["level"] = theta["level"] * factor
    return replace(curve, theta=theta)


def line(params_slope: float, tokens_slope: float) -> Curve:
    """Separate slopes of the response in ln N and ln D."""
    from bayescale.laws import LAWS

    slopes = {"params_per_decade": params_slope, "tokens_per_decade": tokens_slope}
    constants = {"intercept": 0.57, **slopes}
    centre = {"params": 1e10, "tokens": 1e12}
    law = LAWS["separate-linear"]
    theta = {name: xr.DataArray(value) for name, value in law.sampled(constants, centre).items()}
    return Curve("slopes", law, theta, centre, "bpc")


LAWS_OF_LOSS = ("besiroglu-2024", "devries-2023")


def test_a_stack_mixes_the_answers_of_its_laws_by_weight() -> None:
    mixture = Mixture.of([drawn(name) for name in LAWS_OF_LOSS], [0.75, 0.25], seed=0)
    alone = [optimum(Curve.published(name), GOPHER) for name in LAWS_OF_LOSS]
    sizes, share = np.unique(optimum(mixture, GOPHER).params.round(-9), return_counts=True)
    np.testing.assert_allclose(sizes, sorted(float(best.params) for best in alone), rtol=0.02)
    np.testing.assert_allclose(share / COUNT, [0.25, 0.75])
    costs = overhead(mixture, 0.5).overhead
    assert float(costs.mean()) == pytest.approx(0.75 * 0.2593 + 0.25 * 0.2078, abs=1e-3)


def test_a_plan_under_a_stack_holds_its_disagreement() -> None:
    """To be sure, the plan must suffice under the more demanding law."""
    members = [drawn(name, spread=0.002) for name in LAWS_OF_LOSS]
    mixture = Mixture.of(members, [0.5, 0.5], seed=0)
    sure, easy, hard = (
        serve(curve, target=2.1, generated_tokens=1e12, prob=0.9) for curve in (mixture, *members)
    )
    assert sure.probability == pytest.approx(0.9, abs=0.01)
    expected = sorted([float(easy.total.mean()), float(hard.total.mean())])
    assert expected[0] < float(sure.total.mean()) < 1.05 * expected[1]


def test_a_law_of_compute_alone_leaves_the_size_to_the_others() -> None:
    compute = replace(drawn("open-llm-least-squares"), response="loss")
    mixture = Mixture.of([drawn("besiroglu-2024"), compute], [0.7, 0.3], seed=0)
    answer = allocation.answer(mixture, GOPHER, 0.9)
    assert answer.content["params"]["median"] == pytest.approx(72.2e9, rel=2e-3)
    assert answer.content["members"] == "besiroglu-2024 0.70, open-llm-least-squares 0.30"
    assert [note.code for note in answer.notes] == ["no-optimum"]
    assert "30" in answer.notes[0].text
    answer = size_plan.answer(mixture, 0.5, 0.9)
    assert [note.code for note in answer.notes] == ["no-optimum"]
    with pytest.raises(BayescaleError, match="no size is compute-optimal"):
        serve(mixture, as_good_as=1e10)


def test_the_end_of_the_data_under_a_stack() -> None:
    members = [drawn(name) for name in LAWS_OF_LOSS]
    mixture = Mixture.of(members, [0.5, 0.5], seed=0)
    exhausted = exhaust(Scenario.load("villalobos-2024"), [*members, mixture])
    first, second, both = (outlook.unrepeated.sel(year=2032) for outlook in exhausted.outlooks)
    least, most = sorted([float(first.median()), float(second.median())])
    assert least < float(both.median()) < most
    (*_, stacked) = exhaustion.answer(exhausted).content["laws"]
    assert stacked["members"] == "besiroglu-2024 0.50, devries-2023 0.50"


def test_separate_slopes_have_no_best_size() -> None:
    curve = line(-0.06, -0.08)
    best = optimum(curve, 1e24)
    assert best.params is None
    assert best.loss is None
    assert "more lopsided" in best.notes[0].text
    with pytest.raises(BayescaleError, match="no compute-optimal size"):
        overhead(curve, 0.5)
    with pytest.raises(BayescaleError, match="say how many tokens there are"):
        serve(curve, target=0.4, generated_tokens=1e12)
    plan = serve(curve, target=0.4, generated_tokens=1e12, max_tokens=15e12)
    assert plan.tokens == pytest.approx(15e12, rel=1e-3)  # tokens count for more: all of them
    assert float(curve.at(plan.params, plan.tokens)) == pytest.approx(0.4, abs=1e-6)
    outlook = exhaust(Scenario.load("villalobos-2024"), [curve]).outlooks[0]
    assert outlook.repeated is None
    assert np.isfinite(outlook.extra_params).all()


def test_fits_and_their_stack_are_taken_as_they_are(chinchilla_240: Fit, fitted: Fit) -> None:
    alone = optimum(chinchilla_240, GOPHER)
    both = optimum(stack([chinchilla_240], {"chinchilla": 1.0}), GOPHER)
    assert float(both.params.median()) == pytest.approx(float(alone.params.median()), rel=0.02)
    with pytest.raises(BayescaleError, match="group 'famly' not found; did you mean family"):
        as_curve(stack([fitted], {"compute-only": 1.0}), {"famly": "Llama-3"})
    named = as_curve(stack([fitted], {"compute-only": 1.0}), {"family": "Llama-3"})
    assert isinstance(named, Mixture)


def test_a_stack_on_the_command_line(run, fitted: Fit) -> None:
    stack([fitted], {"compute-only": 1.0}).save("stack")
    code, out, err = run("plan", "serve", "stack", "--target", 0.36, "--max-tokens", "15T")
    assert code == 0
    assert "compute-only 1.00" in out
    assert "data-decide" in err
    code, out, _ = run("exhaust", "--fit", "stack")
    assert code == 0
    assert "stack: best bpc (bits per character) that a run can reach" in out
