"""Broken power law: flat before its break, a power law with a floor after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws.curves.base import LEVEL, Coordinate, CurveLaw, share
from bayescale.laws.curves.power_floor import EXPONENT, FLOOR


def _mean(x: Mapping[str, Any], theta: Mapping[str, Any], xp: Any) -> Any:
    floor, sharp = share(theta["floor"], xp), xp.exp(theta["sharpness"])
    since = xp.logaddexp(0.0, sharp * (x["position"] - theta["break"]))
    until = xp.logaddexp(0.0, -sharp * theta["break"])
    falling = xp.exp(-xp.exp(theta["exponent"]) / sharp * (since - until))
    return theta["level"] + xp.log(floor + (1 - floor) * falling)


SATURATING = CurveLaw(
    name="broken-power",
    title="Broken power law, flat before its break",
    equation="L(x) = E + A (1 + (x / d)^k)^(-c / k)",
    citation="Caballero et al. 2022, arXiv 2210.14891, one break, no slope before it",
    coordinates=(
        LEVEL,
        FLOOR,
        EXPONENT,
        Coordinate("break", "ln of the break's position over that of the last point", -4.0, 2.0),
        Coordinate("sharpness", "ln of how sharp the break is", 0.0, 0.5),
    ),
    mean=_mean,
    takes_rate=False,
    discrepancy=(0.25, 2.0),
)
