"""The package simple-scaling-laws: records of evaluations, several a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers._files import read_table
from bayescale.runs.readers._record import Record

# Its columns begin so; the rest of each name is the user's own.
HEADERS: Mapping[str, str] = {
    "run": "training_run_id",
    "params": "model_size__",
    "tokens": "dataset_size__",
    "loss": "test_loss__",
}


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """A run with the mean loss over its evaluations.

    Raises
    ------
    BayescaleError
        If a run has several sizes, or a column cannot be told.
    """
    header, rows = read_table(path, (headers["run"],))
    response = "loss" if "loss" in headers else "perplexity"
    names = {c: _complete(path, header, c, headers[c]) for c in ("params", "tokens", response)}
    runs: dict[str, list[dict[str, str]]] = {}
    for cells in rows:
        runs.setdefault(cells[headers["run"]], []).append(cells)
    for run, evaluations in runs.items():
        for column in ("params", "tokens"):
            if len({cells[names[column]] for cells in evaluations}) > 1:
                raise BayescaleError(f"{path}: run {run!r} has several sizes; one run has one")
        texts = [cells[names[response]] for cells in evaluations if cells[names[response]].strip()]
        blank = len(evaluations) - len(texts)
        values = {headers[column]: evaluations[0][name] for column, name in names.items()}
        if texts:
            values[headers[response]] = str(_mean(texts, f"{path}: run {run}: {names[response]}"))
        yield Record(
            run,
            {**evaluations[0], **values},
            unused={f"an evaluation without {names[response]}": blank} if blank and texts else {},
        )


def _mean(texts: Sequence[str], where: str) -> float:
    """The mean; not a finite number where one evaluation is none."""
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise BayescaleError(f"{where}: {error}; correct it, or leave it blank") from error
    return fmean(values) if all(map(math.isfinite, values)) else math.nan


def _complete(path: Path, header: Sequence[str], column: str, start: str) -> str:
    """The one column that begins so, or is called so."""
    if start in header:
        return start
    candidates = [name for name in header if name.startswith(start)]
    if len(candidates) != 1:
        listed = ", ".join(candidates) or "none"
        raise BayescaleError(
            f"{path}: one column {start}* is needed, there is {listed}; "
            f"choose with --column {column}=NAME"
        )
    return candidates[0]
