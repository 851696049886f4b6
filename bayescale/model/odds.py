"""What a law is of: the response, or the odds of a miss.

Laws of the loss fall towards a floor, and an accuracy rises from chance to a ceiling. The odds of
a miss, (ceiling - y) / (y - floor) for a response y of which more is better, can be any positive
number: a law of them lies between floor and ceiling at every size. Linear in the logarithm of
compute, their logarithm is the usual curve of a benchmark (arXiv 2405.10938).
"""

from __future__ import annotations

from typing import Any

from bayescale.model.spec import Spec
from bayescale.runs.columns import COLUMNS


def bounds_of(spec: Spec) -> tuple[float, float]:
    """Floor and ceiling of a spec's response: its own, or the response's range."""
    column = COLUMNS[spec.response]
    return spec.bounds or (column.low, column.high)


def of_law(spec: Spec, value: Any) -> Any:
    """The response where a spec's law has this value."""
    if spec.law_of == "response":
        return value
    low, high = bounds_of(spec)
    hit = (high - low) / (1 + value)
    return low + hit if COLUMNS[spec.response].better == "higher" else high - hit


def law_at(spec: Spec, response: Any) -> Any:
    """The value of a spec's law where it has this response."""
    if spec.law_of == "response":
        return response
    low, high = bounds_of(spec)
    odds = (high - response) / (response - low)
    return odds if COLUMNS[spec.response].better == "higher" else 1 / odds
