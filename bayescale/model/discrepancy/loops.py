"""Compiled loops: the discrepancy's covariance, small Cholesky factors, and their gradients.

A variable that begins with `grad_` is the gradient of the log density by the quantity of that name.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from bayescale.model.discrepancy.process import Parameters

# Sums may be taken in any order, so that loops use vector registers.
compiled = numba.njit(fastmath={"contract", "arcp", "nsz", "reassoc"}, error_model="numpy")


class Kernel(NamedTuple):
    """What the covariance takes of the processes' parameters, all of them scalars.

    The long process's variance, and 5 over each squared length.
    """

    variance: float
    compute: float
    split: float
    local_compute: float
    local_split: float


class Points(NamedTuple):
    """Coordinates (point), and the local process's prior standard deviation there (point)."""

    compute: np.ndarray
    split: np.ndarray
    deviation: np.ndarray


@compiled  # type: ignore[untyped-decorator]
def exp_minus(t: float) -> float:
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


@compiled  # type: ignore[untyped-decorator]
def parameters_of(theta: np.ndarray) -> Parameters:
    """The first seven elements of a vector, by name."""
    return Parameters(theta[0], theta[1], theta[2], theta[3], theta[4], theta[5], theta[6])


@compiled  # type: ignore[untyped-decorator]
def kernel_of(theta: Parameters) -> Kernel:
    """What the covariance takes of the parameters."""
    return Kernel(
        theta.amplitude**2,
        5 / theta.length_compute**2,
        5 / theta.length_split**2,
        5 / theta.local_length_compute**2,
        5 / theta.local_length_split**2,
    )


@compiled  # type: ignore[untyped-decorator]
def points_at(theta: Parameters, coordinates: np.ndarray) -> Points:
    """Points from their coordinates, in the order of `Coordinates`: (3, point)."""
    deviation = theta.local_amplitude * np.exp(theta.local_growth * coordinates[2])
    return Points(coordinates[0], coordinates[1], deviation)


@compiled  # type: ignore[untyped-decorator]
def block_of(points: Points, start: int, stop: int) -> Points:
    """Some of the points, as views."""
    return Points(
        points.compute[start:stop], points.split[start:stop], points.deviation[start:stop]
    )


@compiled  # type: ignore[untyped-decorator]
def zeros_like(points: Points) -> Points:
    """As many points, all 0."""
    count = len(points.compute)
    return Points(np.zeros(count), np.zeros(count), np.zeros(count))


@compiled  # type: ignore[untyped-decorator]
def covariance(kernel: Kernel, left: Points, right: Points) -> np.ndarray:
    """Prior covariance between two sets of points: (left, right)."""
    matrix = np.empty((len(left.compute), len(right.compute)))
    for i in range(len(left.compute)):
        compute, split, deviation = left.compute[i], left.split[i], left.deviation[i]
        for j in range(len(right.compute)):
            squared_compute = (compute - right.compute[j]) ** 2
            squared_split = (split - right.split[j]) ** 2
            t = math.sqrt(squared_compute * kernel.compute + squared_split * kernel.split + 1e-12)
            u = math.sqrt(
                squared_compute * kernel.local_compute + squared_split * kernel.local_split + 1e-12
            )
            long = kernel.variance * (1 + t + t * t / 3) * exp_minus(t)
            local = deviation * right.deviation[j] * (1 + u + u * u / 3) * exp_minus(u)
            matrix[i, j] = long + local
    return matrix


@compiled  # type: ignore[untyped-decorator]
def covariance_gradient(
    kernel: Kernel,
    left: Points,
    right: Points,
    grad: np.ndarray,
    grad_left: Points,
    grad_right: Points,
) -> Kernel:
    """Gradient by the kernel, from that by the covariance: `grad` (left, right).

    Those by the points are added to `grad_left` and `grad_right`.
    """
    variance = by_compute = by_split = by_local_compute = by_local_split = 0.0
    for i in range(len(left.compute)):
        compute, split, deviation = left.compute[i], left.split[i], left.deviation[i]
        sum_compute = sum_split = sum_deviation = 0.0
        for j in range(len(right.compute)):
            apart_compute, apart_split = compute - right.compute[j], split - right.split[j]
            squared_compute = apart_compute * apart_compute
            squared_split = apart_split * apart_split
            t = math.sqrt(squared_compute * kernel.compute + squared_split * kernel.split + 1e-12)
            u = math.sqrt(
                squared_compute * kernel.local_compute + squared_split * kernel.local_split + 1e-12
            )
            long, local = grad[i, j] * exp_minus(t), grad[i, j] * exp_minus(u)
            variance += (1 + t + t * t / 3) * long
            correlation = (1 + u + u * u / 3) * local
            sum_deviation += correlation * right.deviation[j]
            grad_right.deviation[j] += correlation * deviation
            # The derivative of (1 + t + t^2/3) exp(-t) by t^2 is -(1 + t) exp(-t) / 6.
            by_t = kernel.variance * (1 + t) * long / 6
            by_u = deviation * right.deviation[j] * (1 + u) * local / 6
            by_compute -= by_t * squared_compute
            by_split -= by_t * squared_split
            by_local_compute -= by_u * squared_compute
            by_local_split -= by_u * squared_split
            by_apart_compute = (
                2 * apart_compute * (by_t * kernel.compute + by_u * kernel.local_compute)
            )
            by_apart_split = 2 * apart_split * (by_t * kernel.split + by_u * kernel.local_split)
            sum_compute -= by_apart_compute
            sum_split -= by_apart_split
            grad_right.compute[j] += by_apart_compute
            grad_right.split[j] += by_apart_split
        grad_left.compute[i] += sum_compute
        grad_left.split[i] += sum_split
        grad_left.deviation[i] += sum_deviation
    return Kernel(variance, by_compute, by_split, by_local_compute, by_local_split)


