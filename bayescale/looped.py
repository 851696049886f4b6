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

from bayescale import loops


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


def give_jax(op: type[Looped], form: Callable[..., Sequence[Any]]) -> None:
    """Give an operation its JAX form: its formula, which JAX compiles with its gradient.

    `form` takes what the loop takes, and gives back the first of its results; the others are for
    the gradient by hand.
    """
    import jax.numpy as jnp  # noqa: PLC0415 - seconds, and an extra
    from pytensor.link.jax.dispatch import jax_funcify  # noqa: PLC0415 - loads JAX

    def whole(*inputs: Any) -> tuple[Any, ...]:
        found = form(*inputs)
        return *found, *[jnp.zeros(0)] * (len(op.results) - len(found))

    jax_funcify.register(op)(lambda op, **_: whole)


def pulls(results: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """Gradients by results, zeros where nothing depends on one."""
    return [
        result.zeros_like() if isinstance(pull.type, DisconnectedType) else pull
        for result, pull in zip(results, cotangents, strict=True)
    ]
