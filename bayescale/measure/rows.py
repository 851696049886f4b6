"""Rows: add one to a runs file, whole or not at all."""

from __future__ import annotations

import csv
import io
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.base.files import write_whole


def append_row(path: Path, row: Mapping[str, object]) -> bool:
    """Add a row to a CSV file of runs; the file is replaced in one step, or left as it was.

    A file that is not there is made. A column that it lacks is added, blank in the rows above;
    None and NaN are written as blanks. Appending the same row again changes nothing, so that
    whoever was killed between a row and its own record of it may do it over.

    Parameters
    ----------
    path : Path
        A `.csv` file.
    row : mapping
        Column to value; `run` is its name.

    Returns
    -------
    bool
        Whether the row was new.

    Raises
    ------
    BayescaleError
        If another row has this name, or the file is no CSV table or cannot be written.
    """
    cells = {column: _cell(value) for column, value in row.items()}
    try:
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.resolve().parent):
            header, rows = _read(path)
            for number, written in enumerate(rows, start=1):
                if written.get("run") != cells["run"]:
                    continue
                differing = [c for c in cells if written.get(c, "") != cells[c]]
                if not differing:
                    return False
                raise BayescaleError(
                    f"{path}: row {number} is already a run {cells['run']!r}, with another "
                    f"{differing[0]} ({written.get(differing[0], '') or 'blank'}, not "
                    f"{cells[differing[0]] or 'blank'}); give this run another name, or delete "
                    "that row"
                )
            _replace(path.resolve(), list(dict.fromkeys([*header, *cells])), [*rows, cells])
    except OSError as error:
        raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error
    return True


def has_run(path: Path, run: str) -> bool:
    """Whether a CSV file of runs, which need not be there, holds a run of this name.

    Raises
    ------
    BayescaleError
        If the file is no CSV table.
    """
    return any(row.get("run") == run for row in _read(path)[1])


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Header and rows, each cell as it is written; none where there is no file."""
    if path.suffix.lower() != ".csv":
        raise BayescaleError(f"{path}: rows are added to a .csv file; name one, as in runs.csv")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [line for line in csv.reader(stream, strict=True) if line]
    except FileNotFoundError:
        return [], []
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise BayescaleError(f"{path}: not a readable .csv table: {error}") from error
    if not lines:
        return [], []
    header = lines[0]
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise BayescaleError(
                f"{path}: row {number} has {len(line)} cells under {len(header)} headers; "
                "correct it"
            )
    return header, [dict(zip(header, line, strict=True)) for line in lines[1:]]


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _replace(path: Path, header: list[str], rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep out others that append in this folder: read and replace are two steps."""
    if sys.platform == "win32":  # it has no lock that ends with its process
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folder
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
