"""Source: nodes as the text of a function that Numba compiles, in as few loops as they allow.

Values of the same dims that need nothing but each other share a loop. A value that needs a finished
sum, another loop's array or a kernel's result comes at a later level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bayescale.model.density.kernels import FIELDS, INPUTS
from bayescale.model.density.nodes import Dims, Node, topological

_LEAVES = ("const", "param", "data", "size", "element")
_REDUCTIONS = ("sum", "scatter")
# Lengths that a kernel is told.
_SIZES = ("n_run", "n_inducing", "n_law")
_EXPRESSIONS = {
    "neg": "-{0}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "maximum": "max({0}, {1})",
    "minimum": "min({0}, {1})",
    "abs": "abs({0})",
    "sign": "math.copysign(1.0, {0})",
    "gammaln": "math.lgamma({0})",
    "digamma": "digamma({0})",
    "wide": "{0}",
    **{name: f"math.{name}({{0}})" for name in ("exp", "log", "log1p", "expm1", "sqrt", "tanh")},
}


@dataclass(frozen=True)
class Store:
    """A value that the function leaves in an array: `target[start + position]`.

    `g` holds the derivatives and `e` what else a draw holds.
    """

    target: Literal["g", "e"]
    start: str
    node: Node


@dataclass(frozen=True)
class Layout:
    """Where the function finds things.

    Attributes
    ----------
    params : mapping
        Name of each block of the sampled vector to its dims, in the vector's order.
    floats, indices : mapping
        Name of each array of the design to its dims, in order.
    axes : int
        Of the discrepancy; 0 without one.
    """

    params: Mapping[str, Dims]
    floats: Mapping[str, Dims]
    indices: Mapping[str, Dims]
    axes: int

    @property
    def sizes(self) -> list[str]:
        """The dims, in the order in which the function gets their lengths."""
        all_dims = [*self.params.values(), *self.floats.values(), *self.indices.values()]
        return list(dict.fromkeys(dim for dims in all_dims for dim in dims))

    def lines(self) -> list[str]:
        """Assignments of every length and of every start."""
        lines = [f"n_{safe(dim)} = sizes[{i}]" for i, dim in enumerate(self.sizes)]
        for prefix, arrays in (("x", self.params), ("d", self.floats), ("k", self.indices)):
            start = "0"
            for name, dims in arrays.items():
                lines.append(f"{prefix}_{safe(name)} = {start}")
                start = f"{prefix}_{safe(name)} + {length(dims)}"
        return lines


def safe(name: str) -> str:
    """A name that Python takes."""
    return "".join(c if c.isalnum() else "_" for c in name)


def length(dims: Dims) -> str:
    """How many values an array of these dims has, in the function's terms."""
    return " * ".join(f"n_{safe(dim)}" for dim in dims) or "1"


def _place(dims: Dims, instead: Mapping[str, str] | None = None) -> str:
    """Position in an array, from the loops' variables."""
    place = ""
    for dim in dims:
        here = (instead or {}).get(dim, f"i_{safe(dim)}")
        place = f"({place}) * n_{safe(dim)} + {here}" if place else here
    return place or "0"


