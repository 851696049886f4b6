"""Formula: a numeric expression of named quantities, for numpy and for a graph alike."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from bayescale.base.expression.nodes import Arithmetic, Call, Name, Negative, Node, Number, Power
from bayescale.base.expression.parser import Parser, fail
from bayescale.base.notes import listed

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}


@dataclass(frozen=True)
class Formula:
    """A numeric expression, such as `E + A / params**alpha`.

    Attributes
    ----------
    text : str
    root : Node
        The expression's tree.
    places : mapping
        Each name that it is computed from, to where it stands first, counted from 0.
    """

    text: str
    root: Node
    places: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Read a formula.

        Raises
        ------
        ExpressionError
            If the text is no numeric expression.
        """
        parser = Parser(text)
        root = parser.parse()
        if root.sort not in ("number", "any"):
            parser.fail(root.place, f"a {root.sort} where a number is needed")
        return cls(text, root, dict(parser.names))

    def value(self, values: Mapping[str, Any], xp: Any = np) -> Any:
        """The formula's value.

        Parameters
        ----------
        values : mapping
            Name to an array, a DataArray or a variable of a graph; all broadcast together.
        xp : module
            Supplies `log`, `exp`, `sqrt`, `abs`, `minimum` and `maximum` for such values: numpy,
            or `pytensor.tensor`.

        Raises
        ------
        ExpressionError
            If a name has no value.
        """

        def lookup(name: Name) -> Any:
            if name.name not in values:
                problem = f"{name.name} is unknown; known: {listed(map(str, values))}"
                fail(self.text, name.place, problem)
            return values[name.name]

        return arithmetic(self.root, lookup, xp)


def arithmetic(node: Node, lookup: Callable[[Name], Any], xp: Any) -> Any:
    """The value of a numeric tree; what is out of range becomes infinite or nan, and no warning."""
    with np.errstate(all="ignore"):
        return _value(node, lookup, xp)


def _value(node: Node, lookup: Callable[[Name], Any], xp: Any) -> Any:  # noqa: PLR0911 (a case a node)
    match node:
        case Number(value=number):
            return float(number)
        case Name():
            return lookup(node)
        case Negative(operand=operand):
            return -_value(operand, lookup, xp)
        case Arithmetic(first=first, rest=rest):
            total = _value(first, lookup, xp)
            for symbol, operand in rest:
                total = _applied(symbol, total, _value(operand, lookup, xp))
            return total
        case Power(base=base, exponent=exponent):
            return _applied("**", _value(base, lookup, xp), _value(exponent, lookup, xp))
        case Call(function=function, arguments=arguments):
            numbers = [_value(argument, lookup, xp) for argument in arguments]
            if function in ("min", "max"):
                return reduce(xp.minimum if function == "min" else xp.maximum, numbers)
            return getattr(xp, function)(numbers[0])
    raise TypeError(f"{type(node).__name__} is no numeric expression")


def _applied(symbol: str, left: Any, right: Any) -> Any:
    if isinstance(left, float) and isinstance(right, float):
        # Python's own floats raise where numpy's become infinite or nan.
        return float(_OPERATORS[symbol](np.float64(left), np.float64(right)))
    return _OPERATORS[symbol](left, right)
