"""The package chinchilla: `df.csv` of a project, or its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bayescale.runs.readers.found import Found, has_response, pick, read_table

NAMES: Mapping[str, str] = {"params": "N", "tokens": "D", "flops": "C", "loss": "loss"}


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """A row a line; the package names none, so they are counted."""
    names = {**NAMES, **columns}
    if path.is_dir():
        path = path / "df.csv"
    _, rows = read_table(path, tuple(names[column] for column in ("params", "tokens", "loss")))
    found = Found()
    for count, cells in enumerate(rows, start=1):
        row = pick(cells, names, f"{path}: row {count}")
        if has_response(row):
            found.rows.append({"run": f"row-{count}", **row})
        else:
            found.left_out[f"no {names['loss']}"] += 1
    return found