class _Writer:
    def __init__(self, layout: Layout, stores: Sequence[Store], value: Node) -> None:
        self.layout, self.stores, self.value = layout, stores, value
        roots = [*(store.node for store in stores), value]
        self.nodes = [n for n in topological(roots) if n.op not in _LEAVES and n.op != "stack"]
        self.names = {node: f"v{i}" for i, node in enumerate(self.nodes)}
        self.level: dict[Node, int] = {}
        for node in self.nodes:
            self.level[node] = self._level_of(node)
        self.kept = self._needed_elsewhere()
        self.starts = {node: f"w{i}" for i, node in enumerate(self.kept)}

    # When a value is there

    def _level_of(self, node: Node) -> int:
        if node.op == "out":
            return self.level[node.args[0]]
        if node.op == "call":
            return max((self._after(part) for part in _parts(node)), default=0)
        level = 0
        for position, arg in enumerate(node.args):
            if arg.op in _LEAVES:
                continue
            if arg.op == "out":
                later = self.level[arg]
            elif arg.op in _REDUCTIONS or (node.op == "gather" and position == 0):
                later = self._after(arg)
            elif not arg.dims or arg.dims == self._loop_dims(node):
                later = self.level[arg]
            else:
                later = self._after(arg)
            level = max(level, later)
        return level

    def _after(self, node: Node) -> int:
        if node.op in _LEAVES:
            return 0
        return self.level[node] if node.op == "out" else self.level[node] + 1

    def _loop_dims(self, node: Node) -> Dims:
        return node.args[0].dims if node.op in _REDUCTIONS else node.dims

    def _loop(self, node: Node) -> tuple[int, Dims]:
        return self.level[node], self._loop_dims(node)

    def _needed_elsewhere(self) -> list[Node]:
        """Arrays that must be kept: sums along part of the dims, and what another loop reads."""
        kept: dict[Node, None] = {}
        for node in self.nodes:
            if node.op in _REDUCTIONS and node.dims:
                kept[node] = None
            for arg in _parts(node):
                if arg in self.names and arg.dims and arg.op != "out":
                    one_loop = self._loop(arg) == self._loop(node)
                    local = one_loop and node.op not in ("call", "gather")
                    if not local or arg.op in _REDUCTIONS:
                        kept[arg] = None
        for store in self.stores:
            node = store.node
            if node in self.names and node.dims and node.op != "out":
                kept[node] = None
        return list(kept)

    # How a value is read

    def read(self, node: Node, loop: tuple[int, Dims] | None) -> str:  # noqa: PLR0911
        match node.op:
            case "const":
                if math.isinf(node.detail):
                    return f"math.copysign(math.inf, {math.copysign(1, node.detail)})"
                return f"({node.detail!r})"
            case "size":
                return f"n_{safe(node.detail)}"
            case "param":
                return f"x[x_{safe(node.detail)} + {_place(node.dims)}]"
            case "data":
                return f"d[d_{safe(node.detail)} + {_place(node.dims)}]"
            case "element":
                return f"d[d_{safe(node.args[0].detail)} + {node.detail}]"
            case "out":
                field, element = node.detail
                place = _place(node.dims)
                if element is not None:
                    place = f"{element} * {length(node.dims)} + {place}"
                return f"q[q_{field} + {place}]"
        elsewhere = node.op in _REDUCTIONS or loop != self._loop(node)
        if node.dims and node in self.starts and elsewhere:
            return f"w[{self.starts[node]} + {_place(node.dims)}]"
        return self.names[node]

    def given(self, field: str, node: Node) -> list[str]:
        """A kernel's argument, put into the workspace."""
        if node.op == "stack":
            lines: list[str] = []
            for i, arg in enumerate(node.args):
                place = f"{i} * {length(arg.dims)} + {_place(arg.dims)}"
                lines += _looped(arg.dims, [f"q[q_{field} + {place}] = {self.read(arg, None)}"])
            return lines
        line = f"q[q_{field} + {_place(node.dims)}] = {self.read(node, None)}"
        return _looped(node.dims, [line])

    def assign(self, node: Node, loop: tuple[int, Dims]) -> list[str]:
        name = self.names[node]
        if node.op == "sum":
            value = self.read(node.args[0], loop)
            target = f"w[{self.starts[node]} + {_place(node.dims)}]" if node.dims else name
            return [f"{target} += {value}"]
        if node.op == "scatter":
            at = node.args[1]
            index = f"k[k_{safe(at.detail)} + {_place(at.dims)}]"
            place = _place(node.dims, {node.detail: index})
            return [f"w[{self.starts[node]} + {place}] += {self.read(node.args[0], loop)}"]
        if node.op == "gather":
            values, at = node.args
            index = f"k[k_{safe(at.detail)} + {_place(at.dims)}]"
            place = _place(values.dims, {node.detail: index})
            source = {
                "param": f"x[x_{safe(str(values.detail))} + {place}]",
                "data": f"d[d_{safe(str(values.detail))} + {place}]",
            }.get(values.op, f"w[{self.starts.get(values)} + {place}]")
            value = source
        elif node.op == "first_chosen":
            one, other = (self.read(arg, loop) for arg in node.args)
            sign = ">=" if node.detail == "maximum" else "<="
            value = f"1.0 if {one} {sign} {other} else 0.0"
        else:
            value = _EXPRESSIONS[node.op].format(*(self.read(arg, loop) for arg in node.args))
        lines = [f"{name} = {value}"]
        if node in self.starts:
            lines.append(f"w[{self.starts[node]} + {_place(node.dims)}] = {name}")
        return lines

    # The function

    def write(self) -> str:
        lines = self.layout.lines() + self._workspace()
        total = "0"
        for node in self.kept:
            lines.append(f"{self.starts[node]} = {total}")
            total = f"{self.starts[node]} + {length(node.dims)}"
        lines.append(f"w = np.zeros({total})")
        lines += [
            f"{self.names[node]} = 0.0"
            for node in self.nodes
            if node.op in _REDUCTIONS and not node.dims
        ]
        pending, extras = list(self.stores), list[Store]()
        for level in range(max(self.level.values(), default=0) + 2):
            lines += self._calls(level)
            here = [n for n in self.nodes if self.level[n] == level and n.op not in ("call", "out")]
            scalars = [n for n in here if not self._loop_dims(n)]
            for node in scalars:
                lines += self.assign(node, (level, ()))
            loops = dict.fromkeys(self._loop_dims(n) for n in here if self._loop_dims(n))
            for dims in loops:
                inside = [n for n in here if self._loop_dims(n) == dims]
                body = [line for node in inside for line in self.assign(node, (level, dims))]
                lines += _looped(dims, body)
            ready = [s for s in pending if self._after(s.node) <= level]
            pending = [s for s in pending if s not in ready]
            lines += self._stored([s for s in ready if s.target == "g"])
            extras += [s for s in ready if s.target == "e"]
            if extras and not any(s.target == "e" for s in pending):
                lines += ["if len(e):", *("    " + line for line in self._stored(extras))]
                lines += ["    return 0"]
                extras = []
        lines.append(f"value = {self.read(self.value, None)}")
        return "\n".join(lines)

    def _calls(self, level: int) -> list[str]:
        lines: list[str] = []
        for node in self.nodes:
            if node.op == "call" and self.level[node] == level:
                for field, arg in zip(INPUTS[node.detail], node.args, strict=False):
                    lines += self.given(field, arg)
                number = list(INPUTS).index(node.detail)
                sizes = ", ".join((*_SIZES, str(self.layout.axes)))
                lines.append(f"invoke(kernels[{number}], q.ctypes.data, {sizes})")
        return lines

    def _workspace(self) -> list[str]:
        if not any(node.op == "call" for node in self.nodes):
            return []
        start, lines = "0", list[str]()
        for field, shape in FIELDS.items():
            lines.append(f"q_{field} = {start}")
            sizes = dict(zip("nmpk", (*_SIZES, str(self.layout.axes)), strict=True))
            long = " * ".join("".join(sizes.get(c, c) for c in part) for part in shape)
            start = f"q_{field} + {long}"
        return [*lines, f"q = np.empty({start})"]

    def _stored(self, stores: Sequence[Store]) -> list[str]:
        lines: list[str] = []
        for store in stores:
            place = _place(store.node.dims)
            line = f"{store.target}[{store.start} + {place}] = {self.read(store.node, None)}"
            lines += _looped(store.node.dims, [line])
        return lines


def _parts(node: Node) -> list[Node]:
    """A node's arguments, those of a stack in its place."""
    return [p for arg in node.args for p in (arg.args if arg.op == "stack" else (arg,))]


def _looped(dims: Dims, body: Sequence[str]) -> list[str]:
    if not body:
        return []
    lines = [
        "    " * depth + f"for i_{safe(dim)} in range(n_{safe(dim)}):"
        for depth, dim in enumerate(dims)
    ]
    return lines + ["    " * len(dims) + line for line in body]


def written(layout: Layout, stores: Sequence[Store], value: Node) -> str:
    """Text that fills `g` and sets `value`, given x, g, e, d, k, kernels and sizes.

    Where `e` has a length it fills that alone, which takes less, and returns 0.

    Parameters
    ----------
    layout : Layout
        `x` holds its params, `d` its floats and `k` its indices; `sizes` the lengths of its dims;
        `kernels` the addresses of `kernels.INPUTS`.
    stores : sequence of Store
    value : Node
        ().
    """
    return _Writer(layout, stores, value).write()
