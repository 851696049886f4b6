"""Hugging Face Trainer: the log history in `trainer_state.json`."""

from __future__ import annotations

from pathlib import Path

from bayescale.runs.curves.readers._entries import Log
from bayescale.runs.readers._files import read_object


def read_trainer(path: Path) -> list[Log]:
    """The log of one run, named after its folder.

    Raises
    ------
    BayescaleError
        If the file is no `trainer_state.json`.
    """
    state = read_object(path, "log_history", list, "a trainer_state.json")
    folder = path.resolve().parent
    if folder.name.startswith("checkpoint-"):
        folder = folder.parent
    return [Log(folder.name, [entry for entry in state["log_history"] if isinstance(entry, dict)])]
