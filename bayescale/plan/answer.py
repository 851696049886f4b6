"""Answer: what a plan says, as plain values for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS, interval
from bayescale.base.notes import Note
from bayescale.base.numbers import Write, digits, human, within
from bayescale.base.tables import Table
from bayescale.fit.fit import Fit
from bayescale.predictive.distance import distance, extrapolation_note
from bayescale.runs.columns import COLUMNS

type Summary = float | str | dict[str, float | None] | list[Any] | None

# A response differs between plans in its fourth digit.
precise: Write = partial(digits, count=4)


@dataclass(frozen=True)
class Row:
    """A quantity of an answer.

    Attributes
    ----------
    key : str
        Its name for programs; empty for what people alone need.
    label : str
        What it is, for people, with its unit; empty for what programs alone need.
    value : number, str, dict, list or None
        As `summary` gives it.
    write : callable
        How people write such a number: `human` as 70.3B, `digits` as 0.360.
    """

    key: str
    label: str
    value: Summary
    write: Write = digits

    @property
    def text(self) -> str:
        """The value for people, a dash for what is infinite: `70.3B (61.2B to 80.1B)`."""

        def text(number: float | None, write: Write = self.write) -> str:
            return "\N{EN DASH}" if number is None else write(number)

        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, Mapping):
            write = within(self.value["lower"], self.value["upper"], self.write)
            ends = (self.value[end] for end in ("median", "lower", "upper"))
            median, lower, upper = (text(end, write) for end in ends)
            return f"{median} ({lower} to {upper})"
        assert not isinstance(self.value, list)
        return text(self.value)


type Quantity = tuple[str, str, Any] | tuple[str, str, Any, Write]


def rows(prob: float, quantities: Iterable[Quantity]) -> list[Row]:
    """Rows of quantities given as (key, label, number or draws[, write]).

    What an answer does not have, None, is for programs alone; what is infinite is a dash.
    """
    return [
        Row(key, label if value is not None else "", summary(value, prob), *write)
        for key, label, value, *write in quantities
    ]


# Quantities of more than one plan: label, and how people write them.
_SHARED: dict[str, tuple[str, Write]] = {
    "law": ("law", digits),
    "members": ("laws of the stack, with their weights", digits),
    "flops": ("training compute C (FLOP)", digits),
    "params": ("parameters N", human),
    "tokens": ("training tokens D", human),
    "tokens_per_param": ("tokens per parameter", human),
    "a": ("a, where N grows as C^a", digits),
    "b": ("b, where D grows as C^b", digits),
    "prob": ("probability that an interval holds", digits),
}


def shared(**quantities: Any) -> list[Quantity]:
    """Quantities of more than one plan by their keys, for `rows`."""
    return [(key, _SHARED[key][0], value, _SHARED[key][1]) for key, value in quantities.items()]


def values(of: Iterable[Row]) -> dict[str, Summary]:
    """Rows for programs: key to value."""
    return {row.key: row.value for row in of if row.key}


def texts(of: Iterable[Row]) -> dict[str, str]:
    """Rows for people: label to text."""
    return {row.label: row.text for row in of if row.label}


@dataclass(frozen=True)
class Answer:
    """What a plan says.

    Attributes
    ----------
    content : dict
        For programs: plain values under stable keys.
    tables : list of Table
        For people, and every digit of them as CSV.
    notes : list of Note
        What a reader must know of it.
    headline : str
        A sentence above the tables.
    """

    content: dict[str, Any]
    tables: list[Table]
    notes: list[Note] = field(default_factory=list)
    headline: str = ""

    @classmethod
    def of(
        cls,
        quantities: Sequence[Row],
        notes: Sequence[Note],
        lists: Mapping[str, tuple[str, Sequence[Sequence[Row]]]] | None = None,
    ) -> Answer:
        """One row a quantity; below them tables of alternatives.

        Parameters
        ----------
        quantities : sequence of Row
        notes : sequence of Note
        lists : mapping, optional
            Key of a list of alternatives to its title and, for each, its rows.
        """
        lists = lists or {}
        named = [{"quantity": label, "value": text} for label, text in texts(quantities).items()]
        content: dict[str, Any] = dict(values(quantities))
        content |= {key: [values(row) for row in many] for key, (_, many) in lists.items()}
        every = [{"quantity": key} | _columns(value) for key, value in values(quantities).items()]
        below = [table(title, many) for title, many in lists.values()]
        return cls(content, [Table(named, values=every), *below], list(notes))


def table(title: str, of: Sequence[Sequence[Row]], every: int = 1) -> Table:
    """Rows of an answer as a table; people see one in every `every` of them."""
    return Table([texts(row) for row in of[::every]], title, [values(row) for row in of])


def _columns(value: Summary) -> dict[str, Any]:
    """A number or text as `value`; mean, median and interval of draws as they are named."""
    return dict(value) if isinstance(value, Mapping) else {"value": value}


def summary(value: Any, prob: float) -> Summary:
    """A number or text as it is; of draws `mean`, `median`, `lower` and `upper`.

    Along another dim, a list. What is infinite or undefined is None.
    """
    if value is None or isinstance(value, str):
        return value
    array = xr.DataArray(value)
    others = [str(dim) for dim in array.dims if dim not in SAMPLE_DIMS]
    if others:
        first = others[0]
        return [summary(array.isel({first: i}), prob) for i in range(array.sizes[first])]
    if not array.dims:
        return _finite(float(array))
    ends = interval_of(array, prob)
    return {name: _finite(float(ends[name])) for name in ("mean", "median", "lower", "upper")}


def interval_of(draws: xr.DataArray, prob: float) -> xr.Dataset:
    """Mean, median and interval of draws some of which are infinite; NaN between two of them."""
    with np.errstate(invalid="ignore"):
        return interval(draws, prob)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def with_unit(response: str) -> str:
    """A response with its unit: `loss (nats per token)`."""
    return COLUMNS[response].axis


def outside(fit: Fit, params: Any, tokens: Any) -> list[Note]:
    """A note where the median of an answer lies outside the data of its fit."""
    size = {"params": float(np.median(params)), "tokens": float(np.median(tokens))}
    values = {**fit.usual_inputs, **size, "unique_tokens": size["tokens"]}
    logs = {
        name: float(column.scaled(values[name])) - np.log(fit.centre[name])
        for name, column in fit.spec.inputs.items()
    }
    point = xr.Dataset({k: ("run", [v]) for k, v in logs.items()}, coords={"run": ["answer"]})
    return extrapolation_note(fit, distance(fit, point))
