"""Power law with a floor: what learning curves are most often fitted with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws.curves.base import LEVEL, Coordinate, CurveLaw, share

FLOOR = Coordinate("floor", "logit of the floor's share of the loss at the last point", -1.5, 1.5)
EXPONENT = Coordinate("exponent", "ln of the exponent", -1.2, 0.7)


def _mean(x: Mapping[str, Any], theta: Mapping[str, Any], xp: Any) -> Any:
    floor = share(theta["floor"], xp)
    falling = xp.exp(-xp.exp(theta["exponent"]) * x["position"])
    return theta["level"] + xp.log(floor + (1 - floor) * falling)


POWER_FLOOR = CurveLaw(
    name="power-floor",
    title="Power law with a floor",
    equation="L(x) = E + A x^-c",
    citation="Hestness et al. 2017, arXiv 1712.00409",
    coordinates=(LEVEL, FLOOR, EXPONENT),
    mean=_mean,
    takes_rate=False,
    discrepancy=(0.25, 2.0),
)
