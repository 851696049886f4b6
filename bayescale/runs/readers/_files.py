"""CSV tables and JSON objects, read or refused in one line."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError


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
        columns = ", ".join(header[:8]) or "none"
        raise BayescaleError(
            f"{path}: no column {lacking[0]!r}; its columns: {columns}; "
            f"say which it is, as in --column {lacking[0]!r}=NAME"
        )
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
    except (OSError, ValueError, RecursionError) as error:
        raise BayescaleError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get(key), kind):
        raise BayescaleError(f"{path}: not {what}: no {key!r} in it")
    return content
