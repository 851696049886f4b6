"""Known: what only the user knows of a run, checked before hours are spent on measuring it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import parse_number
from bayescale.measure.rows import has_run
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs


def known_of_run(
    out: Path | None,
    *,
    run: str,
    family: str | None,
    tokenizer: str | None,
    tokens: str | None,
) -> dict[str, object]:
    """The columns that the user states, for a row of the table `out`.

    `tokens` is a count, or a 90 % range written LOW:HIGH where it is not published.

    Raises
    ------
    BayescaleError
        If there is no table to put them in, no token count, or one that is not plausible.
    """
    stated = {"family": family, "tokenizer": tokenizer, "tokens": tokens}
    if out is None:
        useless = [name for name, value in stated.items() if value is not None]
        if useless:
            raise BayescaleError(f"--{useless[0]}: is written in a row of runs; name its --out too")
        return {}
    has_run(out, run)  # the table can be read
    if tokens is None:
        raise BayescaleError(
            "--out needs --tokens, the training tokens: 15T, or 1T:20T where they are not published"
        )
    counts = ("tokens_low", "tokens_high") if ":" in tokens else ("tokens",)
    columns: dict[str, object] = {"run": run, "family": family, "tokenizer": tokenizer}
    columns |= {"params": None, "params_active": None, "tokens": None}
    for column, part in zip(counts, tokens.split(":"), strict=False):
        columns[column] = _plausible(column, part)
    if tokens.count(":") > 1 or ("tokens_low" in columns and not _rising(columns)):
        raise BayescaleError(f"--tokens {tokens}: write a range as LOW:HIGH, as in 1T:20T")
    return columns


def _rising(columns: Mapping[str, Any]) -> bool:
    return columns["tokens_low"] < columns["tokens_high"]


def _plausible(column: str, text: str) -> float:
    value = parse_number(text, column)
    rule = COLUMNS[column].rule(value)
    if rule is not None:
        raise BayescaleError(f"{column}={text}: {rule}")
    return value


def new_run(row: Mapping[str, object]) -> dict[str, object]:
    """The row, if a table of runs would take it.

    Raises
    ------
    RunsError
        If a cell breaks a rule.
    """
    Runs.from_frame(pd.DataFrame([row]), name=str(row["run"]))
    return dict(row)
