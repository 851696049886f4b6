"""Records of another tool to rows of runs: mapped, converted, overruled or left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bayescale.base.notes import Note, listed
from bayescale.runs import columns as registry
from bayescale.runs.notes import names_perplexity
from bayescale.runs.readers._cells import agree, number, shown, text
from bayescale.runs.readers._record import Record

_STEPS = ("step", "total_steps")
# What a file may say of a run. A perplexity is read as the loss that it is the exponential of;
# planned steps tell which runs stopped before their end.
COLUMNS = (*registry.groups(), *registry.numeric(), *_STEPS)
# What a run cannot be without, and the options that give it.
_NEEDED = (
    ("params", "parameter count", "--params"),
    ("tokens", "token count", "--tokens, --tokens-per-step where it counts steps"),
)


@dataclass(frozen=True)
class ReadOptions:
    """What the user says of the runs in a file.

    Attributes
    ----------
    run : str or None
        The run's name, instead of the file's; with several runs, put before theirs.
    values : mapping
        Column to a value of every run, over what the files say.
    tokens_per_step : float or None
        Tokens of an optimizer step, times a run's steps over what the files say.
    columns : mapping
        Column, or what the format calls it, to the file's own name.
    any_state : bool
        Take runs that the tool marks failed, crashed or running too.
    """

    run: str | None = None
    values: Mapping[str, float | str] = field(default_factory=dict)
    tokens_per_step: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    any_state: bool = False


@dataclass
class Results:
    """Rows in canonical columns, why others were left out, and what to know of them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[Note] = field(default_factory=list)

    def reasons(self) -> list[str]:
        """One text a reason: how many, and why."""
        return [f"{count} left out: {reason}" for reason, count in self.left_out.items()]


class Reading:
    """Records to rows, with what is overruled, taken and noted on the way."""

    def __init__(self, headers: Mapping[str, str], options: ReadOptions, count: int) -> None:
        self._headers = headers
        self._options = options
        self._count = count
        self._overruled: dict[str, list[str]] = {}
        self._taken: Counter[str] = Counter()
        self._notes: dict[Note, list[str]] = {}

    def of(self, records: Sequence[tuple[Path, Record]]) -> Results:
        """The rows of these records, each with the file that it comes from."""
        results = Results()
        by_name: dict[str, dict[str, Any]] = {}
        for path, record in records:
            row, changes = self._row(record, f"{path}: run {record.run}")
            reason = self._unfit(record, row) or _repeated(row, by_name)
            if reason is not None:
                results.left_out[reason] += 1
                continue
            row.pop("total_steps", None)
            by_name[row["run"]] = row
            results.rows.append(row)
            results.left_out.update(record.unused)
            for column, change in changes.items():
                self._overruled.setdefault(column, []).append(f"{row['run']} ({change})")
            for note in record.notes:
                self._notes.setdefault(note, []).append(row["run"])
            if record.state is not None:
                self._taken[record.state] += 1
        results.notes = self._all_notes()
        return results

    def _row(self, record: Record, where: str) -> tuple[dict[str, Any], dict[str, str]]:
        """A record in canonical columns, and what the user overruled in it."""
        row: dict[str, Any] = {"run": self._name(record)}
        values: dict[str, float | str] = dict(self._options.values)
        for column, header in self._headers.items():
            cell = record.cells.get(header)
            if column == "run":
                continue
            if column in values:
                row[column] = cell
            elif column in registry.groups():
                row[column] = text(cell)
            else:
                row[column] = number(cell, f"{where}: {header}")
        if "tokens" not in values and self._options.tokens_per_step is not None:
            step = values.get("step", row.get("step"))
            if step is not None:
                values["tokens"] = self._options.tokens_per_step * float(step)
        if row.get("perplexity") is not None:
            row["loss"] = math.log(row["perplexity"]) if row["perplexity"] > 0 else math.nan
        row.pop("perplexity", None)
        changes = {}
        for column, value in values.items():
            if not agree(row.get(column), value):
                changes[column] = f"{shown(row[column])} becomes {shown(value)}"
            row[column] = value
        return {c: v for c, v in row.items() if v is not None} | dict(record.extra), changes

    def _name(self, record: Record) -> str:
        header = self._headers.get("run")
        name = (text(record.cells.get(header)) if header else None) or record.run
        if self._options.run is None:
            return name
        return self._options.run if self._count == 1 else f"{self._options.run}-{name}"

    def _unfit(self, record: Record, row: Mapping[str, Any]) -> str | None:
        """Why a record is no run to fit."""
        return (
            self._unended(record, row)
            or self._without_response(row)
            or self._without_counts(record, row)
            or self._implausible(row)
        )

    def _unended(self, record: Record, row: Mapping[str, Any]) -> str | None:
        if record.state is not None and not self._options.any_state:
            return f"a run that is {record.state} (--any-state takes it)"
        if "total_steps" not in row:
            return None
        if "step" not in row:
            return "no step to compare with its planned ones (map it: --column step=NAME)"
        stopped = row["step"] < row["total_steps"]
        return "a run that stopped before its planned steps" if stopped else None

    def _without_response(self, row: Mapping[str, Any]) -> str | None:
        headers = self._headers
        known = [headers[column] for column in registry.responses() if column in headers]
        stated = [column for column in registry.responses() if column in row]
        for column in stated:
            if not math.isfinite(row[column]):
                header = headers.get(column) or headers.get("perplexity") or column
                return f"a run that diverged: its last {header} is no finite number"
        return f"no {known[0]}" if known and not stated else None

    def _without_counts(self, record: Record, row: Mapping[str, Any]) -> str | None:
        for column, what, options in _NEEDED:
            if column in row:
                continue
            header = self._headers.get(column)
            if header in record.cells:
                return f"no {header}"
            return f"no {what} in the file (give {options}, or --column {column}=NAME)"
        return None

    def _implausible(self, row: Mapping[str, Any]) -> str | None:
        for name in registry.numeric():
            column = registry.COLUMNS[name]
            if name not in row or column.low <= row[name] <= column.high:
                continue
            reason = f"{name} outside {column.low:g} to {column.high:g} {column.unit}"
            header = self._headers.get(name, "")
            if name == "loss" and names_perplexity(header):
                reason += f" (a perplexity is taken by --column perplexity={header})"
            return reason
        return None

    def _all_notes(self) -> list[Note]:
        notes = [
            Note(
                "overruled",
                "info",
                f"{column} of the file is overruled: {listed(runs, most=4)}",
                "nothing to do, if that is meant",
            )
            for column, runs in self._overruled.items()
        ]
        if self._taken:
            states = ", ".join(f"{count} {state}" for state, count in self._taken.items())
            compared = "total_steps" in self._headers
            notes.append(
                Note(
                    "unfinished-runs",
                    "info" if compared else "warning",
                    f"runs are taken that did not finish: {states}",
                    "those that stopped before their planned steps are left out"
                    if compared
                    else "map their planned steps, --column total_steps=NAME, to leave out those "
                    "that stopped early",
                )
            )
        notes += [
            replace(note, text=f"{listed(runs, most=4)}: {note.text}")
            for note, runs in self._notes.items()
        ]
        return notes


def _repeated(row: Mapping[str, Any], by_name: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Whether a run of this name was read before."""
    before = by_name.get(row["run"])
    if before is None:
        return None
    same = all(agree(before.get(column), row.get(column)) for column in registry.responses())
    return (
        f"a run of this name was read before, with {'the same' if same else 'another'} response "
        "(read each file with a --run of its own to keep both)"
    )
