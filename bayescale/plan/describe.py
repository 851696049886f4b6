"""What an answer says: a number, or the mean and interval of its draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS, interval
from bayescale.base.numbers import digits, human

# Quantities that people read as 70.3B, and those that differ in the fourth digit.
_COUNTS = ("params", "_per_param", "tokens", "needed", "_low", "_high", "demanded", "available")
_RESPONSES = ("loss", "target", "unlimited", "unrepeated", "repeated")

type Said = float | dict[str, float | None] | list[Any] | None


def said(value: Any, prob: float) -> Said:
    """A number, or `mean`, `median`, `lower` and `upper` over draws; a list along another dim.

    What is infinite or undefined is None.
    """
    if value is None:
        return None
    array = xr.DataArray(value)
    others = [str(dim) for dim in array.dims if dim not in SAMPLE_DIMS]
    if others:
        first = others[0]
        return [said(array.isel({first: i}), prob) for i in range(array.sizes[first])]
    if not array.dims:
        return _finite(float(array))
    found = interval_of(array, prob)
    return {name: _finite(float(found[name])) for name in ("mean", "median", "lower", "upper")}


def interval_of(draws: xr.DataArray, prob: float) -> xr.Dataset:
    """Mean, median and interval of draws some of which are infinite; NaN between two of them."""
    with np.errstate(invalid="ignore"):
        return interval(draws, prob)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def shown(value: Said | str, name: str = "") -> str:
    """What was said of a quantity, for people: `70.3B (61.2B to 80.1B)`."""
    count = name.endswith(_COUNTS)
    precise = 4 if name in _RESPONSES else 3

    def one(number: float | None) -> str:
        if number is None:
            return "\N{EN DASH}"
        return human(number) if count else digits(number, precise)

    if isinstance(value, dict):
        return f"{one(value['median'])} ({one(value['lower'])} to {one(value['upper'])})"
    if isinstance(value, str):
        return value
    assert not isinstance(value, list)
    return one(value)
