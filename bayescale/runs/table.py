"""Runs: a table of training runs, read, checked and in known units."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np
import pandas as pd

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError, Problem, RunsError

ParamsSeen = Literal["total", "active"]

TEXT_COLUMNS = ("run", "family", "tokenizer", "lab", "dataset")


@dataclass(frozen=True)
class Quantity:
    """A canonical numeric column: its unit and the range outside which it is a slip."""

    unit: str
    low: float
    high: float

    def rule(self, value: float) -> str | None:
        """The broken rule with its hint, or None if `value` is plausible."""
        if self.low <= value <= self.high:
            return None
        text = f"expected {self.low:g} to {self.high:g} {self.unit}"
        scaled = [f"{value:g}{e}" for e in ("e9", "e12") if self.low <= value * float("1" + e)]
        if self.low >= 1e4 and 0 < value < 1e4 and scaled:
            text += f"; if it counts billions or trillions, write {' or '.join(scaled)}"
        return text


QUANTITIES = {
    "params": Quantity("parameters", 1e4, 1e14),
    "params_active": Quantity("parameters", 1e4, 1e14),
    "tokens": Quantity("tokens", 1e5, 1e17),
    "tokens_low": Quantity("tokens", 1e5, 1e17),
    "tokens_high": Quantity("tokens", 1e5, 1e17),
    "unique_tokens": Quantity("tokens", 1e5, 1e17),
    "epochs": Quantity("passes over the data", 1e-6, 1e4),
    "flops": Quantity("FLOP", 1e10, 1e32),
    "bpc": Quantity("bits per character", 1e-3, 8),
    "bpb": Quantity("bits per byte", 1e-3, 8),
    "loss": Quantity("nats per token", 1e-3, 20),
}


@dataclass(frozen=True, eq=False)
class Runs:
    """A checked table of training runs, one a row.

    Attributes
    ----------
    table : DataFrame
        Canonical columns in canonical units (parameters, tokens, FLOP, nats per token, bits
        per character), and whatever else the file holds. The index is the row in the file,
        counting from 1 below the header.
    name : str
        Where the runs come from, for messages and reports.
    """

    table: pd.DataFrame
    name: str

    @classmethod
    def read(
        cls,
        source: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        where: str | None = None,
    ) -> Runs:
        """Read a CSV, Parquet or JSON Lines file, or a bundled table by its name.

        Parameters
        ----------
        source : str or Path
        columns : mapping, optional
            Canonical name to the file's own header, such as `{"loss": "val_loss"}`.
        where : str, optional
            A pandas query over the file's columns; only rows that match are kept and checked.

        Raises
        ------
        RunsError
            If any cell breaks a rule; the error holds every problem.
        BayescaleError
            If the file cannot be read, or `columns` or `where` does not fit it.
        """
        frame = _read_file(source)
        return cls.from_frame(frame, name=str(source), columns=columns, where=where)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        name: str = "runs",
        columns: Mapping[str, str] | None = None,
        where: str | None = None,
    ) -> Runs:
        """Check a DataFrame; parameters and errors as for `read`."""
        table = frame.set_axis(pd.RangeIndex(1, len(frame) + 1), axis="index")
        table = _rename(table, columns or {}, name)
        if where is not None:
            table = _filter(table, where, name)
        if table.empty:
            raise BayescaleError(f"{name}: no rows; a table of runs needs at least one")
        table, problems = _check(table)
        if problems:
            raise RunsError(name, problems)
        return cls(table, name)

    def __len__(self) -> int:
        return len(self.table)

    def keep(self, where: str) -> Runs:
        """The runs that match a pandas query."""
        kept = _filter(self.table, where, self.name)
        if kept.empty:
            raise BayescaleError(f"{self.name}: no run matches {where!r}")
        return Runs(kept, self.name)

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
        """Mask of the runs whose token count is stated, not a range."""
        return self.table["tokens"].notna()


def _read_file(source: str | Path) -> pd.DataFrame:
    name = str(source)
    if name in bundled.tables():
        with as_file(bundled.tables()[name]) as path:
            return _parse(path, name)
    path = Path(source)
    if not path.is_file():
        if path.suffix:
            raise BayescaleError(f"{name}: no such file")
        raise bundled.unknown("table", name, list(bundled.tables()))
    return _parse(path, name)


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str))  # a family may be "007"


def _read_jsonl(path: Path) -> pd.DataFrame:
    """One object a line, numbers and text as they stand: pandas would guess at both."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every line must be an object")
    return pd.DataFrame(rows)


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": pd.read_parquet,
    ".jsonl": _read_jsonl,
}


