"""MLflow: the history of metrics in its tracking store, a SQLite file or the folder of before."""

from __future__ import annotations

from pathlib import Path

from bayescale.runs.curves.readers._entries import Log
from bayescale.runs.readers.mlflow import Point, histories

SUFFIXES = (".db", ".sqlite", ".sqlite3")


def is_store(path: Path) -> bool:
    """Whether a path is a tracking store: a SQLite file, or a folder with what MLflow has there."""
    if path.is_file():
        return path.suffix in SUFFIXES
    return next(path.rglob("meta.yaml"), None) is not None


def read_mlflow(path: Path) -> list[Log]:
    """The logs of the runs in a store.

    Raises
    ------
    BayescaleError
        If the path is no store.
    """
    return [
        Log(name, [{"step": p.step, p.metric: p.value} for p in sorted(points, key=_order)])
        for name, points in histories(path)
    ]


def _order(point: Point) -> tuple[int, int]:
    return point.time, point.step
