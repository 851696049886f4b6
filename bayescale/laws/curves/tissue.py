"""Annealing law: a power law in the summed learning rate, and its fall with a fading memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws.curves.base import LEVEL, Coordinate, CurveLaw, annealed
from bayescale.laws.curves.multi_power import EXPONENT, FLOOR, GAIN, fallen


def _mean(x: Mapping[str, Any], theta: Mapping[str, Any], xp: Any) -> Any:
    falling = fallen(x, theta, xp)
    # Steps since a change: the summed rate since then over the rate.
    steps = x["wait"] * xp.exp(-x["rate"])
    memory = xp.expand_dims(theta["memory"] - x["seen"], -1)
    done = 1 - xp.exp(-steps * xp.exp(-memory))
    return theta["level"] + xp.log(falling - xp.exp(theta["gain"]) * (1 + annealed(x, done)))


TISSUE = CurveLaw(
    name="annealing",
    title="Learning-rate annealing law",
    equation=(
        "L(s) = L0 + A S1(s)^-alpha - C S2(s), "
        "S2(s) = sum_i sum_{k <= i} (eta_{k-1} - eta_k) lambda^(i-k)"
    ),
    citation="Tissue et al. 2024, arXiv 2408.11029",
    coordinates=(
        LEVEL,
        FLOOR,
        EXPONENT,
        GAIN,
        Coordinate("memory", "ln of 1 / (1 - lambda) in steps, over the summed rate", -2.5, 1.0),
    ),
    mean=_mean,
    takes_rate=True,
    discrepancy=(0.05, 1.5),
    wander=(0.002, 0.3),
    modular=True,
    varies=("gain",),
)