def _parse(path: Path, name: str) -> pd.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise BayescaleError(
            f"{name}: unknown format {path.suffix!r}; use one of {', '.join(_READERS)}"
        )
    try:
        frame = reader(path)
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parsers raise subclasses
        reason = str(error).splitlines()[0]
        raise BayescaleError(f"{name}: not a readable {path.suffix} table: {reason}") from error
    if not all(isinstance(column, str) for column in frame.columns):
        raise BayescaleError(f"{name}: column names must be text; give the table a header")
    return frame


def _rename(table: pd.DataFrame, columns: Mapping[str, str], name: str) -> pd.DataFrame:
    for canonical, header in columns.items():
        if header not in table.columns:
            known = ", ".join(map(str, table.columns))
            raise BayescaleError(f"{name}: no column {header!r} for {canonical}; it has {known}")
        if canonical in table.columns and canonical != header:
            table = table.drop(columns=canonical)  # the user chose another column for it
        table = table.rename(columns={header: canonical})
    return table


# What `DataFrame.eval` raises at a user's slip; it has no error of its own.
_QUERY_ERRORS = (
    AttributeError,
    KeyError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)


def _filter(table: pd.DataFrame, where: str, name: str) -> pd.DataFrame:
    try:
        mask = table.eval(where)
    except _QUERY_ERRORS as error:
        reason = str(error).splitlines()[0]
        raise BayescaleError(f"{name}: cannot filter by {where!r}: {reason}") from error
    if not (isinstance(mask, pd.Series) and mask.dtype == bool):
        raise BayescaleError(f"{name}: {where!r} is not a condition; write one like 'loss < 4'")
    return table[mask]


def _check(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """Cast the canonical columns and collect every cell that breaks a rule."""
    table = table.copy()
    missing = [c for c in ("params", "tokens") if c not in table]
    if missing == ["tokens"] and {"tokens_low", "tokens_high"} <= set(table.columns):
        table["tokens"] = np.nan
        missing = []
    if missing:
        hint = "add it, or map one with --column {0}=HEADER"
        return table, [Problem(None, "", c, "", "missing; " + hint.format(c)) for c in missing]

    if "run" not in table:
        table["run"] = [f"row-{row}" for row in table.index]
    for column in (c for c in TEXT_COLUMNS if c in table):
        table[column] = table[column].astype("string").astype(object).where(table[column].notna())

    problems: list[Problem] = []

    def report(bad: pd.Series, column: str, raw: pd.Series, rule: str) -> None:
        for row in table.index[bad.to_numpy(dtype=bool)]:
            run = str(table.at[row, "run"])
            problems.append(Problem(int(row), run, column, _shown(raw[row]), rule))

    blank_run = table["run"].isna()
    report(blank_run, "run", table["run"], "every run needs a name")
    twice = table["run"].duplicated(keep="first") & ~blank_run
    report(twice, "run", table["run"], "appears twice; names must be unique")

    for column, quantity in QUANTITIES.items():
        if column not in table:
            continue
        table[column], found = check_numbers(table, column, quantity)
        problems += found

    params, tokens = table["params"], table["tokens"]
    report(
        params.isna() & _clean(table, problems, "params"),
        "params",
        params,
        "every run needs a count",
    )
    low = table.get("tokens_low", pd.Series(np.nan, table.index))
    high = table.get("tokens_high", pd.Series(np.nan, table.index))
    no_range = (
        tokens.isna()
        & (low.isna() | high.isna())
        & _clean(table, problems, "tokens", "tokens_low", "tokens_high")
    )
    hint = "give the count, or a 90 % range in tokens_low and tokens_high"
    report(no_range, "tokens", tokens, hint)
    report(low >= high, "tokens_low", low, "must be below tokens_high")
    if "params_active" in table:
        active = table["params_active"]
        report(active > params, "params_active", active, "must not exceed params")
    problems.sort(key=lambda problem: problem.row or 0)
    return table, problems


def check_numbers(
    table: pd.DataFrame, column: str, quantity: Quantity
) -> tuple[pd.Series, list[Problem]]:
    """A column as floats, and each of its cells that is no number or no plausible one."""
    raw, problems = table[column], []
    values = pd.to_numeric(raw, errors="coerce").astype(float)
    for row in table.index[raw.notna()]:
        if np.isnan(values[row]) or isinstance(raw[row], bool):
            rule: str | None = f"not a number; write {quantity.unit} like 1.5e12"
        else:
            rule = quantity.rule(values[row])
        if rule is not None:
            run = str(table.at[row, "run"])
            problems.append(Problem(int(row), run, column, _shown(raw[row]), rule))
    return values, problems


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "blank" if np.isnan(value) else f"{value:.10g}"
    return "blank" if value is None else str(value)


def _clean(table: pd.DataFrame, problems: list[Problem], *columns: str) -> pd.Series:
    """Mask of the rows in which no problem was found yet in these columns."""
    dirty = {p.row for p in problems if p.column in columns}
    return pd.Series(~table.index.isin(dirty), table.index)
