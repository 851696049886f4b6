"""Compute-optimal allocation: the parameters and tokens with the least loss for a budget.

The least loss along 6 N D = C, found for each draw. For Chinchilla's law this is the closed form
of Hoffmann et al. 2022 (arXiv 2203.15556): N* = G (C/6)^a, D* = (C/6)^b / G.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base import bundled
from bayescale.base.notes import Note
from bayescale.base.numbers import percent
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.plan.curve import Curve, knows_repeats, positive
from bayescale.plan.mixture import as_curve
from bayescale.plan.solve import Given, exp, log, minimum, root

FLOP_PER_PARAM_TOKEN = 6
# How flat is flat: sizes whose loss is within this share of the best.
WITHIN = 0.01
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
        Least value of the curve, in its response; None where the loss falls without end.
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
    """The parameters and tokens with the least loss for a training budget.

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
    knows_repeats(whole, unique_tokens)
    pairs = log(budget / FLOP_PER_PARAM_TOKEN)
    curve = whole.with_optimum()
    if curve is None:
        half = np.exp(pairs / 2)
        loss = whole.at(half, half) if whole.law.compute_only else None
        return Optimum(budget, loss, notes=no_optimum(whole))
    unique = np.inf if unique_tokens is None else np.log(unique_tokens)
    given = {**curve.theta, "pairs": pairs, "unique": unique}

    def loss_at(params: Any, g: Given) -> Any:
        x = {"params": params, "tokens": g["pairs"] - params, "unique_tokens": g["unique"]}
        return curve.loss(x, g)

    params = best_split(given, loss_at)
    step = 0.5
    wider = [best_split({**given, "pairs": pairs + shift}, loss_at) for shift in (-step, step)]
    a = (wider[1] - wider[0]) / (2 * step)
    least = xr.DataArray(loss_at(params, given))
    allowed = {**given, "allowed": least * (1 + WITHIN), "best": params}

    def too_much(away: Any, g: Given) -> Any:
        return loss_at(g["best"] + away, g) - g["allowed"]

    low, high = (
        exp(params + root(too_much, *ends, allowed)) for ends in ((-_SPAN, 0.0), (0.0, _SPAN))
    )
    size, tokens = exp(params), exp(pairs - params)
    return Optimum(
        flops=budget,
        loss=least,
        params=size,
        tokens=tokens,
        tokens_per_param=tokens / size,
        a=a,
        b=1 - a,
        params_low=low,
        params_high=high,
        notes=no_optimum(whole),
    )


def best_split(given: Given, loss_at: Any) -> xr.DataArray:
    """ln N of the least loss for budgets `given["pairs"]`, which are ln(N D)."""

    def from_middle(t: Any, g: Given) -> Any:
        return loss_at(g["pairs"] / 2 + t, g)

    return given["pairs"] / 2 + minimum(from_middle, -_SPAN / 2, _SPAN / 2, given)


def optimal_tokens(curve: Curve, params: float | xr.DataArray) -> xr.DataArray:
    """D for which a model of N parameters is compute-optimal, all tokens new.

    There an exchange of a little N for as much D changes nothing.
    """
    step = 1e-4
    size = log(params)
    given = {**curve.theta, "params": size}

    def gain(ratio: Any, g: Given) -> Any:
        tokens = g["params"] + ratio
        more = curve.loss({"params": g["params"] + step, "tokens": tokens - step}, g)
        less = curve.loss({"params": g["params"] - step, "tokens": tokens + step}, g)
        return np.log(more / less)

    return exp(size + root(gain, -_SPAN, _SPAN, given))


def no_optimum(curve: Curve) -> list[Note]:
    """Some laws choose no split of a budget; other things do."""
    lacking = curve.lacking()
    if not lacking:
        return []
    names = " and ".join(lacking)
    if (share := sum(lacking.values())) < 1:
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
        if curve.law.compute_only
        else ("the more lopsided the split of the budget, the lower the")
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


def printed_allocation(name: str, flops: Any) -> dict[str, Any] | None:
    """Parameters and tokens for a budget as a source prints them; None where it prints none.

    Returns
    -------
    dict
        Each printed quantity, and `params`, `tokens`, `tokens_per_param` and the exponents
        `a` of parameters and `b` of tokens, by C = 6 N D.
    """
    laws = bundled.published_laws().get(name, {}).get("allocation")
    if laws is None:
        return None
    found = {quantity: power(law, flops) for quantity, law in laws.items()}
    exponents = {quantity: law["exponent"] for quantity, law in laws.items()}
    if "flops_per_token" in found:
        params, a = found["flops_per_token"] / FLOP_PER_PARAM_TOKEN, exponents["flops_per_token"]
    elif "params" in found:
        params, a = found["params"], exponents["params"]
    else:
        params, a = flops / FLOP_PER_PARAM_TOKEN / found["tokens"], 1 - exponents["tokens"]
    tokens = flops / FLOP_PER_PARAM_TOKEN / params
    split = {"params": params, "tokens": tokens, "tokens_per_param": tokens / params}
    return {**split, **found, "a": a, "b": exponents.get("tokens", 1 - a)}


def power(law: dict[str, float], x: Any) -> Any:
    """The value of a published power law, coefficient (x/scale)^exponent."""
    return law.get("coefficient", 1.0) * (x / law.get("scale", 1.0)) ** law["exponent"]
