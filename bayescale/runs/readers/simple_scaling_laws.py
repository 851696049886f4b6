"""The package simple-scaling-laws: records of evaluations, several a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers.found import Found, has_response, pick, read_table

PREFIXES = {"params": "model_size__", "tokens": "dataset_size__", "loss": "test_loss__"}
RUN = "training_run_id"


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """A row a run: the mean loss over its evaluations."""
    header, cells = read_table(path, (RUN,))
    names = {column: _name(path, header, column) for column in PREFIXES if column not in columns}
    names |= columns
    runs: dict[str, list[dict[str, Any]]] = {}
    found = Found()
    for one in cells:
        row = pick(one, names, f"{path}: run {one[RUN]}")
        if has_response(row):
            runs.setdefault(one[RUN], []).append(row)
        else:
            found.left_out[f"no {names['loss']}"] += 1
    for run, rows in runs.items():
        sizes = [{k: v for k, v in row.items() if k != "loss"} for row in rows]
        if any(size != sizes[0] for size in sizes):
            raise BayescaleError(f"{path}: run {run!r} has several sizes; one run has one")
        found.rows.append({"run": run, **sizes[0], "loss": fmean(row["loss"] for row in rows)})
    return found


def _name(path: Path, header: Sequence[str], column: str) -> str:
    there = [name for name in header if name.startswith(PREFIXES[column])]
    if len(there) != 1:
        has = ", ".join(there) or "none"
        raise BayescaleError(
            f"{path}: one column {PREFIXES[column]}* is needed, there is {has}; "
            f"choose with --column {column}=NAME"
        )
    return there[0]
