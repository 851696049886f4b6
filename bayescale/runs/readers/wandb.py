"""Weights & Biases: a CSV export of the runs' table, or of one chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers.found import Found, has_response, number, pick, read_table

# What the Hugging Face Trainer logs there; a run with names of its own takes --column.
NAMES: Mapping[str, str] = {
    "params": "model/num_parameters",
    "tokens": "train/num_input_tokens_seen",
    "step": "train/global_step",
    "flops": "train/total_flos",
    "loss": "eval/loss",
}


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """A row a finished run: of the runs' table, or the last point of each line of a chart.

    Raises
    ------
    BayescaleError
        If it is neither.
    """
    header, rows = read_table(path)
    names = {**NAMES, **columns}
    if "Name" in header:
        return _runs(path, rows, names, header, columns)
    if any(f" - {names['loss']}" in column for column in header[1:]):
        return _chart(path, header, rows, names["loss"])
    raise BayescaleError(
        f"{path}: neither a table of runs (it has a column 'Name') nor a chart of {names['loss']}; "
        "name the loss, as in --column loss=NAME"
    )


def _runs(
    path: Path,
    rows: Sequence[Mapping[str, str]],
    names: Mapping[str, str],
    header: Sequence[str],
    asked: Mapping[str, str],
) -> Found:
    lacking = [name for name in asked.values() if name not in header]
    if lacking:
        raise BayescaleError(f"{path}: no column {lacking[0]!r}; see its first line")
    found = Found()
    for cells in rows:
        row = pick(cells, names, f"{path}: run {cells['Name']}")
        if cells.get("State", "finished") != "finished":
            found.left_out[f"a run that is {cells['State']}"] += 1
        elif not has_response(row):
            found.left_out[f"no {names['loss']}"] += 1
        else:
            found.rows.append({"run": cells["Name"], **row})
    return found


def _chart(
    path: Path, header: Sequence[str], rows: Sequence[Mapping[str, str]], loss: str
) -> Found:
    found = Found()
    for column in header[1:]:
        run, dash, metric = column.rpartition(" - ")
        if not dash or metric != loss:  # the others are its bounds, NAME__MIN and NAME__MAX
            continue
        points = [
            {"step": number(cells[header[0]], f"{path}: {header[0]}"), "loss": value}
            for cells in rows
            if (value := number(cells[column], f"{path}: {column}")) is not None
        ]
        points = [point for point in points if has_response(point)]
        if not points:
            found.left_out[f"no {loss}"] += 1
            continue
        found.rows.append({"run": run, **points[-1]})
        if len(points) > 1:
            found.left_out["a point before a run's last"] += len(points) - 1
    return found
