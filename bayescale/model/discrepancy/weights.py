"""The discrepancy's weights as one operation of the model's graph, with its gradient.

Written as single steps, PyTensor would keep an array of inducing points by runs for each and
compile for minutes. Here runs pass in blocks that fit the processor's cache, so a gradient's cost
grows as their number, and machine code is made in seconds. `discrepancy.weigh` is the same
formula, step by step; a test holds values and slopes against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayescale.model.discrepancy.kernels import (
    covariance,
    deviating,
    inverse_of,
    loop,
    pull_covariance,
    pull_deviation,
    pull_moved,
    pull_root,
    pull_sizes,
    root_of,
    sizes_of,
)
from bayescale.model.discrepancy.operation import Looped, pulls
from bayescale.model.discrepancy.process import JITTER, PARAMETERS

# Runs at a time.
_BLOCK = 512


@loop  # type: ignore[untyped-decorator]
def _gram(low: np.ndarray, each: np.ndarray) -> np.ndarray:
    """1 plus the runs' inner products, over their variances: (inducing point, inducing point)."""
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


@loop  # type: ignore[untyped-decorator]
def _forward(
    theta: np.ndarray,
    few_at: np.ndarray,
    runs_at: np.ndarray,
    residual: np.ndarray,
    standard: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """`weigh`, and after its four results what the gradient needs of the way there."""
    sizes, noise, tails = sizes_of(theta), theta[7], theta[8]
    few, runs = deviating(theta, few_at), deviating(theta, runs_at)
    count, total = few.shape[1], runs.shape[1]
    among = covariance(sizes, few, few)
    for i in range(count):
        among[i, i] *= 1 + JITTER
    root = root_of(among)
    inverse = inverse_of(root)
    low, own = np.empty((total, count)), np.empty(total)
    for start in range(0, total, _BLOCK):
        some = runs[:, start : start + _BLOCK]
        rows = covariance(sizes, some, few) @ inverse.T
        low[start : start + len(rows)] = rows
        for j in range(len(rows)):
            left = sizes[0] + some[2, j] ** 2
            for i in range(count):
                left -= rows[j, i] ** 2
            own[start + j] = max(left, 0.0)
    each = own + noise
    first, middle, off = np.zeros((count, count)), np.zeros(count), residual
    if tails < np.inf:
        first = inverse_of(root_of(_gram(low, each)))
        middle = first.T @ (first @ ((residual / each) @ low))
        off = residual - low @ middle
        each = (tails * each + off**2) / (tails + 1)
    inner = root_of(_gram(low, each))
    back = inverse_of(inner)
    weights = back.T @ (back @ ((residual / each) @ low) + standard)
    correction = np.zeros(1)
    for i in range(count):
        correction[0] += (standard[i] ** 2 - weights[i] ** 2) / 2 - math.log(inner[i, i])
    return weights, low @ weights, own, correction, low, root, inverse, first, middle, off, inner


@loop  # type: ignore[untyped-decorator]
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
    sizes, noise, tails = sizes_of(theta), theta[7], theta[8]
    few, runs = deviating(theta, few_at), deviating(theta, runs_at)
    heavy = tails < np.inf
    total, count = low.shape
    each = own + noise
    last = (tails * each + off**2) / (tails + 1) if heavy else each

    # weights = inner^-T (pulled + standard), pulled = inner^-1 low^T (residual / last)
    back = inverse_of(inner)
    to_weights = by_weights + by_missed @ low - by_correction[0] * weights
    to_standard, to_sum, to_gram = pull_moved(
        inner, back, weights, standard, to_weights, by_correction[0]
    )
    to_standard += by_correction[0] * standard

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
        pull_covariance(sizes, some, few, to_across, to_sizes, to_some, to_few)
    to_among = pull_root(root, inverse, np.tril(to_root))
    for i in range(count):
        to_among[i, i] *= 1 + JITTER
    pull_covariance(sizes, few, few, to_among, to_sizes, to_few, to_few)
    to_sizes[0] += to_own.sum()
    to_theta = np.zeros(9)
    pull_sizes(theta, to_sizes, to_theta)
    pull_deviation(theta, few_at, few[2], to_theta, to_few)
    pull_deviation(theta, runs_at, runs[2], to_theta, to_runs)
    to_theta[7], to_theta[8] = to_each.sum(), to_tails
    return to_theta, to_few, to_runs, to_residual, to_standard


class _Pulled(Looped):
    """The gradient of `_Weighed`; see `_backward`."""

    loop = staticmethod(_backward)
    results = "vmmvv"


class _Weighed(Looped):
    """`weigh` of one point; see `_forward`."""

    loop = staticmethod(_forward)
    results = "vvvvmmmmvvm"

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        weights, _, own, _, *way = outputs
        by = pulls(outputs[:4], cotangents[:4])
        return _Pulled()(*inputs, weights, own, *way, *by, return_list=True)


@dataclass(frozen=True)
class Weighed:
    """The processes at the runs for one point of the sampler, as PyTensor graphs.

    Attributes
    ----------
    weights : tensor (inducing)
        Values at the inducing points, whitened: standard Normal before the runs are seen.
    missed : tensor (run)
        Value at each run, given the weights.
    own : tensor (run)
        Variance of it that the inducing points leave.
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
    inducing: Mapping[str, Any],
    residual: Any,
    noise: Any,
    tails: Any,
    standard: Any,
) -> Weighed:
    """`discrepancy.weigh` as one operation; its arguments, as tensors."""
    scalars = [*(theta[name] for name in PARAMETERS), noise, tails]
    few, all_ = (
        pt.stack([where[axis] for axis in ("s", "r", "depth")]) for where in (inducing, runs)
    )
    weights, missed, own, correction, *_ = _Weighed()(
        pt.stack(scalars), few, all_, residual, standard
    )
    return Weighed(weights, missed, own, correction[0])
