"""CompiledOp: an operation of PyTensor's graphs that is one compiled loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key


class CompiledOp(Op):  # type: ignore[misc]
    """Vectors and matrices in, vectors and matrices out, by one loop.

    Attributes
    ----------
    loop : callable
        Compiled by `loops.compiled`; gives a tuple where there are several results.
    results : str
        Kinds of its results in order: `v` for a vector, `m` for a matrix.
    """

    __props__ = ()
    loop: ClassVar[Callable[..., Any]]
    results: ClassVar[str]

    def __init_subclass__(cls) -> None:
        # PyTensor keeps compiled functions on disk; these change with the files of this folder.
        files = sorted(Path(__file__).parent.glob("*.py"))
        source = b"".join(file.read_bytes() for file in files)
        version = int.from_bytes(hashlib.sha256(source).digest()[:6])
        register_funcify_default_op_cache_key(cls)(lambda op, **_: (type(op).loop, version))

    def make_node(self, *inputs: Any) -> Apply:  # noqa: D102 - PyTensor's
        kinds = {"v": pt.vector(dtype="float64").type, "m": pt.matrix(dtype="float64").type}
        tensors = [pt.as_tensor(value, dtype="float64") for value in inputs]
        return Apply(self, tensors, [kinds[kind]() for kind in self.results])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:  # noqa: D102
        values = type(self).loop(*inputs)
        values = values if len(storage) > 1 else [values]
        for cell, value in zip(storage, values, strict=True):
            cell[0] = value


def connected(results: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
    """Gradients by results, zeros for a result on which nothing depends."""
    return [
        result.zeros_like() if isinstance(gradient.type, DisconnectedType) else gradient
        for result, gradient in zip(results, gradients, strict=True)
    ]
