"""Points of a prediction: what a caller may give, and whether a fit can take it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bayescale.base.bundled import unknown
from bayescale.runs.table import Runs

type Points = Runs | pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def check_groups(names: Iterable[str], known: Collection[str]) -> None:
    """Raise a `BayescaleError` if a name is not among the known groups."""
    for name in names:
        if name not in known:
            raise unknown("group", name, [*known] or ["none, for this fit"])


def as_points(points: Points) -> Runs:
    """Points of a prediction as checked `Runs`, named point-1, point-2, ... where unnamed."""
    if isinstance(points, Runs):
        return points
    if isinstance(points, Mapping):
        points = [points]
    frame = points if isinstance(points, pd.DataFrame) else pd.DataFrame(list(points))
    if "run" not in frame:
        frame = frame.assign(run=[f"point-{i}" for i in range(1, len(frame) + 1)])
    return Runs.from_frame(frame, name="points")
