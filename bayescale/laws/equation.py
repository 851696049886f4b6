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
from bayescale.runs.columns import COLUMNS, Column, of_kind

# Points at which a law is asked whether N and D count alike.
_POINTS = 16


def equation(
    name: str,
    definition: Mapping[str, str],
    supports: Mapping[str, Support],
    declared: Mapping[str, Column],
) -> Law:
    """A law from the text of its equation.

    Parameters
    ----------
    name : str
    definition : mapping
        `equation`, such as `E + A / params**alpha`; and, if it has one, its `source`.
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
    text = definition["equation"]
    known = {each: COLUMNS[each] for each in of_kind("input")} | dict(declared)
    try:
        formula = Formula.parse(text)
        inputs, parameters = _sorted(formula, supports, known)
    except ExpressionError as error:
        raise LawError(f"equation: {error}") from error
    columns = {each: known[each] for each in inputs}

    def mean(x: Values, theta: Values, xp: Any) -> Any:
        values = {each: column.unscaled(x[each], xp) for each, column in columns.items()}
        return formula.value({**values, **{each: theta[each] for each in parameters}}, xp)

    compute_only = _compute_only(mean, columns, parameters)
    return Law(
        name=name,
        title=definition.get("title", name),
        equation=f"y = {text}",
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


def _sorted(
    formula: Formula, supports: Mapping[str, Support], known: Mapping[str, Column]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The inputs and the parameters among a formula's names."""
    places = formula.places
    inputs, parameters = [], []
    for name, place in places.items():
        if name in known and name in supports:
            fail(formula.text, place, f"{name} is an input and has a prior; rename the parameter")
        if name in known:
            inputs.append(name)
        elif name in supports:
            parameters.append(name)
        else:
            problem = (
                f"{name} is no input and has no prior; add it under [priors], or declare it under "
                f"[inputs]; inputs are {listed(known)}"
            )
            fail(formula.text, place, problem)
    if not inputs:
        fail(formula.text, 0, f"it names no input, such as {listed(list(known)[:3])}")
    if not parameters:
        fail(formula.text, 0, "it names no parameter; give at least one of its names a prior")
    return tuple(inputs), tuple(parameters)


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
