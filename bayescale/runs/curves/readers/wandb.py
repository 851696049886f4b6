"""Weights & Biases: the CSV export of a chart, a column for each run."""

from __future__ import annotations

import pandas as pd

# Bounds that the export has beside each line.
_BOUNDS = ("__MIN", "__MAX")
_DASH = " - "


def is_chart(frame: pd.DataFrame) -> bool:
    """Whether a table is an exported chart: its first column is the x axis, each other a run's."""
    rest = [str(column) for column in frame.columns[1:]]
    return bool(rest) and all(_DASH in column for column in rest)


def read_chart(frame: pd.DataFrame) -> pd.DataFrame:
    """A long table of a chart's lines: run, step, loss.

    The x axis is taken for steps, unless its header names tokens or examples.
    """
    across = str(frame.columns[0])
    unit = next((u for u in ("tokens", "examples") if u in across.lower()), "step")
    parts = []
    for column in frame.columns[1:]:
        name = str(column)
        if name.endswith(_BOUNDS):
            continue
        line = frame[[frame.columns[0], column]].dropna()
        line.columns = pd.Index([unit, "loss"])
        parts.append(line.assign(run=name.rpartition(_DASH)[0]))
    return pd.concat(parts, ignore_index=True)
