"""The discrepancy's weights as one operation of the model's graph, with its gradient.

Written as single steps, PyTensor would keep an array of stand-ins by runs for each and compile
for minutes. Here runs pass in blocks that fit the processor's cache, so a gradient's cost grows
as their number, and machine code is made in seconds. `discrepancy.weigh` is the same formula, step
by step; a test holds values and slopes against it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from bayescale.discrepancy import JITTER, PARAMETERS, weigh

# PyTensor keeps compiled functions on disk; these change with this file.
_VERSION = int.from_bytes(hashlib.sha256(Path(__file__).read_bytes()).digest()[:6])
# Runs at a time.
_BLOCK = 128

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
    """Prior covariance between places, each with s, r and the local deviation: (one, other).

    `sizes` holds the long variance and 5 over each squared length.
    """
    long, by_s, by_r, near_s, near_r = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    other_s, other_r, other_deviation = other[0], other[1], other[2]
    found = np.empty((one.shape[1], other.shape[1]))
    for i in range(one.shape[1]):
        s, r, deviation = one[0, i], one[1, i], one[2, i]
        for j in range(other.shape[1]):
            square_s, square_r = (s - other_s[j]) ** 2, (r - other_r[j]) ** 2
            t = math.sqrt(square_s * by_s + square_r * by_r + 1e-12)
            u = math.sqrt(square_s * near_s + square_r * near_r + 1e-12)
            local = deviation * other_deviation[j]
            found[i, j] = long * (1 + t + t * t / 3) * _decay(t) + local * (
                1 + u + u * u / 3
            ) * _decay(u)
    return found


@_loop  # type: ignore[untyped-decorator]
def _pull_covariance(
    sizes: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    pull: np.ndarray,
    to_sizes: np.ndarray,
    to_one: np.ndarray,
    to_other: np.ndarray,
) -> None:
    """Add the gradient of the sum of `pull` times the covariance to what begins with `to_`."""
    long, by_s, by_r, near_s, near_r = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    other_s, other_r, other_deviation = other[0], other[1], other[2]
    to_s, to_r, to_deviation = to_other[0], to_other[1], to_other[2]
    to_long = far_s = far_r = close_s = close_r = 0.0
    for i in range(one.shape[1]):
        s, r, deviation = one[0, i], one[1, i], one[2, i]
        sum_s = sum_r = sum_deviation = 0.0
        for j in range(other.shape[1]):
            apart_s, apart_r = s - other_s[j], r - other_r[j]
            square_s, square_r = apart_s * apart_s, apart_r * apart_r
            t = math.sqrt(square_s * by_s + square_r * by_r + 1e-12)
            u = math.sqrt(square_s * near_s + square_r * near_r + 1e-12)
            decay, near_decay = pull[i, j] * _decay(t), pull[i, j] * _decay(u)
            to_long += (1 + t + t * t / 3) * decay
            near = (1 + u + u * u / 3) * near_decay
            sum_deviation += near * other_deviation[j]
            to_deviation[j] += near * deviation
            # The derivative of (1 + t + t^2/3) exp(-t) by t^2 is -(1 + t) exp(-t) / 6.
            by_t = long * (1 + t) * decay / 6
            by_u = deviation * other_deviation[j] * (1 + u) * near_decay / 6
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
        to_one[0, i] += sum_s
        to_one[1, i] += sum_r
        to_one[2, i] += sum_deviation
    to_sizes[0] += to_long
    to_sizes[1] += far_s
    to_sizes[2] += far_r
    to_sizes[3] += close_s
    to_sizes[4] += close_r


@_loop  # type: ignore[untyped-decorator]
def _sizes(theta: np.ndarray) -> np.ndarray:
    """The long variance, and 5 over each squared length."""
    lengths = np.array([theta[1], theta[2], theta[4], theta[5]])
    return np.concatenate((theta[:1] ** 2, 5 / lengths**2))


@_loop  # type: ignore[untyped-decorator]
def _deviating(theta: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Places with the local deviation instead of the depth below the frontier."""
    found = where.copy()
    found[2] = theta[3] * np.exp(theta[6] * where[2])
    return found


