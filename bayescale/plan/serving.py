"""Training plus serving: the cheapest model that reaches a quality and answers for a lifetime.

Sardana & Frankle 2023 (arXiv 2401.00448); what each costs is in `costs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import check_prob
from bayescale.base.notes import Note
from bayescale.base.numbers import human, percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.plan.allocation import no_optimum, optimal_tokens
from bayescale.plan.answer import Answer, outside, precise, rows, shared, with_unit
from bayescale.plan.costs import COSTS, Costs, Prices
from bayescale.plan.curve import Curve, positive
from bayescale.plan.mixture import as_curve
from bayescale.plan.solve import Arguments, Function, exp, minimum, root
from bayescale.predictive.inverse import check_target
from bayescale.runs.columns import COLUMNS

# Searched: 1e3 to 1e17 parameters, 1 to 1e30 tokens, as natural logarithms.
_PARAMS = (np.log(1e3), np.log(1e17))
_TOKENS = (0.0, np.log(1e30))
# Sizes in a figure of costs, and how many e-folds from the plan it reaches.
_SIZES, _AROUND = 81, np.log(30)


@dataclass(frozen=True, eq=False)
class Serving:
    """The cheapest plan that reaches a target, and what it costs.

    `params` are chosen before anything is known of a draw, and `tokens` are as many as reach the
    target with probability `prob`; a run that reaches it earlier stops there.

    Attributes
    ----------
    unit : {"FLOP", "dollars"}
        Of every cost.
    target : DataArray
        Response to reach.
    params : float or None
        None where no size is best.
    tokens : float or None
        Budget of training tokens.
    probability : float or None
        That the plan meets the target; by construction at least `prob`.
    tokens_needed : DataArray or None
        D at which each draw reaches the target with the plan's parameters.
    training, serving, total : DataArray or None
        Cost of the plan, draw by draw; its mean is the expected cost.
    best_params, best_tokens : DataArray or None
        What each draw, if it were known to be true, would choose.
    optimal_params, optimal_total : float or DataArray or None
        The model that reaches the target with the least training, and its cost.
    saving : DataArray or None
        1 - total / optimal_total, of expected costs.
    splits : list of dict
        Where no size is best: plans at some ratios of tokens to parameters, and their costs.
    notes : list of Note
    """

    unit: str
    target: xr.DataArray
    prob: float
    params: float | None = None
    tokens: float | None = None
    probability: float | None = None
    tokens_needed: xr.DataArray | None = None
    training: xr.DataArray | None = None
    serving: float | None = None
    total: xr.DataArray | None = None
    best_params: xr.DataArray | None = None
    best_tokens: xr.DataArray | None = None
    optimal_params: float | None = None
    optimal_total: float | None = None
    saving: float | None = None
    splits: list[dict[str, float]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def serve(
    source: Curve | Fit | Stack,
    *,
    target: float | None = None,
    as_good_as: float | None = None,
    prompt_tokens: float = 0.0,
    generated_tokens: float = 0.0,
    max_tokens: float | None = None,
    prices: Prices | None = None,
    prob: float = PROB,
) -> Serving:
    """The parameters and tokens that reach a target at the least cost of training and serving.

    Parameters
    ----------
    source : Curve, Fit or Stack
    target : float, optional
        Response to reach by one new run.
    as_good_as : float, optional
        Instead: the curve's value for a compute-optimal model of so many parameters.
    prompt_tokens, generated_tokens : float
        Tokens read and written over the model's lifetime.
    max_tokens : float, optional
        The most tokens there are to train on.
    prices : Prices, optional
        Costs in dollars; without them, in FLOP.
    prob : float
        With which the plan is to meet the target.

    Raises
    ------
    BayescaleError
        If the question is incomplete, a number impossible, or the target out of reach.
    """
    check_prob(prob)
    if max_tokens is not None:
        positive(max_tokens=max_tokens)
    curve = as_curve(source)
    goal = _goal(curve, target, as_good_as)
    costs = Costs.of(prices, prompt_tokens, generated_tokens)
    wanted = _wanted(curve, goal, of_new_runs=target is not None)
    worst = curve.loss({"params": _PARAMS[0], "tokens": _TOKENS[0]}, curve.theta)
    if float((worst <= wanted["target"]).mean()) > 0.5:
        raise BayescaleError(
            f"target={float(goal.mean()):g}: any model reaches it under {curve.name}; "
            f"ask for a {COLUMNS[curve.response].better} one"
        )
    most = _TOKENS[1] if max_tokens is None else float(np.log(max_tokens))
    if curve.compute_only:
        return _any_split(curve, wanted, goal, costs, prob=prob, max_tokens=max_tokens)

    unbounded = curve.shares_without_optimum()
    if max_tokens is None and sum(unbounded.values()) >= prob:
        raise BayescaleError(
            f"no max_tokens: under {' and '.join(unbounded)} an ever smaller model on ever more "
            "tokens may be the cheapest; say how many tokens there are"
        )

    log_params, log_tokens = _plan(curve, wanted, costs, most, prob)
    if not np.isfinite(log_tokens):
        raise BayescaleError(_out_of_reach(goal, curve, prob, max_tokens))
    needed = _tokens_needed(curve, wanted, log_params)
    trained = exp(needed.clip(max=log_tokens))
    params = float(np.exp(log_params))
    cheapest = _plan(curve, wanted, replace(costs, serving=0.0), most, prob)
    optimal_total = _expected(curve, wanted, costs, *cheapest)
    total = costs(params, trained)
    # Without a limit on data, each draw's own choice is that of the laws that have one.
    own = curve if max_tokens is not None else curve.with_optimum()
    assert own is not None
    wanted = _wanted(own, goal, of_new_runs=target is not None)
    best = _best_of_each(own, wanted, costs, most)
    return Serving(
        unit=costs.unit,
        target=goal,
        prob=prob,
        params=params,
        tokens=float(np.exp(log_tokens)),
        probability=float((needed <= log_tokens + 1e-9).mean()),
        tokens_needed=exp(needed),
        training=total - costs.serving * params,
        serving=costs.serving * params,
        total=total,
        best_params=exp(best),
        best_tokens=exp(_tokens_needed(own, wanted, best)),
        optimal_params=float(np.exp(cheapest[0])),
        optimal_total=optimal_total,
        saving=1 - float(total.mean()) / optimal_total,
        notes=[_left_out(unbounded)] if unbounded and max_tokens is None else [],
    )


def cost_by_size(
    curve: Curve,
    plan: Serving,
    *,
    prob: float = PROB,
    prompt_tokens: float = 0.0,
    generated_tokens: float = 0.0,
    prices: Prices | None = None,
    target: float | None = None,
    max_tokens: float | None = None,
    **_: object,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected costs of training and serving over model sizes around a plan, for its figure.

    Returns
    -------
    params, training, serving : array
        Infinite where no data suffice.
    """
    costs = Costs.of(prices, prompt_tokens, generated_tokens)
    wanted = _wanted(curve, plan.target, of_new_runs=target is not None)
    middle = np.log(plan.params or plan.splits[1]["params"])
    most = _TOKENS[1] if max_tokens is None else float(np.log(max_tokens))
    first = max(_smallest(curve, wanted, most, prob), middle - _AROUND)
    # Closer together near the smallest size, where the cost rises steeply.
    params = np.exp(first + (middle + _AROUND - first) * np.linspace(0, 1, _SIZES) ** 2)
    training = []
    for size in params:
        needed = _tokens_needed(curve, wanted, float(np.log(size)))
        budget = _budget(needed, prob)
        spent = costs(size, exp(needed.clip(max=budget))) if np.isfinite(budget) else np.inf
        training.append(float(np.mean(spent)) - costs.serving * size)
    return params, np.array(training), costs.serving * params


