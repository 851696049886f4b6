"""Condition: an expression that is true or false of each row of a table."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from bayescale.base.expression.formula import arithmetic
from bayescale.base.expression.nodes import (
    Comparison,
    Logic,
    Member,
    Missing,
    Name,
    Negation,
    Node,
    Number,
    Text,
    Truth,
)
from bayescale.base.expression.parser import Parser, fail
from bayescale.base.notes import listed

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

type Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Condition:
    """A condition over the columns of a table, such as `loss < 4 and family in ('a', 'b')`.

    Missing cells behave as in pandas: they are unequal to everything, and no other comparison
    with them holds.

    Attributes
    ----------
    text : str
    root : Node
        The expression's tree.
    places : dict
        Each column's name, and where it stands first in the text.
    """

    text: str
    root: Node
    places: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read a condition.

        Raises
        ------
        ExpressionError
            If the text is no condition, or names no column.
        """
        parser = Parser(text)
        root = parser.parse()
        if root.sort not in ("condition", "any"):
            parser.fail(root.place, f"a {root.sort} is not a condition; write one like loss < 4")
        if not parser.names:
            parser.fail(root.place, "no column is named; write a condition like loss < 4")
        return cls(text, root, parser.names)

    def require(self, known: Iterable[str]) -> None:
        """Raise an `ExpressionError` for the first column that is not among these."""
        known = list(known)
        for name, place in self.places.items():
            if name not in known:
                self._fail(place, f"no column is named {name}; there are {listed(known, 40)}")

    def mask(self, columns: Columns) -> np.ndarray:
        """Which rows fulfil the condition.

        Parameters
        ----------
        columns : mapping of str to ndarray
            Each (row). Numbers, booleans, or objects: text, numbers and booleans. What is missing
            is nan or None.

        Returns
        -------
        ndarray of bool
            (row).

        Raises
        ------
        ExpressionError
            If a column is unknown, or holds what cannot be compared or computed with.
        """
        self.require(columns)
        with np.errstate(all="ignore"):
            return np.asarray(self._truth(self.root, columns))

    def _fail(self, place: int, problem: str) -> Any:
        fail(self.text, place, problem)

    def _truth(self, node: Node, columns: Columns) -> Any:  # noqa: PLR0911 (a case a node)
        match node:
            case Truth(value=value):
                return np.bool_(value)
            case Name():
                return self._flags(node, columns[node.name])
            case Negation(operand=operand):
                return np.logical_not(self._truth(operand, columns))
            case Logic(operator=joined, operands=operands):
                masks = [self._truth(operand, columns) for operand in operands]
                return reduce(np.logical_and if joined == "and" else np.logical_or, masks)
            case Missing(operand=operand, negated=negated):
                return _missing(self._operand(operand, columns)) ^ negated
            case Member(operand=operand, items=items, negated=negated):
                return _contained(self._operand(operand, columns), items) ^ negated
            case Comparison(first=first, rest=rest):
                left, masks = self._operand(first, columns), []
                for symbol, other in rest:
                    right = self._operand(other, columns)
                    masks.append(self._compared(symbol, left, right, other.place))
                    left = right
                return reduce(np.logical_and, masks)
        raise TypeError(f"{type(node).__name__} is no condition")

    def _flags(self, name: Name, column: np.ndarray) -> np.ndarray:
        """A column of true and false, without which it is no condition."""
        if column.dtype == bool:
            return column
        hint = f"compare it, as in {name.name} == "
        if column.dtype != object:
            self._fail(name.place, f"{name.name} holds numbers and is not a condition; {hint}1")
        if not all(isinstance(cell, bool | np.bool_) for cell in column[~_missing(column)]):
            self._fail(name.place, f"{name.name} holds text and is not a condition; {hint}'text'")
        if _missing(column).any():
            self._fail(name.place, f"{name.name} is blank in some rows; {hint}true")
        return column.astype(bool)

    def _operand(self, node: Node, columns: Columns) -> Any:
        """A side of a comparison: a constant, a column, a truth or a computed number."""
        match node:
            case Number(value=value) | Text(value=value):
                return value
            case Name(name=name):
                return columns[name]
        if node.sort == "condition":
            return self._truth(node, columns)
        return arithmetic(node, lambda name: self._numbers(name, columns[name.name]), np)

    def _numbers(self, name: Name, column: np.ndarray) -> np.ndarray:
        """A column as floats: products of whole numbers must not overflow."""
        if column.dtype != object:
            return column.astype(float)
        kept = ~_missing(column)
        for cell in column[kept]:
            if isinstance(cell, str) or not abs(cell) < 1e308:
                self._fail(name.place, f"{name.name} holds {_shown(cell)}, which is no number")
        values = np.full(column.shape, np.nan)
        values[kept] = column[kept].astype(float)
        return values

    def _compared(self, symbol: str, left: Any, right: Any, place: int) -> Any:
        compare = _COMPARE[symbol]
        if not (_holds_objects(left) or _holds_objects(right)):
            return compare(left, right)
        left, right = np.broadcast_arrays(*(np.asarray(side, object) for side in (left, right)))
        absent = _missing(left) | _missing(right)
        mask = np.full(left.shape, symbol == "!=")
        for i in np.ndindex(left.shape):
            if absent[i]:
                continue
            a, b = left[i], right[i]
            if symbol not in ("==", "!=") and isinstance(a, str) is not isinstance(b, str):
                problem = f"{_shown(a)} {symbol} {_shown(b)} compares text with a number"
                self._fail(place, problem)
            mask[i] = compare(a, b)
        return mask


def _holds_objects(side: Any) -> bool:
    return isinstance(side, str) or (isinstance(side, np.ndarray) and side.dtype == object)


def _missing(side: Any) -> np.ndarray:
    """What is None or nan."""
    side = np.asarray(side)
    if side.dtype == object:
        flags = [cell is None or cell != cell for cell in side.ravel()]  # noqa: PLR0124
        return np.array(flags, bool).reshape(side.shape)
    return np.isnan(side) if side.dtype.kind == "f" else np.zeros(side.shape, bool)


def _contained(side: Any, items: tuple[Any, ...]) -> np.ndarray:
    side = np.asarray(side)
    if side.dtype == object or side.dtype.kind == "U":
        among = frozenset(items)
        flags = [cell in among for cell in side.ravel()]
        return np.array(flags, bool).reshape(side.shape)
    masks = [side == item for item in items if not isinstance(item, str)]
    return np.logical_or.reduce(masks) if masks else np.zeros(side.shape, bool)


def _shown(cell: Any) -> str:
    return repr(cell[:40]) if isinstance(cell, str) else f"{cell}"
