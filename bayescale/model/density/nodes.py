"""Nodes: an expression over named dims, recorded while a law or a prior is evaluated.

A law's equation, a prior's log density and the noise's are written once, for any module that
supplies `exp`, `log` and the like. Evaluated with `Recorder` in place of numpy they leave a graph
of nodes, from which `gradient` makes that of the derivatives and `source` a loop to be compiled.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any
from weakref import WeakValueDictionary

from bayescale.base.errors import LawError

Dims = tuple[str, ...]

# Of one argument, each with its value for a number.
UNARY: dict[str, Callable[[float], float]] = {
    "neg": lambda a: -a,
    "exp": math.exp,
    "log": math.log,
    "log1p": math.log1p,
    "expm1": math.expm1,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "abs": abs,
    "gammaln": math.lgamma,
}
BINARY: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": max,
    "minimum": min,
}

# Exponents that a base of any sign may have.
_WHOLE = range(-6, 7)

# Those of this process.
_NODES: WeakValueDictionary[Any, Node] = WeakValueDictionary()


def ordered(dims: Iterable[str]) -> Dims:
    """Dims in the order in which arrays have them: runs first, corpora last."""
    return tuple(sorted(set(dims), key=lambda dim: (dim != "run", dim == "corpus", dim)))


class Node:
    """A value: what it is made of, and the dims along which it varies. Equal nodes are one object.

    Attributes
    ----------
    op : str
        `const`, `param` (of the vector that is sampled), `data`, `size` (of a dim), `element` (of a
        vector), `gather` (a group's value at each run), `sum` (over a dim), `scatter` (sums over a
        group's runs), `stack` (of scalars),
        `call` (of a kernel), `out` (one of its results), or arithmetic.
    args : tuple of Node
    detail : hashable
        What else decides it: a number, a name, a dim.
    dims : tuple of str
    """

    __slots__ = ("__weakref__", "args", "detail", "dims", "op")
    __array_ufunc__ = None  # numpy's numbers leave arithmetic to the node

    op: str
    args: tuple[Node, ...]
    detail: Any
    dims: Dims

    def __new__(cls, op: str, args: tuple[Node, ...], detail: Any, dims: Dims) -> Node:
        """The node of these, which may be there already."""
        key = (op, tuple(map(id, args)), detail, dims)
        node = _NODES.get(key)
        if node is None:
            node = super().__new__(cls)
            node.op, node.args, node.detail, node.dims = op, args, detail, dims
            _NODES[key] = node
        return node

    def __repr__(self) -> str:
        return f"<{self.op} {self.detail or ''} {self.dims}>"

    @property
    def number(self) -> float | None:
        """Its value, if it is a number."""
        return self.detail if self.op == "const" else None

    def __add__(self, other: Any) -> Any:
        return binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return binary("div", other, self)

    def __neg__(self) -> Any:
        return unary("neg", self)

    def __abs__(self) -> Any:
        return unary("abs", self)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int | float) and other in _WHOLE:
            powers = [self] * int(abs(other))
            product = reduce(operator.mul, powers, const(1))
            return product if other >= 0 else 1 / product
        if other == 0.5:
            return unary("sqrt", self)
        return unary("exp", other * unary("log", self))  # of a positive base

    def __rpow__(self, other: Any) -> Any:
        return unary("exp", self * unary("log", other))

    def isel(self, index: Mapping[str, Node]) -> Node:
        """A group's values at each run, as of a DataArray."""
        ((group, at),) = index.items()
        if group not in self.dims:
            return self
        dims = ordered(({*self.dims} - {group}) | {*at.dims})
        return Node("gather", (self, at), group, dims)

    def sum(self, dim: str | None = None) -> Any:
        """The sum over one dim, or over all."""
        total: Any = self
        for each in self.dims if dim is None else (dim,):
            total = summed(total, each)
        return total

    def __getitem__(self, position: int) -> Node:
        """An element of a vector of the design."""
        return Node("element", (self,), position, ())


def const(value: Any) -> Node:
    """A number as a node."""
    return value if isinstance(value, Node) else Node("const", (), float(value), ())


def param(name: str, dims: Dims) -> Node:
    """What is sampled, without bounds."""
    return Node("param", (), name, dims)


def data(name: str, dims: Iterable[str]) -> Node:
    """An array of the design."""
    return Node("data", (), name, ordered(dims))


def call(kernel: str, *args: Any, after: Node | None = None) -> Node:
    """A kernel with its arguments; `out` takes its results.

    `after` is the kernel whose results, beside these arguments, it takes from the workspace.
    """
    earlier = () if after is None else (after,)
    return Node("call", (*map(const, args), *earlier), kernel, ())


def out(made: Node, field: str, element: int | None = None, dims: Dims = ()) -> Node:
    """An array that a kernel leaves in the workspace, or an element (a row, with dims) of it."""
    return Node("out", (made,), (field, element), dims)


def stack(values: Iterable[Any]) -> Node:
    """A vector of scalars, or rows of one length, for a kernel."""
    return Node("stack", tuple(map(const, values)), None, ())


def summed(node: Any, dim: str) -> Node:
    """The sum over a dim, which the node need not have."""
    node = const(node)
    if dim in node.dims:
        return Node("sum", (node,), dim, tuple(d for d in node.dims if d != dim))
    return node * Node("size", (), dim, ())


def widened(node: Node, dims: Dims) -> Node:
    """The same along each of these dims that the node lacks."""
    return node if set(node.dims) == set(dims) else Node("wide", (node,), None, dims)


def unary(op: str, value: Any) -> Any:
    """A function of one argument, a number where that is one."""
    if not isinstance(value, Node):
        return UNARY[op](float(value))
    if value.number is not None:
        return const(UNARY[op](value.number))
    if (op, value.op) in {("log", "exp"), ("exp", "log"), ("neg", "neg")}:
        return value.args[0]
    return Node(op, (value,), None, value.dims)


def binary(op: str, left: Any, right: Any) -> Any:
    """A function of two arguments, simpler where one of them is 0 or 1."""
    if not (isinstance(left, Node) or isinstance(right, Node)):
        return BINARY[op](float(left), float(right))
    a, b = const(left), const(right)
    x, y = a.number, b.number
    if x is not None and y is not None:
        return const(BINARY[op](x, y))
    simpler: dict[str, tuple[tuple[bool, Any], ...]] = {
        "add": ((x == 0, b), (y == 0, a)),
        "sub": ((y == 0, a), (x == 0, -b)),
        "mul": ((x == 0 or y == 0, const(0)), (x == 1, b), (y == 1, a), (x == -1, -b)),
        "div": ((y == 1, a), (x == 0, const(0))),
    }
    for holds, result in simpler.get(op, ()):
        if holds:
            return result
    return Node(op, (a, b), None, ordered(a.dims + b.dims))


class Recorder:
    """Functions as numpy has them, of nodes or of numbers; what a law's equation may use."""

    def __getattr__(self, name: str) -> Any:
        if name in UNARY and name != "neg":
            return lambda value: unary(name, value)
        if name in ("maximum", "minimum"):
            return lambda left, right: binary(name, left, right)
        known = ", ".join([*(n for n in UNARY if n != "neg"), "maximum", "minimum"])
        raise LawError(f"an equation cannot use xp.{name}; it can use {known}")


def topological(roots: Iterable[Node]) -> list[Node]:
    """All nodes that the roots are made of, each after its arguments."""
    found: dict[Node, None] = {}
    stack = [(root, False) for root in roots]
    while stack:
        node, ready = stack.pop()
        if node in found:
            continue
        if ready:
            found[node] = None
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in node.args)
    return list(found)
