"""Operations of the discrepancy's graph that PyTensor would do in more passes and products.

The covariance of two sets of places, where PyTensor would make an array of all pairs for each
step of the formula and of its gradient, and weighted inner products. Against graphs without them
a gradient takes two thirds of the time at 1,000 runs, less than half at 100,000.
`discrepancy.covariance` is the same formula for arrays of draws; a test holds one against the
other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from bayescale.discrepancy import between, seen, sizes

# PyTensor keeps compiled functions on disk; these change with this file.
_VERSION = int.from_bytes(hashlib.sha256(Path(__file__).read_bytes()).digest()[:6])

# Sums may be taken in any order, so that loops use vector registers.
_loop = numba.njit(fastmath={"contract", "arcp", "nsz", "reassoc"}, error_model="numpy")


@_loop  # type: ignore[untyped-decorator]
def _decay(t: float) -> float:
    """exp(-t) for t >= 0 to 1e-13, without a call, so that loops use vector registers.

    The tenth Taylor polynomial at t / 256, squared eight times; below 1e-17 all is 1e-17.
    """
    x = -min(t, 40.0) / 256
    p = 1 + x / 9 * (1 + x / 10)
    p = 1 + x / 7 * (1 + x / 8 * p)
    p = 1 + x / 5 * (1 + x / 6 * p)
    p = 1 + x / 3 * (1 + x / 4 * p)
    p = 1 + x * (1 + x / 2 * p)
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@_loop  # type: ignore[untyped-decorator]
def _covariance(sizes: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`discrepancy.between`, in one pass."""
    long, by_s, by_r, near_s, near_r = sizes
    s, r, deviation = one[0], one[1], one[2]  # unpacked, loops would take them for strided
    other_s, other_r, other_deviation = other[0], other[1], other[2]
    found = np.empty((s.size, other_s.size))
    for i in range(s.size):
        for j in range(other_s.size):
            square_s, square_r = (s[i] - other_s[j]) ** 2, (r[i] - other_r[j]) ** 2
            t = math.sqrt(square_s * by_s + square_r * by_r + 1e-12)
            u = math.sqrt(square_s * near_s + square_r * near_r + 1e-12)
            local = deviation[i] * other_deviation[j]
            found[i, j] = long * (1 + t + t * t / 3) * _decay(t) + local * (
                1 + u + u * u / 3
            ) * _decay(u)
    return found


@_loop  # type: ignore[untyped-decorator]
def _pulled(
    sizes: np.ndarray, one: np.ndarray, other: np.ndarray, pull: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient of the sum of `pull` times the covariance, by each argument before it."""
    long, by_s, by_r, near_s, near_r = sizes
    s, r, deviation = one[0], one[1], one[2]
    other_s, other_r, other_deviation = other[0], other[1], other[2]
    to_sizes, to_one, to_other = np.empty(5), np.empty_like(one), np.zeros_like(other)
    to_s, to_r, to_deviation = to_other[0], to_other[1], to_other[2]
    to_long = far_s = far_r = close_s = close_r = 0.0
    for i in range(s.size):
        sum_s = sum_r = sum_deviation = 0.0
        for j in range(other_s.size):
            apart_s, apart_r = s[i] - other_s[j], r[i] - other_r[j]
            square_s, square_r = apart_s * apart_s, apart_r * apart_r
            t = math.sqrt(square_s * by_s + square_r * by_r + 1e-12)
            u = math.sqrt(square_s * near_s + square_r * near_r + 1e-12)
            decay, near_decay = pull[i, j] * _decay(t), pull[i, j] * _decay(u)
            to_long += (1 + t + t * t / 3) * decay
            near = (1 + u + u * u / 3) * near_decay
            sum_deviation += near * other_deviation[j]
            to_deviation[j] += near * deviation[i]
            # The derivative of (1 + t + t^2/3) exp(-t) by t^2 is -(1 + t) exp(-t) / 6.
            by_t = long * (1 + t) * decay / 6
            by_u = deviation[i] * other_deviation[j] * (1 + u) * near_decay / 6
            far_s -= by_t * square_s
            far_r -= by_t * square_r
            close_s -= by_u * square_s
            close_r -= by_u * square_r
            moved_s = 2 * apart_s * (by_t * by_s + by_u * near_s)
            moved_r = 2 * apart_r * (by_t * by_r + by_u * near_r)
            sum_s -= moved_s
            sum_r -= moved_r
            to_s[j] += moved_s
            to_r[j] += moved_r
        to_one[0, i], to_one[1, i], to_one[2, i] = sum_s, sum_r, sum_deviation
    to_sizes[0], to_sizes[1], to_sizes[2] = to_long, far_s, far_r
    to_sizes[3], to_sizes[4] = close_s, close_r
    return to_sizes, to_one, to_other


@_loop  # type: ignore[untyped-decorator]
def _gram(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return (rows * weight) @ rows.T


class _Pulled(Op):  # type: ignore[misc]
    """Gradient of the covariance, by each of its arguments."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [x.type() for x in inputs[:-1]])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:
        for place, value in zip(storage, _pulled(*inputs), strict=True):
            place[0] = value


class _Covariance(Op):  # type: ignore[misc]
    """The covariance between two sets of places, from what `_covariance` is given."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        tensors = [pt.as_tensor(x, dtype="float64") for x in inputs]
        return Apply(self, tensors, [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:
        storage[0][0] = _covariance(*inputs)

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        return _Pulled()(*inputs, *cotangents, return_list=True)


class _Gram(Op):  # type: ignore[misc]
    """Rows' weighted inner products, whose gradient takes one product of matrices and not two."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(map(pt.as_tensor, inputs)), [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:
        storage[0][0] = _gram(*inputs)

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        rows, weight = inputs
        pulled = (cotangents[0] + cotangents[0].T) @ rows
        return [pulled * weight, (pulled * rows).sum(0) / 2]


def gram(rows: Any, weight: Any) -> Any:
    """Weighted inner products of rows (row, column) by weights (column): (row, row)."""
    return _Gram()(rows, weight)


def covariance(theta: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> Any:
    """Prior covariance between two sets of places, as a tensor (one, other).

    Parameters
    ----------
    theta : mapping
        The processes' parameters, scalars.
    one, other : mapping
        Places, as `discrepancy.places` has them.
    """
    where = [pt.stack(seen(theta, places, pt)) for places in (one, other)]
    return _Covariance()(pt.stack(sizes(theta)), *where)


def _given(loop: Any) -> Any:
    return lambda op, **_: (loop, _VERSION)


for op, loop in ((_Covariance, _covariance), (_Pulled, _pulled), (_Gram, _gram)):
    register_funcify_default_op_cache_key(op)(_given(loop))


def register_with_jax() -> None:
    """Give the operations their JAX form: the formula itself, which JAX compiles as a whole."""
    import jax.numpy as jnp  # noqa: PLC0415 - seconds, and an extra
    from pytensor.link.jax.dispatch import jax_funcify  # noqa: PLC0415 - loads JAX

    forms = {
        _Covariance: lambda sizes, one, other: between(sizes, one, other, jnp),
        _Gram: lambda rows, weight: (rows * weight) @ rows.T,
    }
    for op, form in forms.items():
        jax_funcify.register(op)(lambda op, form=form, **_: form)
