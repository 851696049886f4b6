"""Readers of curves: what other tools write, as a long table under their own names or ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.runs.curves.readers._entries import Log, curves_of
from bayescale.runs.curves.readers.mlflow import is_store, read_mlflow
from bayescale.runs.curves.readers.tensorboard import event_files, read_tensorboard
from bayescale.runs.curves.readers.trainer import read_trainer
from bayescale.runs.curves.readers.wandb import is_chart, read_chart
from bayescale.runs.curves.readers.wandb_offline import SUFFIX, read_offline


def read_frame(path: Path, columns: Mapping[str, str]) -> tuple[pd.DataFrame, list[Note]]:
    """A table of curves from a file or folder, and notes on what is not in it.

    A Trainer's JSON, an offline file or an exported chart of W&B, TensorBoard's events, a tracking
    store of MLflow, or any CSV.

    Raises
    ------
    BayescaleError
        If it cannot be read.
    """
    logs = _logs(path)
    if logs is not None:
        return curves_of(path, logs, columns)
    try:
        frame = pd.read_csv(path, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise BayescaleError(f"{path}: not a readable .csv table: {error}") from error
    return (read_chart(frame) if is_chart(frame) else frame), []


def _logs(path: Path) -> list[Log] | None:
    """What runs logged, or None of a table."""
    if path.is_dir():
        own = [path / "trainer_state.json", *sorted(path.glob(f"*{SUFFIX}"))]
        path = next((file for file in own if file.is_file()), path)
    if path.suffix == ".json":
        return read_trainer(path)
    if path.suffix == SUFFIX:
        return read_offline(path)
    if path.exists() and (files := event_files(path)):
        return read_tensorboard(path, files)
    return read_mlflow(path) if path.exists() and is_store(path) else None
