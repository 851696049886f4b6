"""Epoch AI: its table of models. No loss is in it: runs to predict, not to fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bayescale.runs.readers.found import Found, pick, read_table

NAMES: Mapping[str, str] = {
    "params": "Parameters",
    "tokens": "Training dataset size",
    "flops": "Training compute (FLOP)",
}


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """A row a model whose parameters and data are published."""
    names = {**NAMES, **columns}
    _, rows = read_table(path, ("Model", names["params"], names["tokens"]))
    found = Found()
    for cells in rows:
        row = pick(cells, names, f"{path}: {cells['Model']}")
        lacking = [names[column] for column in ("params", "tokens") if column not in row]
        if lacking:
            found.left_out[f"no {lacking[0]}"] += 1
        else:
            lab = cells.get("Organization") or None
            found.rows.append({"run": cells["Model"], "lab": lab, **row})
    return found
