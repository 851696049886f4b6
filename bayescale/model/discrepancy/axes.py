"""Axes: what distance between runs means for the model discrepancy, from a law's inputs.

Parameters and tokens count as ln(N D)/sqrt(2) and ln(D/N)/sqrt(2): a law misses compute otherwise
than its split. Unique tokens count as the logarithm of the passes over them. Any other input is an
axis by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bayescale.runs.column import Column

_ROOT2 = math.sqrt(2.0)
# Of the local process along compute and split, in e-folds over sqrt(2). No table of runs tells:
# sampled, it stayed where its prior was.
_LOCAL_LENGTH = 1.5


@dataclass(frozen=True)
class Axis:
    """A direction in which the discrepancy has a length.

    Attributes
    ----------
    name : str
        The length's parameter is `length_{name}`.
    unit : str
        Of that length.
    weights : mapping
        Input to its factor; the coordinate is their sum.
    local_length : float or None
        Of the local process; None: half the median of the long one's prior.
    """

    name: str
    unit: str
    weights: Mapping[str, float]
    local_length: float | None = None

    def along(self, x: Mapping[Any, Any]) -> Any:
        """Coordinate of runs: (..., run), from the inputs on their scales."""
        first, *others = (x[name] * weight for name, weight in self.weights.items())
        for part in others:
            first = first + part
        return first


COMPUTE = Axis(
    "compute",
    "along ln(N D), in e-folds over sqrt(2)",
    {"params": 1 / _ROOT2, "tokens": 1 / _ROOT2},
    _LOCAL_LENGTH,
)
SPLIT = Axis(
    "split",
    "along ln(D / N), in e-folds over sqrt(2)",
    {"tokens": 1 / _ROOT2, "params": -1 / _ROOT2},
    _LOCAL_LENGTH,
)
_PASSES = Axis("passes", "along ln(D / unique tokens)", {"tokens": 1.0, "unique_tokens": -1.0})


def axes_of(inputs: Iterable[Column]) -> tuple[Axis, ...]:
    """The axes of a law's inputs."""
    columns = {column.name: column for column in inputs}
    axes: list[Axis] = []
    if {"params", "tokens"} <= columns.keys():
        axes += [COMPUTE, SPLIT]
        if columns.pop("unique_tokens", None):
            axes.append(_PASSES)
        del columns["params"], columns["tokens"]
    for name, column in columns.items():
        if column.scale == "linear":
            width = column.high - column.low
            share = 1 / width if math.isfinite(width) else 1.0
            unit = f"along {column.label}, in shares of its range"
            axes.append(Axis(name, unit, {name: share}))
        else:
            of = "e-folds" if column.scale == "log" else "logits"
            axes.append(Axis(name, f"along {column.label}, in {of}", {name: 1.0}))
    return tuple(axes)


def local_length(axis: Axis, median: float) -> float:
    """Length of the local process, where the long one's prior has this median."""
    return median / 2 if axis.local_length is None else axis.local_length
