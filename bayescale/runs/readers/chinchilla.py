"""The package chinchilla: `df.csv` of a project, or its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bayescale.runs.readers._files import read_table
from bayescale.runs.readers._record import Record

HEADERS: Mapping[str, str] = {"params": "N", "tokens": "D", "flops": "C", "loss": "loss"}


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """A run a line; the package names none, so they are counted."""
    if path.is_dir():
        path = path / "df.csv"
    _, rows = read_table(path, tuple(headers[column] for column in ("params", "tokens")))
    for count, cells in enumerate(rows, start=1):
        yield Record(f"row-{count}", cells)
