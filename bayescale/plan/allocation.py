"""Compute-optimal allocation: the parameters and tokens with the least loss for a budget.

The least loss along 6 N D = C, found for each draw. For Chinchilla's law this is the closed form
of Hoffmann et al. 2022 (arXiv 2203.15556): N* = G (C/6)^a, D* = (C/6)^b / G.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note
from bayescale.base.numbers import human, percent
from bayescale.fit.fit import Fit
from bayescale.fit.notes import LEARNT
from bayescale.fit.stack import Stack
from bayescale.plan.answer import Answer, Row, outside, precise, rows, shared, with_unit
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN, FLOP_PER_SERVED_TOKEN
from bayescale.plan.curve import Curve, check_repeats, positive
from bayescale.plan.isoflop import approaches
from bayescale.plan.mixture import as_curve
from bayescale.plan.solve import Arguments, Function, exp, log, minimum, root
from bayescale.runs.columns import COLUMNS

# Sizes whose response is within this share of the best count as nearly optimal.
WITHIN = 0.01
# Tokens per parameter of the splits that are shown where none is best.
_RATIOS = (2.0, 20.0, 200.0, 2000.0)
# Half the width, in e-folds of N, of the search along a budget.
_SPAN = 40.0


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best split of a training budget, with the dims of the curve's draws.

    Attributes
    ----------
    flops : DataArray
        The budget, 6 N D.
    loss : DataArray or None
        Best value of the curve, in its response; None where it gets better without end.
    params, tokens, tokens_per_param : DataArray or None
        N*, D* and D*/N*; None where no split is best.
    a, b : DataArray or None
        Local exponents: N* grows as C^a, D* as C^b.
    params_low, params_high : DataArray or None
        Between them the loss stays within 1 % of the least.
    notes : list of Note
    """

    flops: xr.DataArray
    loss: xr.DataArray | None
    params: xr.DataArray | None = None
    tokens: xr.DataArray | None = None
    tokens_per_param: xr.DataArray | None = None
    a: xr.DataArray | None = None
    b: xr.DataArray | None = None
    params_low: xr.DataArray | None = None
    params_high: xr.DataArray | None = None
    notes: list[Note] = field(default_factory=list)


def optimum(
    source: Curve | Fit | Stack,
    flops: float | xr.DataArray,
    *,
    unique_tokens: float | None = None,
) -> Optimum:
    """The parameters and tokens with the best response for a training budget.

    Parameters
    ----------
    source : Curve, Fit or Stack
        Of a stack, the draws whose law has a best split.
    flops : float or DataArray
        Budget in FLOP, counted as 6 N D.
    unique_tokens : float, optional
        Tokens that are not repeats, for a law that knows repeats; by default all are new.

    Raises
    ------
    BayescaleError
        If a number is not positive, or the law does not know repeats.
    """
    whole = as_curve(source)
    budget = xr.DataArray(flops)
    positive(flops=float(budget.min()))
    positive(flops=float(budget.max()))
    check_repeats(whole, unique_tokens)
    pairs = log(budget / FLOP_PER_PARAM_TOKEN)
    curve = whole.with_optimum()
    if curve is None:
        usual = {name: np.exp(size) for name, size in whole.usual_split(pairs).items()}
        loss = whole.at(**usual) if whole.compute_only else None
        return Optimum(budget, loss, notes=no_optimum(whole))
    unique = np.inf if unique_tokens is None else np.log(unique_tokens)
    budgeted = {**curve.theta, "pairs": pairs, "unique": unique}

    def loss_at(params: Any, g: Arguments) -> Any:
        x = {"params": params, "tokens": g["pairs"] - params, "unique_tokens": g["unique"]}
        return curve.loss(x, g)

    params = best_split(budgeted, loss_at)
    step = 0.5
    smaller, larger = (
        best_split({**budgeted, "pairs": pairs + shift}, loss_at) for shift in (-step, step)
    )
    a = (larger - smaller) / (2 * step)
    least = xr.DataArray(loss_at(params, budgeted))
    allowed = {**budgeted, "allowed": least + WITHIN * abs(least), "best": params}

    def too_much(away: Any, g: Arguments) -> Any:
        return loss_at(g["best"] + away, g) - g["allowed"]

    low, high = (
        exp(params + root(too_much, *ends, allowed)) for ends in ((-_SPAN, 0.0), (0.0, _SPAN))
    )
    size, tokens = exp(params), exp(pairs - params)
    return Optimum(
        flops=budget,
        loss=curve.as_loss(least),
        params=size,
        tokens=tokens,
        tokens_per_param=tokens / size,
        a=a,
        b=1 - a,
        params_low=low,
        params_high=high,
        notes=no_optimum(whole),
    )


def best_split(arguments: Arguments, loss_at: Function) -> xr.DataArray:
    """ln N of the least `loss_at(ln N, arguments)` where `arguments["pairs"]` is ln(N D)."""

    def from_middle(t: Any, g: Arguments) -> Any:
        return loss_at(g["pairs"] / 2 + t, g)

    return arguments["pairs"] / 2 + minimum(from_middle, -_SPAN / 2, _SPAN / 2, arguments)


def optimal_tokens(curve: Curve, params: float | xr.DataArray) -> xr.DataArray:
    """D for which a model of N parameters is compute-optimal, all tokens new.

    There an exchange of a little N for as much D changes nothing.
    """
    step = 1e-4
    size = log(params)

    def gain(ratio: Any, g: Arguments) -> Any:
        tokens = g["params"] + ratio
        more = curve.loss({"params": g["params"] + step, "tokens": tokens - step}, g)
        less = curve.loss({"params": g["params"] - step, "tokens": tokens + step}, g)
        return more - less

    return exp(size + root(gain, -_SPAN, _SPAN, {**curve.theta, "params": size}))


