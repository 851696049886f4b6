"""Found: the rows that a reader found, what the user states besides, and what is left out."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.runs.table import QUANTITIES

RESPONSES = ("loss", "bpc", "bpb")
COLUMNS = ("params", "tokens", "flops", "step", *RESPONSES)  # what a file may call otherwise


@dataclass
class Found:
    """Rows in canonical columns, and the reasons for which others were left out, counted."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def reasons(self) -> list[str]:
        """One text a reason: how many, and why."""
        return [f"{count} left out: {reason}" for reason, count in self.left_out.items()]


@dataclass(frozen=True)
class Stated:
    """What only the user knows of the runs in a file.

    Attributes
    ----------
    run : str or None
        The run's name, instead of the file's; with several runs, put before theirs.
    params, tokens : float or None
        Of every run in the files.
    tokens_per_step : float or None
        Tokens of an optimizer step, where the file counts steps.
    columns : mapping
        Canonical name to the file's own.
    """

    run: str | None = None
    params: float | None = None
    tokens: float | None = None
    tokens_per_step: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def finished(found: Found, stated: Stated) -> Found:
    """The rows with what the user states, without those that no table of runs would take.

    Raises
    ------
    BayescaleError
        If the user states what the file says otherwise.
    """
    rows, left_out = [], Counter(found.left_out)
    names: set[str] = set()
    for read in found.rows:
        row = dict(read)
        if stated.run is not None:
            row["run"] = stated.run if len(found.rows) == 1 else f"{stated.run}-{row['run']}"
        _state(row, stated)
        reason = _unfit(row, names)
        if reason is None:
            names.add(row["run"])
            rows.append(row)
        else:
            left_out[reason] += 1
    return Found(rows, left_out)


def _state(row: dict[str, Any], stated: Stated) -> None:
    step = row.get("step")
    tokens = stated.tokens
    if tokens is None and stated.tokens_per_step is not None and step is not None:
        tokens = stated.tokens_per_step * step
    for column, value in (("params", stated.params), ("tokens", tokens)):
        there = row.get(column)
        if value is None:
            continue
        if there is not None and not math.isclose(there, value, rel_tol=1e-9):
            raise BayescaleError(
                f"run {row['run']}: the file says {column}={there:g}, not {value:g}; "
                "leave out the option"
            )
        row[column] = value


def _unfit(row: Mapping[str, Any], names: set[str]) -> str | None:
    """Why a row cannot be a run."""
    if row.get("params") is None:
        return "no parameter count in the file (give --params, or --column params=NAME)"
    if row.get("tokens") is None:
        return (
            "no token count in the file "
            "(give --tokens, --tokens-per-step where it counts steps, or --column tokens=NAME)"
        )
    for column, quantity in QUANTITIES.items():
        value = row.get(column)
        if value is not None and not quantity.low <= value <= quantity.high:
            return f"{column} outside {quantity.low:g} to {quantity.high:g} {quantity.unit}"
    return "a run of this name was read before" if row["run"] in names else None


def number(value: object, where: str) -> float | None:
    """A cell as a number, None where it is blank.

    Raises
    ------
    BayescaleError
        If it is something else.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        read = float(value)
    except ValueError as error:
        raise BayescaleError(
            f"{where}={value!r}: not a number; correct it, or leave it blank"
        ) from error
    return read


def pick(cells: Mapping[str, object], names: Mapping[str, str], where: str) -> dict[str, Any]:
    """The numbers under these names, by canonical name, as far as they are there."""
    found = {column: number(cells.get(name), f"{where}: {name}") for column, name in names.items()}
    return {column: value for column, value in found.items() if value is not None}


def has_response(row: Mapping[str, Any]) -> bool:
    """Whether a row says what was reached; a loss that diverged is none."""
    return any(row.get(name) is not None and math.isfinite(row[name]) for name in RESPONSES)


def read_table(path: Path, needed: tuple[str, ...] = ()) -> tuple[list[str], list[dict[str, str]]]:
    """Header and rows of a CSV file that must have some columns.

    Raises
    ------
    BayescaleError
        If it is no such table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BayescaleError(f"{path}: not a readable .csv table: {error}") from error
    header = list(reader.fieldnames or [])
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise BayescaleError(f"{path}: two columns are {twice[0]!r}; rename one")
    for count, row in enumerate(rows, start=1):
        if None in row:  # where DictReader puts cells that have no header
            raise BayescaleError(f"{path}: row {count} has more cells than the header; correct it")
    lacking = [name for name in needed if name not in header]
    if lacking:
        has = ", ".join(header[:8]) or "none"
        raise BayescaleError(f"{path}: no column {lacking[0]!r}; its columns: {has}")
    return header, rows


def read_object(path: Path, key: str, kind: type, what: str) -> dict[str, Any]:
    """A JSON object that must have a key with a value of some kind.

    Raises
    ------
    BayescaleError
        If it is none.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BayescaleError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get(key), kind):
        raise BayescaleError(f"{path}: not {what}: no {key!r} in it")
    return content
