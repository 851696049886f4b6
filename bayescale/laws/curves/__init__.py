"""Laws of curves: the loss along one run. One file each."""

from __future__ import annotations

from bayescale.base.bundled import unknown
from bayescale.laws.curves.base import CurveLaw
from bayescale.laws.curves.multi_power import MULTI_POWER
from bayescale.laws.curves.power_floor import POWER_FLOOR
from bayescale.laws.curves.saturating import SATURATING
from bayescale.laws.curves.tissue import TISSUE

CURVE_LAWS = {law.name: law for law in (SATURATING, POWER_FLOOR, MULTI_POWER, TISSUE)}


__all__ = ["CURVE_LAWS", "CurveLaw", "curve_law"]


def curve_law(name: str) -> CurveLaw:
    """The law of curves of this name.

    Raises
    ------
    BayescaleError
        If there is none.
    """
    if name not in CURVE_LAWS:
        raise unknown("law of curves", name, list(CURVE_LAWS))
    return CURVE_LAWS[name]
