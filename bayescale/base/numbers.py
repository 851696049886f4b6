"""Numbers as people write them: 70e9, 70B, 15T; and back."""

from __future__ import annotations

import math
import re

from bayescale.base.errors import BayescaleError

_SUFFIX = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
# No quantity here is larger, and products of a few that are would not be finite.
_MOST = 1e50
_NUMBER = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kmbt]?)\s*", re.I)


def parse_number(text: str, name: str = "value") -> float:
    """Read `70e9`, `70B`, `15T` or `1_000` as a finite number.

    Raises
    ------
    BayescaleError
        If the text is not a number, or one beyond 1e50.
    """
    match = _NUMBER.fullmatch(text)
    value = float(match[1]) * _SUFFIX[match[2].lower()] if match else math.nan
    if abs(value) > _MOST:
        raise BayescaleError(f"{name}={text[:80]}: no quantity here is beyond {_MOST:g}")
    if math.isnan(value):
        shown = repr(text if len(text) <= 80 else f"{text[:80]}...")
        raise BayescaleError(
            f"{name}={shown} is not a number; write it like 70e9, 70B (1e9) or 15T (1e12)"
        )
    return value


def human(value: float) -> str:
    """Write a count with three significant digits: 70.6B, 15T, 6.35e+24."""
    if not math.isfinite(value):
        return str(value)
    for suffix, size in (("T", 1e12), ("B", 1e9), ("M", 1e6)):
        if size <= abs(value) < 1e3 * size * (10 if suffix == "T" else 1):
            return f"{_plain(value / size)}{suffix}"
    return _plain(value)


def _plain(value: float) -> str:
    """Three significant digits; thousands written out."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:g}" if abs(rounded) < 1e6 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it: 40 s, 3 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def count(number: int, noun: str) -> str:
    """Write how many there are: 1 problem, 3 problems, 2 families."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def digits(value: float, count: int = 3) -> str:
    """Write a number with as many significant digits, trailing zeros kept: 0.360."""
    if value == 0:
        return "0"
    return f"{value:#.{count}g}".rstrip(".")


def percent(value: float) -> str:
    """Write a share in per cent, the sign set off by a space that does not break."""
    return f"{value:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def plural(noun: str) -> str:
    """More than one of a kind of group: families, tokenizers, labs."""
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
