"""Results of other tools, read as rows of a table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import listed
from bayescale.runs.columns import groups
from bayescale.runs.notes import table_notes
from bayescale.runs.readers import reader_of
from bayescale.runs.readers._record import Record
from bayescale.runs.readers._rows import COLUMNS, Reading, ReadOptions, Results
from bayescale.runs.table import Runs

__all__ = ["COLUMNS", "ReadOptions", "Results", "read_results"]


def read_results(kind: str, paths: Sequence[Path], options: ReadOptions) -> Results:
    """Rows of runs from files of another tool, each checked as a table of runs would.

    Parameters
    ----------
    kind : str
        One of `readers.FORMATS`.
    paths : sequence of Path
    options : ReadOptions

    Raises
    ------
    BayescaleError
        If a file cannot be read as this kind, has no column that the user names, or no row is
        left.
    """
    reader = reader_of(kind)
    chosen = _chosen(reader.headers, options.columns)
    defaults = dict(reader.headers)
    if "perplexity" in chosen:
        defaults.pop("loss", None)
    headers = {**defaults, **chosen}
    _check_values(options.values)
    records: list[tuple[Path, Record]] = []
    for path in paths:
        if not path.exists():
            raise BayescaleError(f"{path}: no such file")
        of_path = list(reader.read(path, headers))
        _check_columns(path, of_path, chosen)
        records += [(path, record) for record in of_path]
    results = Reading(headers, options, len(records)).of(records)
    if not results.rows:
        why = "; ".join(results.reasons()) or "the file holds none"
        raise BayescaleError(f"{paths[0]}: no run to read: {why}")
    runs = Runs.from_frame(pd.DataFrame(results.rows), name=str(paths[0]))
    results.notes += table_notes(runs, columns=headers)
    return results


def _chosen(defaults: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str]:
    """The user's names by column; he may call a column what the format calls it."""
    canonical = {header.casefold(): column for column, header in defaults.items()}
    chosen: dict[str, str] = {}
    for name, header in columns.items():
        column = name if name in COLUMNS else canonical.get(name.casefold())
        if column is None:
            raise BayescaleError(
                f"--column {name}={header}: no run has a {name!r}; map one of "
                f"{', '.join(COLUMNS)}, or what the format calls it: {', '.join(defaults.values())}"
            )
        if column in chosen:
            raise BayescaleError(
                f"--column {name}={header}: {column} is {chosen[column]!r} already; map it once"
            )
        chosen[column] = header
    if {"loss", "perplexity"} <= set(chosen):
        raise BayescaleError(
            "--column: both loss and perplexity are mapped, and a perplexity is read as the loss "
            "that is its logarithm; map one"
        )
    return chosen


def _check_columns(path: Path, records: Sequence[Record], chosen: Mapping[str, str]) -> None:
    """Refuse a name of the user's that stands nowhere in the file."""
    stated = dict.fromkeys(name for record in records for name in record.cells)
    for column, header in chosen.items():
        if records and header not in stated:
            raise BayescaleError(
                f"{path}: no column {header!r} for {column}; it has {listed(stated, most=12)}"
            )


def _check_values(values: Mapping[str, float | str]) -> None:
    """Refuse to set what is no column, or text where a number is due."""
    known = [column for column in COLUMNS if column not in ("run", "perplexity")]
    for column, value in values.items():
        if column not in known:
            raise BayescaleError(
                f"--set {column}={value}: no such column; set one of {', '.join(known)}"
            )
        if column not in groups() and not isinstance(value, float | int):
            raise BayescaleError(f"--set {column}={value}: not a number; write it like 70e9 or 70B")