@compiled  # type: ignore[untyped-decorator]
def sum_of(one: Kernel, other: Kernel) -> Kernel:
    """Sum of two gradients by a kernel."""
    return Kernel(
        one.variance + other.variance,
        one.compute + other.compute,
        one.split + other.split,
        one.local_compute + other.local_compute,
        one.local_split + other.local_split,
    )


@compiled  # type: ignore[untyped-decorator]
def kernel_gradient(theta: Parameters, grad: Kernel) -> np.ndarray:
    """Gradient by the parameters (7), from that by the kernel."""
    return np.array(
        [
            2 * theta.amplitude * grad.variance,
            -10 / theta.length_compute**3 * grad.compute,
            -10 / theta.length_split**3 * grad.split,
            0.0,
            -10 / theta.local_length_compute**3 * grad.local_compute,
            -10 / theta.local_length_split**3 * grad.local_split,
            0.0,
        ]
    )


@compiled  # type: ignore[untyped-decorator]
def coordinate_gradient(
    theta: Parameters,
    coordinates: np.ndarray,
    points: Points,
    grad: Points,
    grad_theta: np.ndarray,
) -> np.ndarray:
    """Gradient by the coordinates (3, point), from that by the points; adds to `grad_theta` (7)."""
    by_coordinates = np.empty_like(coordinates)
    for j in range(len(points.deviation)):
        by_log_deviation = grad.deviation[j] * points.deviation[j]
        grad_theta[3] += by_log_deviation / theta.local_amplitude
        grad_theta[6] += by_log_deviation * coordinates[2, j]
        by_coordinates[0, j] = grad.compute[j]
        by_coordinates[1, j] = grad.split[j]
        by_coordinates[2, j] = by_log_deviation * theta.local_growth
    return by_coordinates


@compiled  # type: ignore[untyped-decorator]
def cholesky(matrix: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of a small matrix (n, n); not a number where there is none."""
    count = len(matrix)
    factor = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            left = matrix[i, j]
            for k in range(j):
                left -= factor[i, k] * factor[j, k]
            factor[i, j] = left / factor[j, j]
        left = matrix[i, i]
        for k in range(i):
            left -= factor[i, k] * factor[i, k]
        factor[i, i] = math.sqrt(left) if left > 0 else math.nan
    return factor


@compiled  # type: ignore[untyped-decorator]
def inverse_of(factor: np.ndarray) -> np.ndarray:
    """Inverse of a lower triangular matrix (n, n)."""
    count = len(factor)
    inverse = np.zeros((count, count))
    for i in range(count):
        inverse[i, i] = 1 / factor[i, i]
        for k in range(i):
            share = factor[i, k] * inverse[i, i]
            for j in range(k + 1):
                inverse[i, j] -= share * inverse[k, j]
    return inverse


@compiled  # type: ignore[untyped-decorator]
def cholesky_gradient(factor: np.ndarray, inverse: np.ndarray, grad: np.ndarray) -> np.ndarray:
    """Gradient by a symmetric matrix (n, n), from that by its Cholesky factor (arXiv 1602.07527).

    `inverse` is the inverse of the factor.
    """
    inner = factor.T @ grad
    count = len(factor)
    for i in range(count):
        inner[i, i] /= 2
        for j in range(i + 1, count):
            inner[i, j] = 0.0
    half = inverse.T @ (inner @ inverse)
    return (half + half.T) / 2


@compiled  # type: ignore[untyped-decorator]
def unwhiten_gradient(
    factor: np.ndarray,
    inverse: np.ndarray,
    unwhitened: np.ndarray,
    whitened: np.ndarray,
    grad_unwhitened: np.ndarray,
    grad_log_volume: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient by the whitened values (n), the projected errors (n) and the precision (n, n).

    Of unwhitened = factor^-T (factor^-1 projected + whitened), and of the log volume
    -sum log diag factor, where `factor` is the Cholesky factor of the precision and `inverse` its
    inverse.
    """
    projected = factor.T @ unwhitened - whitened  # factor^-1 projected
    grad_whitened = inverse @ grad_unwhitened
    grad_projected = inverse.T @ grad_whitened
    grad_factor = np.zeros_like(factor)
    for i in range(len(factor)):
        for j in range(i + 1):
            grad_factor[i, j] = -unwhitened[i] * grad_whitened[j] - grad_projected[i] * projected[j]
        grad_factor[i, i] -= grad_log_volume / factor[i, i]
    return grad_whitened, grad_projected, cholesky_gradient(factor, inverse, grad_factor)
