"""Points of a prediction, from the command line or a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import parse_number
from bayescale.runs.columns import of_kind
from bayescale.runs.table import Runs

type Points = Runs | pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]

_MOST = 100_000


def read_points(texts: Sequence[str], file: str | None, groups: Collection[str]) -> Runs:
    """Points written as `params=70e9,tokens=15T,family=Llama-3`, and those of a file.

    `low:high:count` in place of a size makes a grid, evenly spaced in logs.

    Raises
    ------
    BayescaleError
        If a text or the file is not what it should be, or there is no point at all.
    """
    if file is not None and texts:
        raise BayescaleError("give points with --at or in a file with --points, not both")
    if file is not None:
        return Runs.read(file)
    if not texts:
        raise BayescaleError("no point given; add --at params=70e9,tokens=15e12")
    rows = [row for text in texts for row in _rows(text, groups)]
    if len(rows) > _MOST:
        raise BayescaleError(f"{len(rows)} points; at most {_MOST} at a time")
    return as_points(pd.DataFrame(rows))


def check_groups(names: Iterable[str], known: Collection[str]) -> None:
    """Raise a `BayescaleError` if a name is not among the known groups."""
    for name in names:
        if name not in known:
            raise unknown("group", name, [*known] or ["none, for this fit"])


def _rows(text: str, groups: Collection[str]) -> list[dict[str, Any]]:
    inputs = of_kind("input")
    choices: dict[str, list[Any]] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise BayescaleError(
                f"--at {text!r}: {part!r} is not NAME=VALUE; write params=70e9,tokens=15e12"
            )
        if name in choices:
            raise BayescaleError(f"--at {text!r}: {name} is given twice")
        if name in inputs:
            choices[name] = _sizes(value, name)
        elif name == "run" or name in groups:
            choices[name] = [value]
        else:
            raise unknown("--at: name", name, [*inputs, "run", *groups])
    for name in ("params", "tokens"):
        if name not in choices:
            raise BayescaleError(f"--at {text!r}: no {name}; write params=70e9,tokens=15e12")
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def _sizes(text: str, name: str) -> list[float]:
    parts = text.split(":")
    if len(parts) == 1:
        return [parse_number(text, name)]
    if len(parts) != 3 or not parts[2].isdigit() or not 2 <= int(parts[2]) <= _MOST:
        raise BayescaleError(f"{name}={text!r}: write a grid as LOW:HIGH:COUNT, as in 1e9:1e12:7")
    low, high = parse_number(parts[0], name), parse_number(parts[1], name)
    if not 0 < low < high:
        raise BayescaleError(f"{name}={text!r}: a grid needs 0 < LOW < HIGH")
    return [float(value) for value in np.geomspace(low, high, int(parts[2]))]


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
