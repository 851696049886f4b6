"""What a run logged, entry by entry, as rows of a curve. The one rule of all readers of logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note, listed

# Names that the Hugging Face Trainer and its trackers give, the evaluation's loss first.
_EVALUATED = ("eval_loss", "eval/loss")
_TRAINED = ("loss", "train/loss", "train_loss")
_RATES = ("learning_rate", "train/learning_rate", "lr")
# So many evaluations make a curve; with fewer the training loss does.
_ENOUGH = 5


@dataclass(frozen=True)
class Log:
    """What one run logged.

    Attributes
    ----------
    run : str
    entries : list of dict
        In the order of logging: `step`, and each metric by its name.
    """

    run: str
    entries: list[dict[str, Any]]


def curves_of(
    path: Path, logs: Iterable[Log], columns: Mapping[str, str]
) -> tuple[pd.DataFrame, list[Note]]:
    """The losses of runs, each with the learning rate that was logged last: a long table.

    The losses are those of the evaluations where there are five, else those of training.
    `columns` may name another metric, as in `loss` to `eval_c4_loss`.

    Raises
    ------
    BayescaleError
        If no run logged such a loss.
    """
    logs = list(logs)
    frames = {log.run: _curve(log, columns.get("loss")) for log in logs}
    found = [frame for frame in frames.values() if frame is not None]
    metrics = sorted({name for log in logs for entry in log.entries for name in entry} - {"step"})
    if not found:
        raise BayescaleError(
            f"{path}: no {columns.get('loss', 'loss')!r} was logged, but "
            f"{', '.join(metrics[:8]) or 'nothing'}; log while training (logging_steps), or name "
            "another: --column loss=NAME"
        )
    without = [run for run, frame in frames.items() if frame is None]
    return pd.concat(found, ignore_index=True), _left_out(without)


def _curve(log: Log, loss: str | None) -> pd.DataFrame | None:
    name = loss or _loss_of(log)
    rate, rows = None, []
    for entry in log.entries:
        rate = next((entry[each] for each in _RATES if each in entry), rate)
        if name in entry and "step" in entry:
            rows.append({"step": entry["step"], name: entry[name], "learning_rate": rate})
    if not rows:
        return None
    frame = pd.DataFrame(rows).assign(run=log.run)
    if frame["learning_rate"].isna().all():
        frame = frame.drop(columns="learning_rate")
    else:
        frame["learning_rate"] = frame["learning_rate"].bfill()
    return frame if loss else frame.rename(columns={name: "loss"})


def _loss_of(log: Log) -> str:
    for name in _EVALUATED:
        if sum(name in entry for entry in log.entries) >= _ENOUGH:
            return name
    logged = {name for entry in log.entries for name in entry}
    return next((name for name in (*_TRAINED, *_EVALUATED) if name in logged), _TRAINED[0])


def _left_out(runs: list[str]) -> list[Note]:
    if not runs:
        return []
    return [
        Note(
            "curves-left-out",
            "info",
            f"{len(runs)} runs logged no such loss and are left out: {listed(runs, 3)}",
            "name another loss: --column loss=NAME",
        )
    ]
