"""Numbers as people write them: 70e9, 70B, 15T; and back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Protocol

from bayescale.base.errors import BayescaleError

_SUFFIX = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
# No quantity here is larger, and products of a few that are would not be finite.
_MOST = 1e50
# Significant digits that a floating-point number holds.
_HELD = 15
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


def human(value: float, needed: int = 0) -> str:
    """Write a count with three significant digits, or those needed: 70.6B, 15T, 6.35e+24."""
    if not math.isfinite(value):
        return str(value)
    count = max(3, needed)
    for suffix, size in (("T", 1e12), ("B", 1e9), ("M", 1e6)):
        if size <= abs(value) < 1e3 * size * (10 if suffix == "T" else 1):
            return f"{_plain(value / size, count)}{suffix}"
    return _plain(value, count)


def _plain(value: float, count: int) -> str:
    """So many significant digits; thousands written out."""
    rounded = float(f"{value:.{count}g}")
    return f"{rounded:.{max(count, 6)}g}" if abs(rounded) < 1e6 else f"{value:.{count}g}"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it: 40 s, 3 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def count(number: int, noun: str) -> str:
    """Write how many there are: 1 problem, 3 problems, 2 families."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def digits(value: float, count: int = 3, needed: int = 0) -> str:
    """Write a number with `count` significant digits, or those needed; zeros kept: 0.360."""
    if value == 0:
        return "0"
    return f"{value:#.{max(count, needed)}g}".rstrip(".")


def percent(value: float, needed: int = 0) -> str:
    """Write a share in whole per cent, or with the significant digits that are needed.

    The sign is set off by a space that does not break.
    """
    places = max(0, needed - _exponent(value) - 3) if needed else 0
    return f"{value:.{places}%}".replace("%", "\N{NO-BREAK SPACE}%")


def share(value: float, /, *, needed: int = 0) -> str:
    """Write a benchmark score: three decimals, however narrow its interval."""
    return f"{value:.3f}"


class Write(Protocol):
    """How people write a number: `digits`, `human` or `percent`."""

    def __call__(self, value: float, /, *, needed: int = ...) -> str:
        """Write it, with as many significant digits as are needed."""


def within(lower: float | None, upper: float | None, write: Write = digits) -> Write:
    """How people write the numbers of an interval: two digits of its width are seen.

    Parameters
    ----------
    lower, upper : float or None
        Ends of the interval. Of one that is infinite or empty the width asks for nothing.
    write : callable
        How such numbers are written at least.

    Examples
    --------
    >>> [within(2.00012, 2.00019)(end) for end in (2.00012, 2.00019)]
    ['2.000120', '2.000190']
    """
    width = math.nan if lower is None or upper is None else abs(upper - lower)
    if not (math.isfinite(width) and width > 0):
        return write
    last = _exponent(width) - 1

    def written(value: float, /, *, needed: int = 0) -> str:
        if not math.isfinite(value) or value == 0:
            return write(value)
        return write(value, needed=max(needed, min(_exponent(value) - last + 1, _HELD)))

    return written


def estimate(row: Mapping[Any, Any], write: Write = digits) -> dict[str, str]:
    """`median`, `lower` and `upper` of a row as people read them."""
    write = within(row["lower"], row["upper"], write)
    return {name: write(row[name]) for name in ("median", "lower", "upper")}


def _exponent(value: float) -> int:
    """Of ten, as in scientific notation; 0 of zero."""
    return math.floor(math.log10(abs(value))) if value else 0


def plural(noun: str) -> str:
    """More than one of a kind of group: families, tokenizers, labs."""
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
