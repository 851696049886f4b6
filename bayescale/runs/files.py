"""Files: tables as people keep them, read as they stand."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Collection
from importlib.resources import as_file
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.base.need import need
from bayescale.runs.check import header_problem
from bayescale.runs.sources import read
from bayescale.runs.sources.registry import sources

STDIN = "-"
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_DIGITS = 40


def read_file(source: str | Path, text: Collection[str]) -> pd.DataFrame:
    """A table from its name, a path, or `-` for standard input.

    Parameters
    ----------
    source : str or Path
    text : collection of str
        Headers of the columns that are text whatever they look like: a family may be "007".

    Raises
    ------
    BayescaleError
        If there is no such table, it was not fetched yet, or it cannot be read.
    """
    name = str(source)
    if name == STDIN:
        return _parse(sys.stdin.buffer.read(), "", "standard input", text)
    if name in sources():
        if not sources()[name].is_bundled:
            return read(sources()[name])
        with as_file(bundled.tables()[name]) as path:
            return _parse(path.read_bytes(), path.suffix, name, text)
    path = Path(source)
    suffix = path.suffix.lower()
    try:
        if not path.is_file():
            if path.suffix:
                raise BayescaleError(f"{name}: no such file")
            raise bundled.unknown("table", name, list(sources()))
        content = path.read_bytes()
        if suffix == ".gz":
            suffix = Path(path.stem).suffix.lower()
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise BayescaleError(f"{name}: cannot be read: {error}") from error
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise BayescaleError(f"{name}: unknown format {suffix!r}; use one of {known}, or .gz")
    return _parse(content, suffix, name, text)


def _parse(content: bytes, suffix: str, name: str, text: Collection[str]) -> pd.DataFrame:
    try:
        return _READERS[suffix or _guessed(content)](content, text)
    except (ValueError, csv.Error) as error:  # parsers raise subclasses of ValueError
        reason = (str(error).splitlines() or ["empty"])[0]
        raise BayescaleError(
            f"{name}: not a readable {suffix or 'text'} table: {reason}"
        ) from error


def _guessed(content: bytes) -> str:
    """The format of what has no name."""
    start = content[:10_000].lstrip(b"\xef\xbb\xbf \r\n\t")
    if start[:1] in (b"{", b"["):
        return ".jsonl" if start[:1] == b"{" else ".json"
    header = start.partition(b"\n")[0]
    return ".tsv" if b"\t" in header and b"," not in header else ".csv"


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("its text is not UTF-8; save it as UTF-8") from error


def _csv(content: bytes, text: Collection[str], separator: str = ",") -> pd.DataFrame:
    decoded = _decoded(content)
    rows = (row for row in csv.reader(io.StringIO(decoded), delimiter=separator) if row)
    header = next(rows, [])
    if len(header) == 1:
        for other, what in _SEPARATORS.items():
            if other in header[0] and other != separator:
                raise ValueError(
                    f"its cells seem to be separated by {what}, not {_SEPARATORS[separator]}; "
                    "save it with commas as .csv, or with tabs as .tsv"
                )
    problem = header_problem(header)  # before pandas renames what stands there twice
    if problem is not None:
        raise ValueError(problem)
    for number, row in enumerate(rows, start=1):
        if any(row[len(header) :]):
            raise ValueError(
                f"row {number} has {len(row)} cells, the header {len(header)}; quote a cell that "
                "holds a separator, and write decimals with a point: 2.31, not 2,31"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of rows that end in a separator
        return pd.read_csv(
            io.StringIO(decoded),
            sep=separator,
            dtype=dict.fromkeys(text, str),
            index_col=False,
            low_memory=False,
        )


def _tsv(content: bytes, text: Collection[str]) -> pd.DataFrame:
    return _csv(content, text, "\t")


def _jsonl(content: bytes, _: Collection[str]) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(_decoded(content).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = _json_value(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number}: every line must be an object")
        rows.append(row)
    return pd.DataFrame(rows)


def _json(content: bytes, _: Collection[str]) -> pd.DataFrame:
    """A list of rows, or an object of columns, as `DataFrame.to_json` writes it."""
    table = _json_value(_decoded(content))
    if isinstance(table, list) and all(isinstance(row, dict) for row in table):
        return pd.DataFrame(table)
    if isinstance(table, dict) and all(isinstance(cells, list | dict) for cells in table.values()):
        return pd.DataFrame(table)
    raise ValueError("write a list of objects, a row each, or an object of columns")


def _json_value(text: str) -> Any:
    """JSON whose keys differ and whose numbers and nesting are bounded."""

    def whole(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"a number of {len(digits)} digits; at most {_MOST_DIGITS}")
        return int(digits)

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two values of {twice!r} in one object; rename one")
        return row

    try:
        return json.loads(text, parse_int=whole, object_pairs_hook=object_of)
    except RecursionError as error:
        raise ValueError("brackets nest too deeply") from error


def _parquet(content: bytes, _: Collection[str]) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content))


def _xlsx(content: bytes, _: Collection[str]) -> pd.DataFrame:
    """The first sheet, its first row the header."""
    need("openpyxl", extra="excel", purpose="reading .xlsx")
    try:
        sheet = pd.read_excel(io.BytesIO(content), header=None, dtype=object, engine="openpyxl")
    except (KeyError, OSError, EOFError, zlib.error, BadZipFile) as error:
        raise ValueError(f"not a workbook: {error}") from error
    if sheet.empty:
        return pd.DataFrame()
    return sheet.iloc[1:].set_axis(sheet.iloc[0].tolist(), axis="columns").infer_objects()


_READERS: dict[str, Callable[[bytes, Collection[str]], pd.DataFrame]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".xlsx": _xlsx,
}