@_loop  # type: ignore[untyped-decorator]
def _pull_deviation(
    theta: np.ndarray,
    where: np.ndarray,
    deviation: np.ndarray,
    to_theta: np.ndarray,
    to: np.ndarray,
) -> None:
    """Turn the gradient by the local deviation, in `to[2]`, into that by the depth."""
    for j in range(len(deviation)):
        pull = to[2, j] * deviation[j]
        to_theta[3] += pull / theta[3]
        to_theta[6] += pull * where[2, j]
        to[2, j] = pull * theta[6]


@_loop  # type: ignore[untyped-decorator]
def _root(whole: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor; not a number where there is none."""
    count = len(whole)
    root = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            left = whole[i, j]
            for k in range(j):
                left -= root[i, k] * root[j, k]
            root[i, j] = left / root[j, j]
        left = whole[i, i]
        for k in range(i):
            left -= root[i, k] * root[i, k]
        root[i, i] = math.sqrt(left) if left > 0 else math.nan
    return root


@_loop  # type: ignore[untyped-decorator]
def _inverse(root: np.ndarray) -> np.ndarray:
    """Inverse of a lower triangle."""
    count = len(root)
    inverse = np.zeros((count, count))
    for i in range(count):
        inverse[i, i] = 1 / root[i, i]
        for k in range(i):
            share = root[i, k] * inverse[i, i]
            for j in range(k + 1):
                inverse[i, j] -= share * inverse[k, j]
    return inverse


@_loop  # type: ignore[untyped-decorator]
def _pull_root(root: np.ndarray, inverse: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Gradient by the whole, a symmetric matrix, from that by its Cholesky factor (1602.07527)."""
    inner = root.T @ pull
    count = len(root)
    for i in range(count):
        inner[i, i] /= 2
        for j in range(i + 1, count):
            inner[i, j] = 0.0
    half = inverse.T @ (inner @ inverse)
    return (half + half.T) / 2


@_loop  # type: ignore[untyped-decorator]
def _gram(low: np.ndarray, each: np.ndarray) -> np.ndarray:
    """1 plus the runs' inner products, over their variances: (stand-in, stand-in)."""
    total, count = low.shape
    found = np.eye(count)
    scaled = np.empty((_BLOCK, count))
    for start in range(0, total, _BLOCK):
        rows = low[start : start + _BLOCK]
        for j in range(len(rows)):
            share = 1 / each[start + j]
            for i in range(count):
                scaled[j, i] = share * rows[j, i]
        found += rows.T @ scaled[: len(rows)]
    return found


@_loop  # type: ignore[untyped-decorator]
def _forward(
    theta: np.ndarray,
    few_at: np.ndarray,
    runs_at: np.ndarray,
    residual: np.ndarray,
    standard: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """`weigh`, and after its four results what the gradient needs of the way there."""
    sizes, noise, tails = _sizes(theta), theta[7], theta[8]
    few, runs = _deviating(theta, few_at), _deviating(theta, runs_at)
    count, total = few.shape[1], runs.shape[1]
    among = _covariance(sizes, few, few)
    for i in range(count):
        among[i, i] += sizes[0] * JITTER
    root = _root(among)
    inverse = _inverse(root)
    low, own = np.empty((total, count)), np.empty(total)
    for start in range(0, total, _BLOCK):
        some = runs[:, start : start + _BLOCK]
        rows = _covariance(sizes, some, few) @ inverse.T
        low[start : start + len(rows)] = rows
        for j in range(len(rows)):
            left = sizes[0] + some[2, j] ** 2
            for i in range(count):
                left -= rows[j, i] ** 2
            own[start + j] = max(left, 0.0)
    each = own + noise
    first, middle, off = np.zeros((count, count)), np.zeros(count), residual
    if tails < np.inf:
        first = _inverse(_root(_gram(low, each)))
        middle = first.T @ (first @ ((residual / each) @ low))
        off = residual - low @ middle
        each = (tails * each + off**2) / (tails + 1)
    inner = _root(_gram(low, each))
    back = _inverse(inner)
    weights = back.T @ (back @ ((residual / each) @ low) + standard)
    correction = np.zeros(1)
    for i in range(count):
        correction[0] += (standard[i] ** 2 - weights[i] ** 2) / 2 - math.log(inner[i, i])
    return weights, low @ weights, own, correction, low, root, inverse, first, middle, off, inner


@_loop  # type: ignore[untyped-decorator]
def _backward(
    theta: np.ndarray,
    few_at: np.ndarray,
    runs_at: np.ndarray,
    residual: np.ndarray,
    standard: np.ndarray,
    weights: np.ndarray,
    own: np.ndarray,
    low: np.ndarray,
    root: np.ndarray,
    inverse: np.ndarray,
    first: np.ndarray,
    middle: np.ndarray,
    off: np.ndarray,
    inner: np.ndarray,
    by_weights: np.ndarray,
    by_missed: np.ndarray,
    by_own: np.ndarray,
    by_correction: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradient by each argument of `_forward`, from that by its results (`by_`), step by step back.

    What begins with `to_` is the gradient by the quantity of that name.
    """
    sizes, noise, tails = _sizes(theta), theta[7], theta[8]
    few, runs = _deviating(theta, few_at), _deviating(theta, runs_at)
    heavy = tails < np.inf
    total, count = low.shape
    each = own + noise
    last = (tails * each + off**2) / (tails + 1) if heavy else each

    # weights = inner^-T (pulled + standard), pulled = inner^-1 low^T (residual / last)
    back = _inverse(inner)
    to_weights = by_weights + by_missed @ low - by_correction[0] * weights
    to_pulled = back @ to_weights
    to_sum = back.T @ to_pulled
    pulled = inner.T @ weights - standard
    to_standard = to_pulled + by_correction[0] * standard
    to_inner = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            to_inner[i, j] = -weights[i] * to_pulled[j] - to_sum[i] * pulled[j]
        to_inner[i, i] -= by_correction[0] / inner[i, i]
    to_gram = _pull_root(inner, back, to_inner)

    # Each run's last variance, and through it how far off it lay from the middle.
    along = low @ to_sum
    to_each, to_off = np.empty(total), np.zeros(total)
    to_tails = 0.0
    for start in range(0, total, _BLOCK):
        rows = low[start : start + _BLOCK]
        turned = rows @ to_gram
        for k in range(len(rows)):
            j = start + k
            product = along[j] * residual[j]
            for i in range(count):
                product += rows[k, i] * turned[k, i]
            to_last = -product / last[j] ** 2
            if heavy:
                to_each[j] = to_last * tails / (tails + 1)
                to_off[j] = to_last * 2 * off[j] / (tails + 1)
                to_tails += to_last * (each[j] - off[j] ** 2) / (tails + 1) ** 2
            else:
                to_each[j] = to_last

    # off = residual - low middle, middle = (1 + low^T low / each)^-1 low^T (residual / each)
    to_residual = along / last
    to_first, along_first = np.zeros(count), np.zeros(total)
    if heavy:
        to_first = first.T @ (first @ -(to_off @ low))
        along_first = low @ to_first
        to_residual += to_off + along_first / each
        to_each -= along_first * off / each**2

    to_own = np.where(own > 0, by_own + to_each, 0.0)
    to_sizes, to_few, to_runs = np.zeros(5), np.zeros_like(few), np.zeros_like(runs)
    to_root = np.zeros((count, count))
    for start in range(0, total, _BLOCK):
        rows = low[start : start + _BLOCK]
        some, to_some = runs[:, start : start + _BLOCK], to_runs[:, start : start + _BLOCK]
        to_rows = rows @ to_gram  # again, as keeping it for all runs costs more
        for k in range(len(rows)):
            j = start + k
            by_gram, by_row = 2 / last[j], 2 * to_own[j]
            by_first, by_middle = off[j] / each[j], to_off[j] + along_first[j] / each[j]
            by_sum = residual[j] / last[j]
            for i in range(count):
                to_rows[k, i] = (
                    by_gram * to_rows[k, i]
                    - by_row * rows[k, i]
                    + by_missed[j] * weights[i]
                    + by_sum * to_sum[i]
                    + by_first * to_first[i]
                    - by_middle * middle[i]
                )
            to_some[2, k] += by_row * some[2, k]
        to_across = to_rows @ inverse
        to_root -= to_across.T @ rows
        _pull_covariance(sizes, some, few, to_across, to_sizes, to_some, to_few)
    to_among = _pull_root(root, inverse, np.tril(to_root))
    _pull_covariance(sizes, few, few, to_among, to_sizes, to_few, to_few)
    to_sizes[0] += to_own.sum() + np.trace(to_among) * JITTER
    to_theta = np.zeros(9)
    to_theta[0] = 2 * theta[0] * to_sizes[0]
    for size, place in ((1, 1), (2, 2), (3, 4), (4, 5)):
        to_theta[place] = -10 / theta[place] ** 3 * to_sizes[size]
    _pull_deviation(theta, few_at, few[2], to_theta, to_few)
    _pull_deviation(theta, runs_at, runs[2], to_theta, to_runs)
    to_theta[7], to_theta[8] = to_each.sum(), to_tails
    return to_theta, to_few, to_runs, to_residual, to_standard


class _Weighed(Op):  # type: ignore[misc]
    """`weigh` of one point; see `_forward`."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        vector, matrix = pt.vector(dtype="float64").type, pt.matrix(dtype="float64").type
        kinds = [*[vector] * 4, *[matrix] * 4, vector, vector, matrix]
        return Apply(self, [pt.as_tensor(x, dtype="float64") for x in inputs], [k() for k in kinds])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:
        for place, value in zip(storage, _forward(*inputs), strict=True):
            place[0] = value

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        weights, _, own, _, *way = outputs
        pulls = [
            found.zeros_like() if isinstance(pull.type, DisconnectedType) else pull
            for found, pull in zip(outputs[:4], cotangents[:4], strict=True)
        ]
        return _Pulled()(*inputs, weights, own, *way, *pulls, return_list=True)


class _Pulled(Op):  # type: ignore[misc]
    """The gradient of `_Weighed`; see `_backward`."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        tensors = [pt.as_tensor(x, dtype="float64") for x in inputs]
        return Apply(self, tensors, [x.type() for x in tensors[:5]])

    def perform(self, node: Apply, inputs: Sequence[Any], storage: list[list[Any]]) -> None:
        for place, value in zip(storage, _backward(*inputs), strict=True):
            place[0] = value


@dataclass(frozen=True)
class Weighed:
    """The processes at the runs for one point of the sampler, as PyTensor graphs.

    Attributes
    ----------
    weights : tensor (inducing)
        Values at the stand-ins, whitened: standard Normal before the runs are seen.
    missed : tensor (run)
        Value at each run, given the weights.
    own : tensor (run)
        Variance of it that the stand-ins leave.
    correction : tensor ()
        What to add to the log density, as the sampler moves in `standard` and not in the weights.
    """

    weights: Any
    missed: Any
    own: Any
    correction: Any


def weighed(
    theta: Mapping[str, Any],
    *,
    runs: Mapping[str, Any],
    stand_in: Mapping[str, Any],
    residual: Any,
    noise: Any,
    tails: Any,
    standard: Any,
) -> Weighed:
    """`discrepancy.weigh` as one operation; its arguments, as tensors."""
    scalars = [*(theta[name] for name in PARAMETERS), noise, tails]
    few, all_ = (
        pt.stack([where[axis] for axis in ("s", "r", "depth")]) for where in (stand_in, runs)
    )
    weights, missed, own, correction, *_ = _Weighed()(
        pt.stack(scalars), few, all_, residual, standard
    )
    return Weighed(weights, missed, own, correction[0])


def _given(loop: Any) -> Any:
    return lambda op, **_: (loop, _VERSION)


for op, loop in ((_Weighed, _forward), (_Pulled, _backward)):
    register_funcify_default_op_cache_key(op)(_given(loop))


def register_with_jax() -> None:
    """Give the operation its JAX form: the formula itself, which JAX compiles with its gradient."""
    import jax.numpy as jnp  # noqa: PLC0415 - seconds, and an extra
    from pytensor.link.jax.dispatch import jax_funcify  # noqa: PLC0415 - loads JAX

    axes = ("s", "r", "depth")

    def form(theta: Any, few: Any, runs: Any, residual: Any, standard: Any) -> tuple[Any, ...]:
        *parameters, noise, tails = theta
        results = weigh(
            dict(zip(PARAMETERS, parameters, strict=True)),
            runs=dict(zip(axes, runs, strict=True)),
            stand_in=dict(zip(axes, few, strict=True)),
            residual=residual,
            noise=noise,
            tails=tails,
            standard=standard,
            xp=jnp,
        )
        return *results[:3], results[3][None], *[jnp.zeros(0)] * 7  # the rest is for `_Pulled`

    jax_funcify.register(_Weighed)(lambda op, **_: form)
