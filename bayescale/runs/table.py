"""Runs: a table of training runs, read, checked and in known units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from bayescale.base.errors import BayescaleError, RunsError
from bayescale.base.expression import Condition, ExpressionError
from bayescale.base.numbers import count, parse_number
from bayescale.base.shown import Shown
from bayescale.runs.check import check, header_problem, missing_column
from bayescale.runs.columns import groups, numeric
from bayescale.runs.files import STDIN, read_file
from bayescale.runs.sources.fetch import fetch as fetch_files
from bayescale.runs.sources.registry import find

ParamsSeen = Literal["total", "active"]


@dataclass(frozen=True, eq=False, repr=False)
class Runs(Shown):
    """A checked table of training runs, one a row.

    Attributes
    ----------
    table : DataFrame
        Canonical columns (`bayescale.runs.columns`) in canonical units (parameters, tokens, FLOP,
        nats per token, bits per character), and whatever else the file holds. The index is the
        row in the file, counting from 1 below the header.
    name : str
        Where the runs come from, for messages and reports.
    headers : mapping
        Canonical name to the file's own header, of the columns that the user mapped.
    """

    table: pd.DataFrame
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def _title(self) -> str:
        return f"Runs of {self.name}: {count(len(self), 'run')}"

    def _table(self) -> pd.DataFrame:
        return self.table

    @classmethod
    def read(
        cls,
        source: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        where: str | None = None,
        units: bool = False,
        blank_counts: bool = False,
    ) -> Runs:
        """Read a file, a table by its name (`bayescale data list`), or standard input as `-`.

        Formats, by the file's ending: `.csv`, `.tsv`, `.jsonl`, `.json`, `.parquet`, `.xlsx`, and
        each of them in `.gz`.

        Parameters
        ----------
        source : str or Path
        columns : mapping, optional
            Canonical name to the file's own header, such as `{"loss": "val_loss"}`.
        where : str, optional
            A condition (`bayescale.base.expression`) over the columns, after `columns` has named
            them; only rows that fulfil it are kept and checked.
        units : bool
            Read `70B` and `1.5T` in canonical columns as numbers: k, M, B and T are 1e3 to 1e12.
        blank_counts : bool
            Whether parameters and tokens may be blank, as in tables of scores.

        Raises
        ------
        RunsError
            If any cell breaks a rule; the error holds every problem.
        BayescaleError
            If the file cannot be read, or `columns` or `where` does not fit it.
        """
        columns = columns or {}
        text = {columns.get(group, group) for group in groups()}
        table = read_file(source, text)
        name = "standard input" if source == STDIN else str(source)
        return cls.from_frame(
            table, name=name, columns=columns, where=where, units=units, blank_counts=blank_counts
        )

    @classmethod
    def fetch(cls, name: str, *, where: str | None = None) -> Runs:
        """Get a published table by its name, and read it; once it is here `read` does.

        Its files are checked against their SHA-256 and kept in the user's cache.

        Parameters
        ----------
        name : str
            As in `bayescale data list`.
        where : str, optional
            As for `read`.

        Raises
        ------
        BayescaleError
            If no such table is published, or it cannot be had; and as for `read`.
        """
        fetch_files(find(name))
        return cls.read(name, where=where)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        name: str = "runs",
        columns: Mapping[str, str] | None = None,
        where: str | None = None,
        units: bool = False,
        blank_counts: bool = False,
    ) -> Runs:
        """Check a DataFrame; parameters and errors as for `read`."""
        problem = header_problem(frame.columns)
        if problem is not None:
            raise BayescaleError(f"{name}: {problem}")
        table = frame.set_axis(pd.RangeIndex(1, len(frame) + 1), axis="index")
        table = _rename(table, columns or {}, name)
        if units:
            table = _without_suffixes(table)
        if where is not None:
            table = _filter(table, where, name)
        if table.empty:
            raise BayescaleError(f"{name}: no rows; a table of runs needs at least one")
        table, problems = check(table, blank_counts=blank_counts)
        if problems:
            raise RunsError(name, problems)
        return cls(table, name, dict(columns or {}))

    def __len__(self) -> int:
        return len(self.table)

    def keep(self, where: str) -> Runs:
        """The runs that fulfil a condition over the columns (`bayescale.base.expression`)."""
        kept = _filter(self.table, where, self.name)
        if kept.empty:
            raise BayescaleError(f"{self.name}: no run matches {where!r}")
        return Runs(kept, self.name, self.headers)

    def seen_params(self, which: ParamsSeen) -> pd.Series:
        """N as a law sees it: all parameters, or those active per token (all, where dense)."""
        total = self.table["params"]
        if which == "total" or "params_active" not in self.table:
            return total
        return self.table["params_active"].fillna(total)

    def to_jsonl(self) -> str:
        """The table as JSON Lines, which `read` reads back to the last digit."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict(orient="records")
        return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

    @property
    def known_tokens(self) -> pd.Series:
        """Mask of the runs whose token count is stated, not a range; all, where none has any."""
        if "tokens" not in self.table:
            return pd.Series(True, self.table.index)
        return self.table["tokens"].notna()

    @property
    def latent_counts(self) -> pd.Series:
        """The name of each run's latent token count: the first run of its checkpoint, or its own.

        Rows that score one checkpoint in several rounds were trained on the same tokens.
        """
        table = self.table
        if "checkpoint" not in table:
            return table["run"]
        first = table.groupby("checkpoint")["run"].transform("first")
        return first.fillna(table["run"])

    @property
    def has_compute(self) -> bool:
        """True if the runs state parameters and tokens."""
        return {"params", "tokens"} <= set(self.table.columns)

    def require(self, names: Iterable[str]) -> None:
        """Raise a `RunsError` if one of these columns is missing."""
        missing = [name for name in names if name not in self.table]
        if missing:
            header = list(self.table.columns)
            raise RunsError(self.name, [missing_column(name, header) for name in missing])


