"""Nodes: the frozen tree of an expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Sort = Literal["number", "text", "condition", "any"]
type Constant = float | int | str | bool


@dataclass(frozen=True)
class Node:
    """A part of an expression; `place` is where it starts in the text, counted from 0."""

    sort: ClassVar[Sort]
    place: int


@dataclass(frozen=True)
class Number(Node):
    """A literal number."""

    sort = "number"
    value: float | int


@dataclass(frozen=True)
class Text(Node):
    """Text in quotes."""

    sort = "text"
    value: str


@dataclass(frozen=True)
class Truth(Node):
    """`true` or `false`."""

    sort = "condition"
    value: bool


@dataclass(frozen=True)
class Name(Node):
    """A column or a parameter."""

    sort = "any"
    name: str


@dataclass(frozen=True)
class Negative(Node):
    """Unary minus."""

    sort = "number"
    operand: Node


@dataclass(frozen=True)
class Arithmetic(Node):
    """A sum or a product, from left to right: `first`, then pairs of operator and operand."""

    sort = "number"
    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Power(Node):
    """`base ** exponent`."""

    sort = "number"
    base: Node
    exponent: Node


@dataclass(frozen=True)
class Call(Node):
    """One of `FUNCTIONS`."""

    sort = "number"
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Comparison(Node):
    """Comparisons that must all hold: `first`, then pairs of operator and operand."""

    sort = "condition"
    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Member(Node):
    """`operand in (...)`, or `not in`."""

    sort = "condition"
    operand: Node
    items: tuple[Constant, ...]
    negated: bool


@dataclass(frozen=True)
class Missing(Node):
    """`isnull(operand)`, or `notnull`."""

    sort = "condition"
    operand: Node
    negated: bool


@dataclass(frozen=True)
class Negation(Node):
    """`not` of a condition."""

    sort = "condition"
    operand: Node


@dataclass(frozen=True)
class Logic(Node):
    """Conditions joined by `and`, or by `or`."""

    sort = "condition"
    operator: Literal["and", "or"]
    operands: tuple[Node, ...]
