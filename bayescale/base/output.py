"""What the command line prints: tables and notes for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bayescale.base.errors import BayescaleError
from bayescale.base.files import write_whole
from bayescale.base.notes import Note
from bayescale.base.tables import Table, as_csv, layout, wrapped
from bayescale.base.text import escaped


@dataclass
class _StandardError:
    """What a command writes to standard error.

    Attributes
    ----------
    quiet : bool
        Leave out progress, remarks and notes of level `info`.
    printed : set of Note, or None
        Notes that are not to be printed again; None outside a command, where all are.
    """

    quiet: bool = False
    printed: set[Note] | None = None


_current = _StandardError()


@contextmanager
def standard_error(*, quiet: bool = False) -> Iterator[None]:
    """Print each note once until the block ends; with `quiet`, warnings and failures alone."""
    global _current  # noqa: PLW0603 - standard error is the process's too
    before, _current = _current, _StandardError(quiet, set())
    try:
        yield
    finally:
        _current = before


def is_quiet() -> bool:
    """Whether progress and remarks are left out."""
    return _current.quiet


def print_json(content: Mapping[str, Any]) -> None:
    """One object on standard output; infinite and undefined numbers are null."""
    sys.stdout.write(as_json(content))


def as_json(content: Mapping[str, Any]) -> str:
    """One object as text; infinite and undefined numbers are null."""
    return json.dumps(_finite(content), indent=2) + "\n"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """One object in a file, written whole or not at all.

    Raises
    ------
    BayescaleError
        If the file cannot be written.
    """
    try:
        write_whole(path, as_json(content))
    except OSError as error:
        raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path) -> dict[str, Any]:
    """One object from a file.

    Raises
    ------
    BayescaleError
        If the file is not there or holds no object.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BayescaleError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(content, dict):
        raise BayescaleError(f"{path}: holds a {type(content).__name__}, not an object")
    return content


def print_table(table: Table) -> None:
    """A table on standard output, as wide as a terminal has room for."""
    console = Console()
    for line in layout(table, _width(console)):
        console.print(line, soft_wrap=True)


def print_csv(tables: Iterable[Table]) -> None:
    """Tables as CSV on standard output, an empty line between two."""
    sys.stdout.write("\n".join(as_csv(table) for table in tables))


def print_line(text: str) -> None:
    """A sentence on standard output."""
    for line in wrapped(escaped(text), _width(Console())):
        sys.stdout.write(line + "\n")


def say(text: str) -> None:
    """A remark on standard error, left out where quiet is wanted."""
    if not _current.quiet:
        _to_stderr(text)


def print_notes(notes: Iterable[Note]) -> None:
    """Notes on standard error, one a line."""
    for note in notes:
        if note.level == "info" and _current.quiet:
            continue
        if _current.printed is not None:
            if note in _current.printed:
                continue
            _current.printed.add(note)
        _to_stderr(str(note))


def _to_stderr(text: str) -> None:
    for line in wrapped(escaped(text), _width(Console(stderr=True))):
        sys.stderr.write(line + "\n")


def _width(console: Console) -> int | None:
    """Columns of a terminal; elsewhere no line is too long."""
    return console.width if console.file.isatty() else None
