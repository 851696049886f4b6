"""Gradient: from the nodes of a value, the nodes of its derivatives (reverse mode).

A derivative by a node may have fewer dims than the node: it is then the same along those it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bayescale.model.density.nodes import Node, const, summed, topological, widened

# From a kernel's call and the derivatives by its results, those by its arguments; None for what
# nothing depends on.
type Pullback = Callable[[Node, Mapping[Any, Node]], Sequence[Node | None]]


def gradient(root: Node, by: Sequence[Node], pullbacks: Mapping[str, Pullback]) -> list[Node]:
    """Derivatives of a value () by nodes, each in the dims of its node or fewer."""
    order = topological([root])
    needed = _dependent(order, by)
    total: dict[Node, Node] = {root: const(1)}
    results: dict[Node, dict[Any, Node]] = {}
    for node in reversed(order):
        if not node.args or node not in needed or not (node in total or node in results):
            continue
        if node.op == "out":
            results.setdefault(node.args[0], {})[node.detail] = total[node]
            continue
        for arg, slope in _pulled(node, total.get(node), results.get(node, {}), pullbacks):
            if slope is not None and arg in needed:
                total[arg] = total[arg] + slope if arg in total else slope
    return [total.get(node, const(0)) for node in by]


def _dependent(order: Sequence[Node], by: Sequence[Node]) -> set[Node]:
    found = set(by)
    for node in order:
        if any(arg in found for arg in node.args):
            found.add(node)
    return found


def _pulled(
    node: Node,
    slope: Any,
    results: Mapping[Any, Node],
    pullbacks: Mapping[str, Pullback],
) -> Iterator[tuple[Node, Node | None]]:
    """Each argument with the derivative by it, from that by the node."""
    if node.op == "call":
        yield from zip(node.args, pullbacks[node.detail](node, results), strict=True)
    elif node.op == "stack":  # a kernel's derivative by a vector is one
        for i, arg in enumerate(node.args):
            yield arg, slope[i]
    elif node.op == "gather":
        values, at = node.args
        yield values, Node("scatter", (widened(slope, node.dims), at), node.detail, values.dims)
    elif node.op == "sum":
        yield node.args[0], slope
    else:
        for arg, factor in zip(node.args, _slopes(node), strict=True):
            part = factor(slope)
            for dim in node.dims:
                if dim not in arg.dims:
                    part = summed(part, dim)
            yield arg, part


def _slopes(node: Node) -> Sequence[Callable[[Any], Any]]:  # noqa: PLR0911 - an operation a line
    """What each argument's derivative is of the node's."""
    if len(node.args) == 2:
        a, b = node.args
        match node.op:
            case "add":
                return (lambda s: s, lambda s: s)
            case "sub":
                return (lambda s: s, lambda s: -s)
            case "mul":
                return (lambda s: s * b, lambda s: s * a)
            case "div":
                return (lambda s: s / b, lambda s: -(s / b) * node)
            case "maximum" | "minimum":
                first = Node("first_chosen", (a, b), node.op, node.dims)
                return (lambda s: s * first, lambda s: s * (1 - first))
    (a,) = node.args
    match node.op:
        case "neg":
            return (lambda s: -s,)
        case "exp":
            return (lambda s: s * node,)
        case "log":
            return (lambda s: s / a,)
        case "log1p":
            return (lambda s: s / (1 + a),)
        case "expm1":
            return (lambda s: s * (node + 1),)
        case "sqrt":
            return (lambda s: s * 0.5 / node,)
        case "tanh":
            return (lambda s: s * (1 - node * node),)
        case "abs":
            return (lambda s: s * Node("sign", (a,), None, a.dims),)
        case "gammaln":
            return (lambda s: s * Node("digamma", (a,), None, a.dims),)
    raise AssertionError(node.op)
