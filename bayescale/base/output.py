"""What the command line prints: tables and notes for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bayescale.base.errors import BayescaleError


def print_json(content: Mapping[str, Any]) -> None:
    """One object on standard output; infinite and undefined numbers are null."""
    sys.stdout.write(as_json(content))


def as_json(content: Mapping[str, Any]) -> str:
    """One object as text; infinite and undefined numbers are null."""
    return json.dumps(_finite(content), indent=2) + "\n"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """One object in a file.

    Raises
    ------
    BayescaleError
        If the file cannot be written.
    """
    try:
        path.write_text(as_json(content), "utf-8")
    except OSError as error:
        raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and (not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value


def read_json(path: Path) -> dict[str, Any]:
    """One object from a file.

    Raises
    ------
    BayescaleError
        If the file is not there or holds no object.
    """
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BayescaleError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(said, dict):
        raise BayescaleError(f"{path}: holds a {type(said).__name__}, not an object")
    return said


def print_table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Rows as a table on standard output, never cut where that is no terminal."""
    if not rows:
        return
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 400)
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name in rows[0]:
        numeric = any(isinstance(row[name], int | float) for row in rows)
        table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row.values()))
    console.print(table)


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def say(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(text + "\n")


def print_notes(notes: Iterable[Any]) -> None:
    """Notes on standard error, one a line."""
    for note in notes:
        say(str(note))
