"""Check: the rules that a table of runs keeps, and every cell that breaks one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pandas as pd

from bayescale.base.errors import Problem
from bayescale.base.notes import listed
from bayescale.base.text import control_character, escaped
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS, groups, named_otherwise, numeric

_PLAIN = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(?:,\d{3}){2,}(?:\.\d*)?\s*")
_SUFFIX = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*[kmbtKMBT]\s*")


def header_problem(header: Iterable[object]) -> str | None:
    """Why these are no names of columns: each must be text, printable and different."""
    seen: set[str] = set()
    for name in header:
        if not isinstance(name, str):
            return "column names must be text; give the table a header"
        mark = control_character(name)
        if mark is not None:
            return f"column '{escaped(name)}' holds a control character ({mark}); rename it"
        if name in seen:
            return f"two columns are called {name!r}; rename one"
        seen.add(name)
    return None


def check(table: pd.DataFrame, *, blank_counts: bool = False) -> tuple[pd.DataFrame, list[Problem]]:
    """Cast the canonical columns and collect every cell that breaks a rule.

    Parameters
    ----------
    table : DataFrame
    blank_counts : bool
        Whether `params` and `tokens` may be blank.

    Returns
    -------
    table : DataFrame
        Groups as text, numbers as floats; where a problem was found it must not be used.
    problems : list of Problem
        In the order of the rows.
    """
    table = table.copy()
    if "tokens" not in table and {"tokens_low", "tokens_high"} <= set(table.columns):
        table["tokens"] = np.nan
    if "run" not in table:
        table["run"] = [f"row-{row}" for row in table.index]
    problems: list[Problem] = []
    for name in groups():
        if name in table:
            blank = table[name].isna()
            text = [None if b else str(cell) for cell, b in zip(table[name], blank, strict=True)]
            table[name] = pd.Series(text, table.index, dtype=object)
            problems += _check_text(table, name)
    problems += _check_names(table)
    for name in numeric():
        if name in table:
            table[name], broken = check_numbers(table, name, COLUMNS[name])
            problems += broken
    reported = {(problem.row, problem.column) for problem in problems}
    problems += _check_counts(table, reported, blank_counts)
    problems.sort(key=lambda problem: problem.row or 0)
    return table, problems


def check_numbers(
    table: pd.DataFrame, name: str, column: Column
) -> tuple[pd.Series, list[Problem]]:
    """A column of the table as floats, and each of its cells that breaks a rule of `column`."""
    raw = table[name]
    if raw.dtype.kind in "iuf":
        values = pd.Series(raw.to_numpy(float, na_value=np.nan), table.index)
        blank = values.isna()
    else:
        values = pd.Series([_number(cell) for cell in raw], table.index, dtype=float)
        blank = pd.Series([_is_blank(cell) for cell in raw], table.index)
    plausible = (values >= column.low) & (values <= column.high)
    problems = []
    for row in table.index[~(blank | plausible)]:
        rule = column.rule(values[row])
        if np.isnan(values[row]):
            rule = _no_number(raw[row], column)
        problems.append(_problem(table, row, name, raw[row], str(rule)))
    return values, problems


def missing_column(name: str, header: Iterable[str]) -> Problem:
    """That a table lacks a column, with the header that seems to mean it, or with all."""
    names = list(header)
    otherwise = named_otherwise(name, names) if name in COLUMNS else None
    shown, action = otherwise or "HEADER", "map it" if otherwise else "add it, or map another"
    rule = f"missing; {action} with --column {name}={shown}, or columns={{{name!r}: {shown!r}}}"
    if otherwise is None:
        rule += f"; the headers are {listed(map(escaped, names)) or 'none'}"
    return Problem(None, "", name, "", rule)


def _problem(table: pd.DataFrame, row: int, name: str, cell: object, rule: str) -> Problem:
    run = table.at[row, "run"]
    return Problem(int(row), "unnamed" if run is None else _shown(run), name, _shown(cell), rule)


def _check_text(table: pd.DataFrame, name: str) -> list[Problem]:
    """Names reach terminals, reports and files, where a control character does harm."""
    problems = []
    for row, cell in zip(table.index, table[name], strict=True):
        mark = None if cell is None else control_character(cell)
        if mark is not None:
            rule = f"holds a control character ({mark}); write it without"
            problems.append(_problem(table, row, name, cell, rule))
    return problems


def _check_names(table: pd.DataFrame) -> list[Problem]:
    names = table["run"]
    problems = [
        _problem(table, row, "run", None, "every run needs a name")
        for row in table.index[names.isna()]
    ]
    again = table.index[names.duplicated(keep="first") & names.notna()]
    if len(again):
        rule = "appears twice; names must be unique"
        if len(again) > 1:
            rule = f"the first of {len(again)} rows that repeat a name; names must be unique"
        problems.append(_problem(table, again[0], "run", names[again[0]], rule))
    return problems


def _check_counts(
    table: pd.DataFrame, reported: set[tuple[int | None, str]], blank_counts: bool
) -> list[Problem]:
    """Rules between counts; a cell that was reported before is not reported again."""
    problems = []

    def report(broken: pd.Series, name: str, rule: str) -> None:
        for row in table.index[broken]:
            problems.append(_problem(table, row, name, table.at[row, name], rule))

    def clean(*names: str) -> np.ndarray:
        return np.array([not any((row, name) in reported for name in names) for row in table.index])

    blank = pd.Series(np.nan, table.index)
    low, high = table.get("tokens_low", blank), table.get("tokens_high", blank)
    if "params" in table and not blank_counts:
        blank_params = table["params"].isna() & clean("params")
        report(blank_params, "params", "every run needs a count")
    if "tokens" in table and not blank_counts:
        no_range = low.isna() | high.isna()
        report(
            table["tokens"].isna() & no_range & clean("tokens", "tokens_low", "tokens_high"),
            "tokens",
            "give the count, or a 90 % range in tokens_low and tokens_high",
        )
    report(low >= high, "tokens_low", "must be below tokens_high")
    if {"tokens", "checkpoint"} <= set(table.columns):
        report(_differ(table, low, high), "tokens", "differs from another row of its checkpoint")
    if {"params", "params_active"} <= set(table.columns):
        above = table["params_active"] > table["params"]
        report(above, "params_active", "must not exceed params")
    return problems


def _differ(table: pd.DataFrame, low: pd.Series, high: pd.Series) -> pd.Series:
    """Mask of latent token counts that are not those of the first row of their checkpoint."""
    latent = table["tokens"].isna() & table["checkpoint"].notna()
    counts = pd.DataFrame({"tokens": table["tokens"], "low": low, "high": high})
    first = counts.loc[~table["checkpoint"].duplicated()].set_axis(
        table["checkpoint"].drop_duplicates(), axis="index"
    )
    own = first.reindex(table["checkpoint"]).set_axis(table.index, axis="index")
    return latent & ~((counts == own) | (counts.isna() & own.isna())).all(axis=1)


def _number(cell: object) -> float:
    """A cell as a number; nan where it is blank or none."""
    if isinstance(cell, str):
        return float(cell) if _PLAIN.fullmatch(cell) else np.nan
    if isinstance(cell, bool | np.bool_) or not isinstance(
        cell, int | float | np.integer | np.floating | Decimal
    ):
        return np.nan
    try:
        return float(cell)
    except OverflowError:
        return np.inf


def _is_blank(cell: object) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell is pd.NA or cell is pd.NaT or bool(cell != cell)  # noqa: PLR0124


def _no_number(cell: object, column: Column) -> str:
    """The rule for what is no number, with the hint that fits how it is written."""
    text = str(cell)
    if _THOUSANDS.fullmatch(text):
        return f"not a number; leave out the separators: {text.replace(',', '').strip()}"
    if _DECIMAL_COMMA.fullmatch(text):
        return f"not a number; write a decimal point: {text.replace(',', '.').strip()}"
    rule = f"not a number; write {column.unit} like {column.example}"
    return f"{rule}, or read it with --units, units=True" if _SUFFIX.fullmatch(text) else rule


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return "blank" if np.isnan(cell) else f"{cell:.10g}"
    text = "blank" if cell is None else escaped(str(cell))
    return text if len(text) <= 60 else f"{text[:59]}…"
