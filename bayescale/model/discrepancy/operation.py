"""Looped: operations of PyTensor's graphs that are one compiled loop each."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from bayescale.model.discrepancy import kernels as loops


class Looped(Op):  # type: ignore[misc]
    """Vectors and matrices in, vectors and matrices out, by one loop.

    Attributes
    ----------
    loop : callable
        Compiled by `loops.loop`.
    results : str
        What it gives back: `v` for a vector, `m` for a matrix, in order.
    """

    __props__ = ()
    loop: ClassVar[Callable[..., Any]]
    results: ClassVar[str]

    def __init_subclass__(cls) -> None:
        # PyTensor keeps compiled functions on disk; these change with the files of their loops.
        files = [sys.modules[cls.__module__].__file__, loops.__file__]
        whole = b"".join(Path(str(file)).read_bytes() for file in files)
        version = int.from_bytes(hashlib.sha256(whole).digest()[:6])
        register_funcify_default_op_cache_key(cls)(lambda op, **_: (type(op).loop, version))

    def make_node(self, *inputs: Any) -> Apply:  # noqa: D102 - PyTensor's
        kinds = {"v": pt.vector(dtype="float64").type, "m": pt.matrix(dtype="float64").type}
        tensors = [pt.as_tensor(x, dtype="float64") for x in inputs]
        return Apply(self, tensors, [kinds[kind]() for kind in self.results])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:  # noqa: D102
        for place, value in zip(storage, type(self).loop(*inputs), strict=True):
            place[0] = value


def pulls(results: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """Gradients by results, zeros where nothing depends on one."""
    return [
        result.zeros_like() if isinstance(pull.type, DisconnectedType) else pull
        for result, pull in zip(results, cotangents, strict=True)
    ]
