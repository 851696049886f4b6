"""Multi-power law: a power law in the summed learning rate, and what each fall of it gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws.curves.base import LEVEL, Coordinate, CurveLaw, annealed, share

# Priors: published constants of 25M, 100M and 400M parameters (arXiv 2503.12811), as shares of
# the loss at the end of 24,000 steps at the peak rate, with spreads that admit other models. Of a
# run in progress they are of the end of its schedule.
FLOOR = Coordinate("floor", "logit of the floor's share of the loss at the end", 2.5, 0.6)
EXPONENT = Coordinate("exponent", "ln of the exponent", -0.77, 0.2)
GAIN = Coordinate("gain", "ln of what annealing to 0 gains, as a share of the loss", -3.1, 0.4)


def fallen(x: Mapping[str, Any], theta: Mapping[str, Any], xp: Any) -> Any:
    """Loss at the peak rate, over that at the last point seen."""
    exponent = xp.exp(theta["exponent"])
    floor = share(theta["floor"] + exponent * x["seen"], xp)
    return floor + (1 - floor) * xp.exp(-exponent * x["position"])


def _mean(x: Mapping[str, Any], theta: Mapping[str, Any], xp: Any) -> Any:
    falling = fallen(x, theta, xp)
    slowing, delay, tail = (
        xp.expand_dims(theta[name], -1) for name in ("slowing", "delay", "tail")
    )
    seen = xp.expand_dims(x["seen"], -1)
    waited = x["wait"] * xp.exp(seen - slowing * x["rate"] - delay)
    done = -xp.expm1(-xp.exp(tail) * xp.log1p(waited))
    # The warm-up is a rise by 1, so at the peak rate, long after it, this is -1.
    return theta["level"] + xp.log(falling - xp.exp(theta["gain"]) * (1 + annealed(x, done)))


MULTI_POWER = CurveLaw(
    name="multi-power",
    title="Multi-power law",
    equation=(
        "L(t) = L0 + A S(t)^-alpha - B sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k(t)), "
        "G(x) = 1 - (C x + 1)^-beta"
    ),
    citation="Luo et al. 2025, arXiv 2503.12811",
    coordinates=(
        LEVEL,
        FLOOR,
        EXPONENT,
        GAIN,
        Coordinate("delay", "ln of 1 / C, as a share of the schedule's summed rate", -7.8, 0.5),
        Coordinate("tail", "ln of beta", -0.53, 0.2),
        Coordinate("slowing", "gamma", 0.64, 0.2),
    ),
    mean=_mean,
    takes_rate=True,
    discrepancy=(0.025, 1.5),
    wander=(0.002, 0.3),
    modular=True,
    varies=("gain",),
)
