"""Compute-optimal allocation: the parameters and tokens with the least loss for a budget.

The least loss along 6 N D = C, found for each draw. For Chinchilla's law this is the closed form
of Hoffmann et al. 2022 (arXiv 2203.15556): N* = G (C/6)^a, D* = (C/6)^b / G.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from bayescale import bundled
from bayescale.notes import Note
from bayescale.plan.curve import Curve, knows_repeats, positive
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
    loss : DataArray
        Least value of the curve, in its response.
    params, tokens, tokens_per_param : DataArray or None
        N*, D* and D*/N*; None where any split is as good.
    a, b : DataArray or None
        Local exponents: N* grows as C^a, D* as C^b.
    params_low, params_high : DataArray or None
        Between them the loss stays within 1 % of the least.
    notes : list of Note
    """

    flops: xr.DataArray
    loss: xr.DataArray
    params: xr.DataArray | None = None
    tokens: xr.DataArray | None = None
    tokens_per_param: xr.DataArray | None = None
    a: xr.DataArray | None = None
    b: xr.DataArray | None = None
    params_low: xr.DataArray | None = None
    params_high: xr.DataArray | None = None
    notes: list[Note] = field(default_factory=list)


def optimum(
    curve: Curve, flops: float | xr.DataArray, *, unique_tokens: float | None = None
) -> Optimum:
    """The parameters and tokens with the least loss for a training budget.

    Parameters
    ----------
    curve : Curve
    flops : float or DataArray
        Budget in FLOP, counted as 6 N D.
    unique_tokens : float, optional
        Tokens that are not repeats, for a law that knows repeats; by default all are new.

    Raises
    ------
    BayescaleError
        If a number is not positive, or the law does not know repeats.
    """
    budget = xr.DataArray(flops)
    positive(flops=float(budget.min()))
    positive(flops=float(budget.max()))
    knows_repeats(curve, unique_tokens)
    pairs = log(budget / FLOP_PER_PARAM_TOKEN)
    if curve.law.compute_only:
        loss = curve.at(np.exp(pairs / 2), np.exp(pairs / 2))
        return Optimum(budget, loss, notes=[no_optimum(curve)])
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


def no_optimum(curve: Curve) -> Note:
    """Under a law of compute alone the loss does not choose a split; other things do."""
    return Note(
        "no-optimum",
        "info",
        f"under {curve.law.name} any split of the budget gives the same {curve.response}: "
        "training alone has no best size",
        "serving cost (as few parameters as possible) and the data at hand (as many tokens as "
        "there are) decide; see `bayescale plan serve` and `bayescale exhaust`",
    )


def published_powers(name: str) -> dict[str, dict[str, float]]:
    """Power laws that a source prints: quantity to `coefficient`, `exponent` and `scale`."""
    laws = bundled.published_laws()
    known = [key for key, said in laws.items() if "powers" in said]
    if name not in known:
        raise bundled.unknown("published power law", name, known)
    return laws[name]["powers"]


def power(law: dict[str, float], x: float) -> float:
    """The value of a published power law, coefficient (x/scale)^exponent."""
    return float(law.get("coefficient", 1.0) * (x / law.get("scale", 1.0)) ** law["exponent"])
