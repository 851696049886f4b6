"""Allocations of compute as their sources print them: power laws of the budget."""

from __future__ import annotations

from typing import Any

from bayescale.base import bundled
from bayescale.base.notes import Note
from bayescale.base.settings import PROB
from bayescale.plan.answer import Answer, Quantity, precise, rows, shared, with_unit
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.curve import Curve


def printed_allocation(name: str, flops: Any) -> dict[str, Any] | None:
    """Parameters and tokens for a budget as a source prints them; None where it prints none.

    Parameters
    ----------
    name : str
        Of a published law.
    flops : float or array
        Budget in FLOP.

    Returns
    -------
    dict
        `params`, `tokens`, `tokens_per_param`, each printed quantity, and the exponents `a` of
        parameters and `b` of tokens, by C = 6 N D.
    """
    laws = bundled.published_laws().get(name, {}).get("allocation")
    if laws is None:
        return None
    printed = {quantity: power(law, flops) for quantity, law in laws.items()}
    exponents = {quantity: law["exponent"] for quantity, law in laws.items()}
    if "flops_per_token" in printed:
        params, a = printed["flops_per_token"] / FLOP_PER_PARAM_TOKEN, exponents["flops_per_token"]
    elif "params" in printed:
        params, a = printed["params"], exponents["params"]
    else:
        params, a = flops / FLOP_PER_PARAM_TOKEN / printed["tokens"], 1 - exponents["tokens"]
    tokens = flops / FLOP_PER_PARAM_TOKEN / params
    split = {"params": params, "tokens": tokens, "tokens_per_param": tokens / params}
    return {**split, **printed, "a": a, "b": exponents.get("tokens", 1 - a)}


def power(law: dict[str, float], x: Any) -> Any:
    """The value of a published power law, coefficient (x/scale)^exponent."""
    return law.get("coefficient", 1.0) * (x / law.get("scale", 1.0)) ** law["exponent"]


def answer(name: str, flops: float) -> Answer | None:
    """The allocation that a source prints for a budget in FLOP; None where it prints none."""
    printed = printed_allocation(name, flops)
    if printed is None:
        return None
    quantities: list[Quantity] = [*shared(law=name, flops=flops)]
    for key, value in printed.items():
        if key == "flops_per_token":
            quantities.append((key, "FLOP per token, 6 N by the usual count", value))
        else:
            quantities += shared(**{key: value})
    entry = bundled.published_laws()[name]
    if "constants" in entry:
        curve = Curve.published(name)
        there = curve.at(printed["params"], printed["tokens"])
        label = f"{with_unit(curve.response)} of the curve"
        quantities.append((curve.response, label, there, precise))
    note = Note("printed-allocation", "info", entry["note"].rstrip("."), entry["citation"])
    return Answer.of(rows(PROB, quantities), [note])