def no_optimum(curve: Curve) -> list[Note]:
    """Some laws choose no split of a budget; other things do."""
    shares = curve.shares_without_optimum()
    if not shares:
        return []
    names, better = " and ".join(shares), COLUMNS[curve.response].better
    if (share := sum(shares.values())) < 1:
        return [
            Note(
                "no-optimum",
                "info",
                f"under {names} ({percent(share)} of the stack) there is no compute-optimal size",
                "the answer, its response included, is that of the other laws",
            )
        ]
    text = (
        "any split of the budget gives the same"
        if curve.compute_only
        else f"the more lopsided the split of the budget, the {better} the"
    )
    return [
        Note(
            "no-optimum",
            "info",
            f"under {names} {text} {curve.response}: training alone has no best size",
            "serving cost (as few parameters as possible) and the data at hand (as many tokens "
            "as there are) decide; see `bayescale plan serve` and `bayescale exhaust`",
        )
    ]


def answer(
    curve: Curve,
    flops: float,
    prob: float,
    *,
    unique_tokens: float | None = None,
    fit: Fit | None = None,
) -> Answer:
    """The compute-optimal split of a budget; with a fit, also by Hoffmann's other approaches.

    Content: `params`, `tokens`, `tokens_per_param`, the response under its own name, exponents
    `a` and `b`, and `params_low` and `params_high`; numbers, or objects of mean and interval.
    Lists: `splits` where no split is best, else `approaches` where there are IsoFLOP runs.
    """
    best = optimum(curve, flops, unique_tokens=unique_tokens)
    response, near = with_unit(curve.response), f"within {percent(WITHIN)} of that {curve.response}"
    quantities = rows(
        prob,
        [
            *shared(**curve.origin, flops=flops),
            *shared(params=best.params, tokens=best.tokens, tokens_per_param=best.tokens_per_param),
            (curve.response, f"{response} of the curve", best.loss, precise),
            *shared(a=best.a, b=best.b),
            ("response", "", curve.response),
            ("within", "", WITHIN),
            ("params_low", f"fewest parameters {near}", best.params_low, human),
            ("params_high", f"most parameters {near}", best.params_high, human),
            *([("unique_tokens", "tokens that are not repeats", unique_tokens, human)]
              if unique_tokens is not None else []),
            *(shared(prob=prob) if curve.uncertain else []),
        ],
    )  # fmt: skip
    notes = [*curve.notes, *best.notes]
    if best.params is None or best.tokens is None:
        splits = [_split(flops, ratio, prob) for ratio in _RATIOS]
        return Answer.of(quantities, notes, {"splits": ("Ways to spend the budget", splits)})
    if fit is None:
        return Answer.of(quantities, notes)
    notes += outside(fit, best.params, best.tokens, unique_tokens)
    if curve.law.name == fit.spec.law.name:  # a stack has no prior of its own
        notes += _from_prior(fit, best, unique_tokens)
    if unique_tokens is not None:
        return Answer.of(quantities, notes)
    by_runs, why = approaches(fit.runs, fit.spec, flops, fit.seed)
    estimates = [
        *((each.name, each.a, exp(each.log_params)) for each in by_runs),
        ("parametric", best.a, best.params),
    ]
    compared = [
        rows(prob, [("approach", "approach", name), *shared(a=a, params=params)])
        for name, a, params in estimates
    ]
    title = "Hoffmann's three approaches (arXiv 2203.15556)"
    return Answer.of(quantities, notes + why, {"approaches": (title, compared)})


def _from_prior(fit: Fit, best: Optimum, unique_tokens: float | None) -> list[Note]:
    """Whether the runs say anything about the best split, against what the prior alone gives."""
    names = [parameter.name for parameter in fit.spec.law.parameters]
    if any(set(fit.prior[name].dims) != set(SAMPLE_DIMS) for name in names):
        return []
    theta = {name: fit.prior[name].reset_coords(drop=True) for name in names}
    prior = Curve(fit.spec.name, fit.spec.law, theta, fit.centre, fit.spec.response)
    before = optimum(prior, best.flops, unique_tokens=unique_tokens)
    assert best.tokens_per_param is not None
    assert before.tokens_per_param is not None
    share = _width(best.tokens_per_param) / _width(before.tokens_per_param)
    if share < LEARNT:
        return []
    return [
        Note(
            "split-from-prior",
            "warning",
            f"tokens per parameter are {percent(share)} as uncertain as under the prior alone: "
            "the runs do not tell how to split this budget",
            "do not size a run by it; add runs with other tokens per parameter",
        )
    ]


def _width(draws: xr.DataArray) -> float:
    """Interquartile range of the logarithm."""
    lower, upper = np.quantile(np.log(draws), [0.25, 0.75])
    return float(upper - lower)


def _split(flops: float, ratio: float, prob: float) -> list[Row]:
    """A way to spend a budget, and what serving a token costs with it."""
    params = float(np.sqrt(flops / FLOP_PER_PARAM_TOKEN / ratio))
    served = ("flops_per_served_token", "FLOP per served token", FLOP_PER_SERVED_TOKEN * params)
    sizes = shared(tokens_per_param=ratio, params=params, tokens=params * ratio)
    return rows(prob, [*sizes, served])
