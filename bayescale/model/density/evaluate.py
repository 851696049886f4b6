"""Evaluate: the value of nodes that depend on the design alone, in numpy, before sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescale.model.density.nodes import Dims, Node, topological

_FORMS: dict[str, Any] = {
    "neg": np.negative,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "abs": np.abs,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def evaluated(node: Node, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    """Value of a node in its dims.

    Parameters
    ----------
    node : Node
        Without sampled parameters or kernels.
    arrays : mapping
        The design's arrays by name, in the dims of their nodes.
    sizes : mapping
        Length of each dim.
    """
    values: dict[Node, Any] = {}
    for each in topological([node]):
        args = [values[arg] for arg in each.args]
        if each.op == "const":
            value: Any = each.detail
        elif each.op == "size":
            value = float(sizes[each.detail])
        elif each.op == "data":
            value = arrays[each.detail]
        elif each.op == "element":
            value = args[0][each.detail]
        elif each.op == "sum":
            value = args[0].sum(each.args[0].dims.index(each.detail))
        elif each.op == "gather":
            value = np.take(args[0], args[1], each.args[0].dims.index(each.detail))
        else:
            aligned = [_in(a, n.dims, each.dims) for a, n in zip(args, each.args, strict=True)]
            with np.errstate(all="ignore"):
                value = _FORMS[each.op](*aligned)
        values[each] = value
    return np.asarray(values[node], float)


def _in(value: Any, dims: Dims, wanted: Dims) -> Any:
    """An array with an axis of length 1 for each dim that it lacks; both are in order."""
    where = tuple(slice(None) if dim in dims else None for dim in wanted)
    return np.asarray(value)[where]
