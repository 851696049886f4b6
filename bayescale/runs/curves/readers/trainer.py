"""Hugging Face Trainer: the log history in `trainer_state.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers._files import read_object


def read_trainer(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The losses of one run, each with the learning rate that was logged last.

    The losses are those of the evaluations where there are five, else those of training.
    `columns` may name another entry, as in `loss` to `eval_c4_loss`.

    Raises
    ------
    BayescaleError
        If no such loss was logged.
    """
    state = read_object(path, "log_history", list, "a trainer_state.json")
    entries = [entry for entry in state["log_history"] if isinstance(entry, dict)]
    name = columns.get("loss")
    if name is None:
        evaluations = sum("eval_loss" in entry for entry in entries)
        name = "eval_loss" if evaluations >= 5 else "loss"
    rate = None
    rows = []
    for entry in entries:
        rate = entry.get("learning_rate", rate)
        if name in entry and "step" in entry:
            rows.append({"step": entry["step"], name: entry[name], "learning_rate": rate})
    if not rows:
        raise BayescaleError(
            f"{path}: no {name!r} was logged; log while training (logging_steps), or name "
            "another: --column loss=NAME"
        )
    folder = path.resolve().parent
    if folder.name.startswith("checkpoint-"):
        folder = folder.parent
    frame = pd.DataFrame(rows).assign(run=folder.name)
    if frame["learning_rate"].isna().all():
        frame = frame.drop(columns="learning_rate")
    else:
        frame["learning_rate"] = frame["learning_rate"].bfill()
    return frame if "loss" in columns else frame.rename(columns={name: "loss"})
