"""Tables: laid out for a reader so that no number is folded or cut, or as CSV for a program."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from bayescale.base.text import escaped

_GAP = "  "
# After what a text may be broken, and a column's name, which may be one of Python's.
_TEXT, _HEAD = re.compile(r"(?<= )"), re.compile(r"(?<=[ _])")
# A cell of up to so many columns of a terminal stays on one line: a number, an interval, a name.
_WHOLE = 32


@dataclass(frozen=True)
class Table:
    """Rows of a result.

    Attributes
    ----------
    rows : sequence of mapping
        As people read them. Text stands as it is; numbers get four significant digits.
    title : str
    values : sequence of mapping, optional
        The same for programs, every digit kept; by default `rows`.
    """

    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    values: Sequence[Mapping[str, Any]] | None = None


def layout(table: Table, width: int | None) -> Iterator[Text]:
    """Lines of a table, one row below the other.

    Where the columns do not fit, each row becomes a block with a line for each cell. Text is
    wrapped between words; a word or number wider than all there is room for overflows.

    Parameters
    ----------
    table : Table
    width : int or None
        Columns of the terminal; None for as many as it takes.
    """
    if not table.rows:
        return
    for line in wrapped(escaped(table.title), width) if table.title else ():
        yield Text(line, "italic")
    names = list(dict.fromkeys(name for row in table.rows for name in row))
    heads = [escaped(name) for name in names]
    cells = [[_shown(row.get(name)) for name in names] for row in table.rows]
    widths = _widths([heads, *cells], width)
    if widths is None:
        assert width is not None
        yield from _blocks(heads, cells, width)
        return
    right = [any(_is_number(row.get(name)) for row in table.rows) for name in names]
    broken = [_broken(_HEAD, head, width) for head, width in zip(heads, widths, strict=True)]
    for line in _row(broken, widths, right):
        yield Text(line, "bold")
    yield Text("\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (sum(widths) + len(_GAP) * (len(names) - 1)))
    for row in cells:
        lines = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        yield from map(Text, _row(lines, widths, right))
    yield Text()


def _row(
    columns: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]
) -> Iterator[str]:
    """A row's lines: as many as its longest cell takes."""
    for i in range(max(map(len, columns))):
        parts = []
        for lines, width, is_right in zip(columns, widths, right, strict=True):
            text = lines[i] if i < len(lines) else ""
            space = " " * (width - cell_len(text))
            parts.append(space + text if is_right else text + space)
        yield _GAP.join(parts).rstrip(" ")


def _blocks(names: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    """Each row as a block of lines: name and cell, side by side where both fit."""
    longest = max(map(cell_len, names))
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            start = name + " " * (longest - cell_len(name)) + _GAP
            if cell_len(start + cell) <= width:
                yield Text.assemble((start, "bold"), cell)
                continue
            yield Text(name, "bold")
            yield from (Text(_GAP + line) for line in wrapped(cell, width - len(_GAP)))
        yield Text()


def _widths(rows: Sequence[Sequence[str]], width: int | None) -> list[int] | None:
    """Widths of columns that together fit; None where there are none.

    The columns that want least beyond their narrowest are widened first.
    """
    columns = list(zip(*rows, strict=True))
    wide = [max(map(cell_len, column)) for column in columns]
    if width is None:
        return wide
    chosen = [max(_longest(_HEAD, head), *map(_narrowest, cells)) for head, *cells in columns]
    spare = width - len(_GAP) * (len(columns) - 1) - sum(chosen)
    if spare < 0:
        return None
    by_want = sorted(range(len(columns)), key=lambda i: wide[i] - chosen[i])
    for done, i in enumerate(by_want):
        more = min(wide[i] - chosen[i], spare // (len(columns) - done))
        chosen[i] += more
        spare -= more
    return chosen


def _narrowest(cell: str) -> int:
    return cell_len(cell) if cell_len(cell) <= _WHOLE else _longest(_TEXT, cell)


def wrapped(text: str, width: int | None) -> list[str]:
    """Lines of a text, broken at spaces alone: a number wider than a line stays whole."""
    return _broken(_TEXT, text, width)


def _broken(after: re.Pattern[str], text: str, width: int | None) -> list[str]:
    if width is None or cell_len(text) <= width:
        return [text]
    lines = [""]
    for piece in after.split(text):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip(" ")) > width:
            lines.append(piece)
        else:
            lines[-1] += piece
    return [line.rstrip(" ") for line in lines]


def _longest(after: re.Pattern[str], text: str) -> int:
    return max(cell_len(piece.rstrip(" ")) for piece in after.split(text))


def as_csv(table: Table) -> str:
    """A table as CSV with every digit; what is undefined is blank.

    A value that is itself a mapping, such as an interval, has a column for each of its items:
    `params_lower`.
    """
    rows = [_flat(row) for row in (table.rows if table.values is None else table.values)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            cells |= _flat({f"{name}_{inner}": item for inner, item in value.items()})
        elif isinstance(value, list | tuple):
            cells[name] = json.dumps(value)
        else:
            cells[name] = "" if _is_missing(value) else value
    return cells


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _shown(value: Any) -> str:
    if _is_missing(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else escaped(str(value))