def _rename(table: pd.DataFrame, columns: Mapping[str, str], name: str) -> pd.DataFrame:
    for canonical, header in columns.items():
        if header not in table.columns:
            known = ", ".join(table.columns)
            raise BayescaleError(f"{name}: no column {header!r} for {canonical}; it has {known}")
    headers = list(columns.values())
    for header in headers:
        if headers.count(header) > 1:
            raise BayescaleError(f"{name}: column {header!r} is mapped twice; map it once")
    # A canonical column gives way to the one that the user chose for it.
    replaced = [canonical for canonical in columns if canonical not in headers]
    table = table.drop(columns=replaced, errors="ignore")
    return table.rename(columns={header: canonical for canonical, header in columns.items()})


def _without_suffixes(table: pd.DataFrame) -> pd.DataFrame:
    def number(cell: object) -> object:
        try:
            return parse_number(cell) if isinstance(cell, str) else cell
        except BayescaleError:
            return cell  # which the check refuses, with its row

    return table.assign(**{name: table[name].map(number) for name in numeric() if name in table})


def _filter(table: pd.DataFrame, where: str, name: str) -> pd.DataFrame:
    if not isinstance(where, str):
        raise BayescaleError(f"{name}: {where!r} is not a condition; write one like 'loss < 4'")
    try:
        condition = Condition.parse(where)
        condition.require(table.columns)
        cells = {column: _cells(table[column]) for column in condition.places}
        return table[condition.mask(cells)]
    except ExpressionError as error:
        raise BayescaleError(f"{name}: cannot filter: {error}") from error


def _cells(column: pd.Series) -> np.ndarray:
    """A column as a condition takes it: numbers, booleans, or text and numbers as objects."""
    kind = column.dtype.kind
    if kind == "b" and not column.isna().any():
        return column.to_numpy(bool)
    if kind in "iu" and not column.isna().any():
        return column.to_numpy(np.int64 if kind == "i" else np.uint64)
    if kind in "iuf":
        return column.to_numpy(float, na_value=np.nan)
    if kind in "mM":
        column = column.astype(str)  # as in 2024-03-01
    missing = column.isna().to_numpy()
    plain = [
        None if absent else cell if isinstance(cell, str | int | float | np.bool_) else str(cell)
        for cell, absent in zip(column, missing, strict=True)
    ]
    cells = np.empty(len(plain), object)
    cells[:] = plain
    return cells
