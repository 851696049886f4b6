"""A law's parameters as one operation of the model's graph, with its gradient.

`place` is the formula, step by step; a test holds the operation's values and slopes against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type

from bayescale.model.discrepancy import process as discrepancy
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
from bayescale.model.discrepancy.process import PARAMETERS


def place(
    theta: Mapping[str, Any],
    *,
    inducing: Mapping[str, Any],
    noise: Any,
    runs: Any,
    residual: Any,
    slope: Any,
    standard: Any,
    xp: Any,
) -> tuple[Any, Any]:
    """The law's parameters where the sampler's standard coordinates put them.

    Parameters
    ----------
    theta : mapping
        The processes' parameters, scalars.
    inducing : mapping
        Places of the inducing points.
    noise : array ()
        Squared scale of single runs, as a share.
    runs : array (inducing)
        How many runs each stands for.
    residual : array (inducing)
        Their mean response minus the tangent at the middle of the prior, as a share.
    slope : array (inducing, law)
    standard : array (law)
    xp : module
        With `linalg`: numpy, or one that follows it.

    Returns
    -------
    moved : array (law)
        How many standard deviations of the prior the parameters are from its middle.
    volume : array ()
        Log volume of `moved` over that of `standard`.
    """
    theta = {name: value[None] for name, value in theta.items()}
    whole = discrepancy.covariance(theta, inducing, inducing, xp) + xp.diag(noise / runs)
    root = xp.linalg.cholesky(whole)
    lines, left = xp.linalg.solve(root, slope), xp.linalg.solve(root, residual)
    inner = xp.linalg.cholesky(xp.eye(slope.shape[1]) + lines.T @ lines)
    pulled = xp.linalg.solve(inner, left @ lines)
    moved = xp.linalg.solve(inner.T, pulled + standard)
    return moved, -xp.log(xp.diagonal(inner)).sum()


@loop  # type: ignore[untyped-decorator]
def _forward(
    theta: np.ndarray,
    residual: np.ndarray,
    standard: np.ndarray,
    few_at: np.ndarray,
    slope: np.ndarray,
    runs: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """`place`, and after its two results what the gradient needs of the way there."""
    few = deviating(theta, few_at)
    count = few.shape[1]
    whole = covariance(sizes_of(theta), few, few)
    for i in range(count):
        whole[i, i] += theta[7] / runs[i]
    root = root_of(whole)
    inverse = inverse_of(root)
    lines, left = inverse @ slope, inverse @ residual
    inner = root_of(np.eye(len(standard)) + lines.T @ lines)
    back = inverse_of(inner)
    moved = back.T @ (back @ (left @ lines) + standard)
    volume = np.zeros(1)
    for i in range(len(standard)):
        volume[0] -= math.log(inner[i, i])
    return moved, volume, root, inverse, lines, left, inner


@loop  # type: ignore[untyped-decorator]
def _backward(
    theta: np.ndarray,
    residual: np.ndarray,
    standard: np.ndarray,
    few_at: np.ndarray,
    slope: np.ndarray,
    runs: np.ndarray,
    moved: np.ndarray,
    root: np.ndarray,
    inverse: np.ndarray,
    lines: np.ndarray,
    left: np.ndarray,
    inner: np.ndarray,
    by_moved: np.ndarray,
    by_volume: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradient by the first three arguments of `_forward`, from that by its results."""
    few = deviating(theta, few_at)
    count = few.shape[1]
    back = inverse_of(inner)
    to_standard, to_sum, to_gram = pull_moved(inner, back, moved, standard, by_moved, by_volume[0])
    to_lines = 2 * lines @ to_gram
    for i in range(count):
        for j in range(len(to_sum)):
            to_lines[i, j] += left[i] * to_sum[j]
    to_residual = (lines @ to_sum) @ inverse
    to_slope = inverse.T @ to_lines
    to_root = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            pull = to_residual[i] * left[j]
            for k in range(len(to_sum)):
                pull += to_slope[i, k] * lines[j, k]
            to_root[i, j] = -pull
    to_whole = pull_root(root, inverse, to_root)
    to_theta, to_sizes, to_few = np.zeros(8), np.zeros(5), np.zeros_like(few)
    pull_covariance(sizes_of(theta), few, few, to_whole, to_sizes, to_few, to_few)
    pull_sizes(theta, to_sizes, to_theta)
    pull_deviation(theta, few_at, few[2], to_theta, to_few)
    for i in range(count):
        to_theta[7] += to_whole[i, i] / runs[i]
    return to_theta, to_residual, to_standard


class _Pulled(Looped):
    """The gradient of `_Placed`; see `_backward`."""

    loop = staticmethod(_backward)
    results = "vvv"


class _Placed(Looped):
    """`place` of one point; see `_forward`."""

    loop = staticmethod(_forward)
    results = "vvmmmvm"

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Slopes are asked by what is sampled, not by the design's arrays."""
        return [[i < 3] * len(self.results) for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        moved, _, *way = outputs
        by = pulls(outputs[:2], cotangents[:2])
        found = _Pulled()(*inputs, moved, *way, *by, return_list=True)
        return [*found, *(disconnected_type() for _ in inputs[3:])]


def placed(
    theta: Mapping[str, Any],
    *,
    inducing: Mapping[str, Any],
    noise: Any,
    runs: Any,
    residual: Any,
    slope: Any,
    standard: Any,
) -> tuple[Any, Any]:
    """`place` as one operation; its arguments, as tensors."""
    scalars = pt.stack([*(theta[name] for name in PARAMETERS), noise])
    few = pt.stack([inducing[axis] for axis in ("s", "r", "depth")])
    moved, volume, *_ = _Placed()(scalars, residual, standard, few, slope, runs)
    return moved, volume[0]
