"""Equation: a law that a spec writes as text, in the units of its inputs.

Its unknowns are the names that have a prior; nothing of it is centred or executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescale.base.errors import LawError
from bayescale.base.expression import ExpressionError, Formula, fail
from bayescale.base.notes import listed
from bayescale.laws.base import Law, Parameter, Support, Values
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS, of_kind

# Points at which a law is asked whether N and D count alike.
_POINTS = 16


def equation(
    name: str,
    definition: Mapping[str, Any],
    supports: Mapping[str, Support],
    declared: Mapping[str, Column],
) -> Law:
    """A law from the text of its equation.

    Parameters
    ----------
    name : str
    definition : mapping
        `equation`, such as `E + A / params**alpha`; and, if it has them, its `title`, its
        `source` and, under `where`, names for parts of it, each a formula of those before it.
    supports : mapping
        Each unknown that has a prior, to where that puts its mass; others are ignored.
    declared : mapping
        Inputs beside those of `bayescale.runs.columns`, by name.

    Returns
    -------
    Law
        Its inputs are not centred.

    Raises
    ------
    LawError
        If the text is no formula, or a name in it is neither an input nor has a prior.

    Examples
    --------
    >>> equation(
    ...     "bowl",
    ...     {"equation": "E + A / params**alpha + g * (log(batch) - b)**2"},
    ...     {"E": "positive", "A": "positive", "alpha": "positive", "g": "positive", "b": "real"},
    ...     {"batch": Column("batch", "input", "batch", "sequences", 1, 1e6, "log")},
    ... )
    """
    known = {each: COLUMNS[each] for each in of_kind("input")} | dict(declared)
    parts: dict[str, Formula] = {}
    names = _Names(supports, known)
    for part, text in {**definition.get("where", {}), "equation": definition["equation"]}.items():
        try:
            parts[part] = Formula.parse(text)
            names.take(part, parts[part])
        except ExpressionError as error:
            raise LawError(f"law {part}: {error}") from error
    inputs, parameters = names.checked(definition["equation"])
    columns = {each: known[each] for each in inputs}

    def mean(x: Values, theta: Values, xp: Any) -> Any:
        values = {each: column.unscaled(x[each], xp) for each, column in columns.items()}
        values |= {each: theta[each] for each in parameters}
        for part, formula in parts.items():
            values[part] = formula.value(values, xp)
        return values["equation"]

    compute_only = _compute_only(mean, columns, parameters)
    return Law(
        name=name,
        title=definition.get("title", name),
        equation=_written(definition),
        citation=definition.get("source", "an equation of the spec"),
        parameters=tuple(
            Parameter(each, supports[each], f"{each} of the equation") for each in parameters
        ),
        mean=mean,
        published=lambda theta, _: {each: theta[each] for each in parameters},
        sampled=lambda constants, _: {each: constants[each] for each in parameters},
        units={each: f"{each} of the equation" for each in parameters},
        compute_only=compute_only,
        has_optimum=set(inputs) == {"params", "tokens"} and not compute_only,
        inputs=inputs,
        centred=False,
        definition=dict(definition),
    )


class _Names:
    """The names of a law's parts, its inputs, and its parameters in the order of their priors."""

    def __init__(self, supports: Mapping[str, Support], known: Mapping[str, Column]) -> None:
        self._supports, self._known = supports, known
        self._parts: list[str] = []
        self._inputs: dict[str, None] = {}
        self._parameters: dict[str, None] = {}

    def take(self, part: str, formula: Formula) -> None:
        """Sort the names of one part; an `ExpressionError` names the place of one that is none."""
        for name, place in formula.places.items():
            is_input, is_unknown = name in self._known, name in self._supports
            if is_input and is_unknown:
                problem = f"{name} is an input and has a prior; rename the parameter"
                fail(formula.text, place, problem)
            if is_input:
                self._inputs[name] = None
            elif is_unknown:
                self._parameters[name] = None
            elif name not in self._parts:
                problem = (
                    f"{name} is no input and has no prior; add it under [priors], or declare it "
                    f"under [inputs]; inputs are {listed(self._known)}"
                )
                fail(formula.text, place, problem)
        taken = part in self._known or part in self._supports
        if taken or (part == "equation" and part in self._parts):
            fail(formula.text, 0, f"{part} is an input or has a prior; give the part another name")
        self._parts.append(part)

    def checked(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Inputs and parameters; a `LawError` where there are none of either."""
        if not self._inputs:
            some = listed(list(self._known)[:3])
            raise LawError(f"law equation: '{text[:80]}' names no input, such as {some}")
        if not self._parameters:
            raise LawError(f"law equation: '{text[:80]}' names nothing that has a prior")
        return (
            tuple(name for name in self._known if name in self._inputs),
            tuple(name for name in self._supports if name in self._parameters),
        )


def _written(definition: Mapping[str, Any]) -> str:
    parts = [f"{name} = {text}" for name, text in definition.get("where", {}).items()]
    return "; ".join([f"y = {definition['equation']}", *parts])


def _compute_only(mean: Any, columns: Mapping[str, Column], parameters: tuple[str, ...]) -> bool:
    """True if the law sees the product of parameters and tokens, and nothing else."""
    if set(columns) != {"params", "tokens"}:
        return False
    rng = np.random.default_rng(0)
    theta = {name: rng.uniform(0.1, 0.9, _POINTS) for name in parameters}
    size, length = rng.uniform(5, 15, _POINTS), rng.uniform(15, 25, _POINTS)
    with np.errstate(all="ignore"):
        base, larger, longer = (
            mean({"params": size + n, "tokens": length + d}, theta, np)
            for n, d in ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0))
        )
    alike = np.allclose(larger, longer, rtol=1e-9, equal_nan=True)
    return bool(alike) and not np.allclose(base, larger, rtol=1e-12, equal_nan=True)
