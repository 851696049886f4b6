"""Readers of curves: what other tools write, as a long table under their own names or ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.runs.curves.readers.trainer import read_trainer
from bayescale.runs.curves.readers.wandb import is_chart, read_chart


def read_frame(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table of curves from a file: JSON of a Trainer, a chart of W&B, or any CSV.

    Raises
    ------
    BayescaleError
        If it cannot be read.
    """
    if path.is_dir() and (path / "trainer_state.json").is_file():
        path = path / "trainer_state.json"
    if path.suffix == ".json":
        return read_trainer(path, columns)
    try:
        frame = pd.read_csv(path, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise BayescaleError(f"{path}: not a readable .csv table: {error}") from error
    return read_chart(frame) if is_chart(frame) else frame