def _goal(curve: Curve, target: float | None, as_good_as: float | None) -> xr.DataArray:
    if (target is None) == (as_good_as is None):
        raise BayescaleError("give one of target and as_good_as: the response, or a model's size")
    if target is not None:
        check_target(curve.response, target)
        return xr.DataArray(target)
    assert as_good_as is not None
    positive(as_good_as=as_good_as)
    if shares := curve.shares_without_optimum():
        raise BayescaleError(
            f"as_good_as={as_good_as:g}: under {' and '.join(shares)} no size is "
            "compute-optimal; give a target"
        )
    return curve.at(as_good_as, optimal_tokens(curve, as_good_as))


def _wanted(curve: Curve, goal: xr.DataArray, *, of_new_runs: bool) -> dict[str, Any]:
    """Arguments of a solver: the curve's draws, and what it is to reach, as a loss."""
    reached = curve.for_new_runs(goal) if of_new_runs else goal
    return {**curve.theta, "target": curve.as_loss(reached)}


def _tokens_needed(
    curve: Curve, wanted: Arguments, log_params: float | xr.DataArray
) -> xr.DataArray:
    """ln D at which each draw reaches the target; infinite where no data suffice."""

    def above(tokens: np.ndarray, g: Arguments) -> np.ndarray:
        return curve.loss({"params": g["params"], "tokens": tokens}, g) - g["target"]

    return _falls_to_zero(above, *_TOKENS, {**wanted, "params": log_params})


