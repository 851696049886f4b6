"""Curves: losses along training (arXiv 2503.12811), and against examples seen (2505.23032)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd


def loss_curves(files: Mapping[str, Path]) -> pd.DataFrame:
    """27 curves of three sizes under nine schedules: step, learning rate and loss, a row a step."""
    parts = []
    for path, file in sorted(files.items(), key=lambda item: _millions(item[0])):
        size, schedule = _millions(path), Path(path).stem
        curve = pd.read_csv(file)[["step", "lr", "loss"]]
        curve.insert(0, "run", f"{size}M_{schedule}")
        curve.insert(1, "params", size * 1_000_000)
        curve.insert(2, "schedule", schedule)
        parts.append(curve)
    return pd.concat(parts, ignore_index=True)


def _millions(path: str) -> int:
    """Parameters in millions, as the folder of a curve says."""
    return int(Path(path).parent.name.removeprefix("csv_"))


def learning_curves(files: Mapping[str, Path]) -> pd.DataFrame:
    """Curves of a task and a model; `train` is 1 where a method may look."""
    (file,) = files.values()
    raw = pd.read_csv(file)
    table = raw.rename(columns={"Seen Examples": "examples", "Training": "train"})
    table.columns = table.columns.str.lower()
    curve = table["domain"] + "|" + table["task"] + "|" + table["model"]
    table.insert(0, "curve", curve)
    return table
