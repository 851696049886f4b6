"""Epoch AI: its table of models. No loss is in it: runs to predict, not to fit.

Its sizes of data sets are unique tokens for some models and words or images for others; the
compute that it states tells which to doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bayescale.runs.readers._files import read_table
from bayescale.runs.readers._record import Record

HEADERS: Mapping[str, str] = {
    "run": "Model",
    "lab": "Organization",
    "params": "Parameters",
    "tokens": "Training dataset size",
    "flops": "Training compute (FLOP)",
}


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """A run a model."""
    _, rows = read_table(path, tuple(headers[column] for column in ("run", "params", "tokens")))
    for count, cells in enumerate(rows, start=1):
        yield Record(f"row-{count}", cells)