def _falls_to_zero(
    function: Function, low: float, high: float, arguments: Arguments
) -> xr.DataArray:
    """Where a falling function reaches zero: `low` if it has already, infinite for never."""
    already = xr.DataArray(function(low, arguments)) <= 0
    return root(function, low, high, arguments).fillna(np.inf).where(~already, low)


def _budget(needed: xr.DataArray, prob: float) -> float:
    """ln D that reaches the target with probability `prob`; infinite where none does."""
    return float(np.quantile(needed, prob, method="inverted_cdf"))


def _expected(
    curve: Curve, wanted: Arguments, costs: Costs, log_params: float, log_tokens: float
) -> float:
    """Expected cost of a plan that stops when the target is reached or the budget spent."""
    needed = _tokens_needed(curve, wanted, log_params)
    return float(costs(np.exp(log_params), exp(needed.clip(max=log_tokens))).mean())


def _plan(
    curve: Curve, wanted: Arguments, costs: Costs, most: float, prob: float
) -> tuple[float, float]:
    """ln N and ln D of the least expected cost; ln D infinite where nothing reaches the target."""

    def tokens(log_params: float) -> float:
        return min(_budget(_tokens_needed(curve, wanted, log_params), prob), most)

    smallest = _smallest(curve, wanted, most, prob)
    if not np.isfinite(smallest):
        return np.nan, np.inf
    cheapest = scipy.optimize.minimize_scalar(
        lambda x: np.log(_expected(curve, wanted, costs, x, tokens(x))),
        bounds=(smallest, _PARAMS[1]),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(cheapest.x), tokens(cheapest.x)


def _smallest(curve: Curve, wanted: Arguments, most: float, prob: float) -> float:
    """ln N of the size that needs all data there are: larger models need less."""

    def above(params: Any, g: Arguments) -> Any:
        return curve.loss({"params": params, "tokens": most}, g) - g["target"]

    return _budget(_falls_to_zero(above, *_PARAMS, wanted), prob) + 1e-6


def _best_of_each(curve: Curve, wanted: Arguments, costs: Costs, most: float) -> xr.DataArray:
    """ln N of the least cost for each draw."""

    def cost(log_params: np.ndarray, g: Arguments) -> np.ndarray:
        theta = {name: g[name] for name in wanted}
        needed = _tokens_needed(curve, _as_rows(theta), _as_rows({"x": log_params})["x"])
        within = needed.where(needed <= most, np.inf).to_numpy()
        return np.log(costs(np.exp(log_params), np.exp(within)))

    return minimum(cost, *_PARAMS, wanted)


def _as_rows(values: Arguments) -> dict[str, xr.DataArray]:
    return {name: xr.DataArray(value, dims="row") for name, value in values.items()}


def _any_split(
    curve: Curve,
    wanted: Arguments,
    goal: xr.DataArray,
    costs: Costs,
    *,
    prob: float,
    max_tokens: float | None,
) -> Serving:
    """Under a law of compute alone: the fewest parameters for which there are data.

    A product N D reaches the target, so training costs the same whatever the split, and serving
    falls with N: nothing but the data stops it.
    """

    def above(pairs: np.ndarray, g: Arguments) -> np.ndarray:
        return curve.loss(curve.usual_split(pairs), g) - g["target"]

    ends = (2 * _TOKENS[0], _TOKENS[1] + _PARAMS[1])
    pairs = _falls_to_zero(above, *ends, wanted)
    budget = _budget(pairs, prob)
    if not np.isfinite(budget):
        raise BayescaleError(_out_of_reach(goal, curve, prob, None))

    def plan(params: float) -> tuple[xr.DataArray, float]:
        trained = exp(pairs.clip(max=budget)) / params
        return costs.training * params * trained, costs.serving * params

    splits = []
    for ratio in (20.0, 200.0, 2000.0, 20000.0):
        params = float(np.exp(budget / 2) / np.sqrt(ratio))
        training, serving = plan(params)
        splits.append(
            {
                "tokens_per_param": ratio,
                "params": params,
                "tokens": params * ratio,
                "training": float(training.mean()),
                "serving": serving,
                "total": float(training.mean()) + serving,
            }
        )
    without_limit = Serving(costs.unit, goal, prob, splits=splits, notes=no_optimum(curve))
    if max_tokens is None:
        return without_limit
    size = float(np.exp(budget) / max_tokens)
    training, serving = plan(size)
    return replace(
        without_limit,
        params=size,
        tokens=max_tokens,
        probability=float((pairs <= budget + 1e-9).mean()),
        tokens_needed=exp(pairs) / size,
        training=training,
        serving=serving,
        total=training + serving,
        notes=[
            Note(
                "data-decide",
                "info",
                f"under {curve.law.name} the cheapest plan is the smallest model for which there "
                "are data: it trains on all of them",
                "an assumption on the law, which holds for ratios of tokens to parameters that "
                "were seen",
            )
        ],
    )


def _left_out(unbounded: Mapping[str, float]) -> Note:
    return Note(
        "no-optimum",
        "info",
        f"under {' and '.join(unbounded)} ({percent(sum(unbounded.values()))} of the stack) the "
        "cheapest model is the smallest for which there are data",
        "what each draw would choose is that of the other laws; give max_tokens for all",
    )


def _out_of_reach(goal: xr.DataArray, curve: Curve, prob: float, most: float | None) -> str:
    data = "" if most is None else f" on at most {most:g} tokens"
    return (
        f"target={float(goal.mean()):g}: no model of up to 1e17 parameters reaches it{data} with "
        f"probability {prob:g} under {curve.name}; ask for a {COLUMNS[curve.response].worse} one"
    )


def answer(curve: Curve, *, prob: float, fit: Fit | None = None, **question: Any) -> Answer:
    """The cheapest plan to reach a target and serve, as `serve` finds it.

    Content: the fields of `Serving`; numbers, or objects of mean and interval. `splits` where no
    size is best.
    """
    plan = serve(curve, prob=prob, **question)
    cost = f"({plan.unit})"
    of_run = "of one new run" if question.get("target") is not None else "of the curve"
    quantities = [
        *shared(**curve.origin),
        ("unit", "", plan.unit),
        ("response", "", curve.response),
        ("target", f"target {with_unit(curve.response)} {of_run}", plan.target, precise),
        ("params", "parameters N of the plan", plan.params, human),
        ("tokens", "most training tokens D of the plan", plan.tokens, human),
        ("probability", "probability that the plan reaches the target", plan.probability),
        ("serving", f"cost of serving {cost}", plan.serving),
        ("optimal_params", "parameters of the model cheapest to train", plan.optimal_params, human),
        ("optimal_total", f"expected cost of that model, with serving {cost}", plan.optimal_total),
        ("saving", "expected saving of the plan over that model, as a share", plan.saving),
        (
            "tokens_needed",
            "training tokens needed with that N",
            plan.tokens_needed,
            human,
        ),
        ("training", f"cost of training {cost}", plan.training),
        ("total", f"cost of training and serving {cost}", plan.total),
        ("best_params", "parameters that each draw would choose", plan.best_params, human),
        ("best_tokens", "training tokens that each draw would choose", plan.best_tokens, human),
        *(shared(prob=prob) if curve.uncertain else []),
    ]
    splits = [
        rows(
            prob,
            [
                *shared(**{name: split[name] for name in ("tokens_per_param", "params", "tokens")}),
                *((name, f"{label} {cost}", split[name]) for name, label in COSTS.items()),
            ],
        )
        for split in plan.splits
    ]
    notes = [*curve.notes, *plan.notes]
    if fit is not None and plan.params is not None:
        notes += outside(fit, plan.params, plan.tokens)
    lists = {"splits": ("Ways to reach the target", splits)} if splits else {}
    return Answer.of(rows(prob, quantities), notes, lists)
