"""Points of a prediction: what a caller may give, and whether a fit can take it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.runs.table import Runs

type Points = Runs | pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def check_groups(names: Iterable[str], known: Collection[str]) -> None:
    """Raise a `BayescaleError` if a name is not among the known groups."""
    for name in names:
        if name not in known:
            raise unknown("group", name, [*known] or ["none, for this fit"])


def as_points(points: Points) -> Runs:
    """Points of a prediction as checked `Runs`, named point-1, point-2, ... where unnamed.

    Numbers may be written `70B`. A mapping's arrays have a value for each of several points.

    Raises
    ------
    BayescaleError
        If a mapping's arrays differ in length, or a point breaks a rule of `Runs`.
    """
    if isinstance(points, Runs):
        return points
    if isinstance(points, Mapping):
        frame = _columns(points)
    else:
        frame = points if isinstance(points, pd.DataFrame) else pd.DataFrame(list(points))
    if "run" not in frame:
        frame = frame.assign(run=[f"point-{i}" for i in range(1, len(frame) + 1)])
    return Runs.from_frame(frame, name="points", units=True)


def _columns(point: Mapping[str, Any]) -> pd.DataFrame:
    """One point, or as many as its arrays are long."""
    lengths = {name: len(value) for name, value in point.items() if np.ndim(value) == 1}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BayescaleError(f"points: arrays of one length are needed, not of {sizes}")
    return pd.DataFrame(point, index=None if lengths else [0])
