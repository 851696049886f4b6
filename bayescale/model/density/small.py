"""Compiled loops over small matrices, and functions that Numba lacks."""

from __future__ import annotations

import math

import numba
import numpy as np

# What Python needs to call a function takes longer to compile than the function; compiled functions
# alone call these.
_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# Sums are taken in the order of the text. LLVM makes two versions of a loop and takes one by where
# the arrays lie in memory: with sums in any order, the last digit of a density would depend on it,
# and with it a chain's draws.
IN_ORDER = {"contract", "arcp", "nsz"}

# Sums may be taken in any order, so that loops use vector registers.
compiled = numba.njit(fastmath=IN_ORDER | {"reassoc"}, **_OPTIONS)


@compiled  # type: ignore[untyped-decorator]
def exp_minus(t: float) -> float:
    """exp(-t) for t >= 0 to 3e-13, without a call, so that loops use vector registers.

    The sixth Taylor polynomial at t / 1024, squared ten times; below 1e-17 all is 1e-17.
    """
    x = -min(t, 40.0) / 1024
    p = 1 + x / 5 * (1 + x / 6)
    p = 1 + x / 3 * (1 + x / 4 * p)
    p = 1 + x * (1 + x / 2 * p)
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@compiled  # type: ignore[untyped-decorator]
def digamma(x: float) -> float:
    """Derivative of the logarithm of the gamma function, for x > 0, to 1e-13."""
    total = 0.0
    while x < 10:
        total -= 1 / x
        x += 1
    y = 1 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132)))))
    return total + math.log(x) - 0.5 / x - series


@compiled  # type: ignore[untyped-decorator]
def cholesky(matrix: np.ndarray, factor: np.ndarray) -> None:
    """Lower Cholesky factor of a small matrix (n, n); not a number where there is none."""
    count = len(matrix)
    for i in range(count):
        for j in range(i + 1, count):
            factor[i, j] = 0.0
        for j in range(i):
            left = matrix[i, j]
            for k in range(j):
                left -= factor[i, k] * factor[j, k]
            factor[i, j] = left / factor[j, j]
        left = matrix[i, i]
        for k in range(i):
            left -= factor[i, k] * factor[i, k]
        factor[i, i] = math.sqrt(left) if left > 0 else math.nan


@compiled  # type: ignore[untyped-decorator]
def inverse_of(factor: np.ndarray, inverse: np.ndarray) -> None:
    """Inverse of a lower triangular matrix (n, n)."""
    count = len(factor)
    for i in range(count):
        for j in range(count):
            inverse[i, j] = 0.0
        inverse[i, i] = 1 / factor[i, i]
        for k in range(i):
            share = factor[i, k] * inverse[i, i]
            for j in range(k + 1):
                inverse[i, j] -= share * inverse[k, j]


@compiled  # type: ignore[untyped-decorator]
def times(left: np.ndarray, right: np.ndarray, result: np.ndarray) -> None:
    """Product of two matrices, by BLAS."""
    product = np.dot(left, right)  # into `result` it would take seconds more to compile
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            result[i, j] = product[i, j]


@compiled  # type: ignore[untyped-decorator]
def across(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Product of a matrix's transpose and another, by BLAS."""
    return np.dot(left.T, right)


@compiled  # type: ignore[untyped-decorator]
def cholesky_gradient(
    factor: np.ndarray, inverse: np.ndarray, grad: np.ndarray, result: np.ndarray
) -> None:
    """Gradient by a symmetric matrix (n, n), from that by its Cholesky factor (arXiv 1602.07527).

    `inverse` is the inverse of the factor; of `grad` the lower triangle counts.
    """
    count = len(factor)
    inner, half = across(factor, grad), np.empty((count, count))
    for i in range(count):
        inner[i, i] /= 2
        for j in range(i + 1, count):
            inner[i, j] = 0.0
    times(inner, inverse, half)
    whole = across(inverse, half)
    for i in range(count):
        for j in range(count):
            result[i, j] = (whole[i, j] + whole[j, i]) / 2


@compiled  # type: ignore[untyped-decorator]
def unwhiten_gradient(
    factor: np.ndarray,
    inverse: np.ndarray,
    unwhitened: np.ndarray,
    whitened: np.ndarray,
    grad_unwhitened: np.ndarray,
    grad_whitened: np.ndarray,
    grad_projected: np.ndarray,
    grad_precision: np.ndarray,
) -> None:
    """Gradient by the whitened values (n), the projected errors (n) and the precision (n, n).

    Of unwhitened = factor^-T (factor^-1 projected + whitened), and of the log volume
    -sum log diag factor, by which it is 1; `factor` is the Cholesky factor of the precision and
    `inverse` its inverse.
    """
    count = len(factor)
    first = np.empty(count)  # factor^-1 projected
    for i in range(count):
        first[i] = -whitened[i]
        grad_whitened[i] = 0.0
        grad_projected[i] = 0.0
    for i in range(count):
        for j in range(i + 1):
            first[j] += factor[i, j] * unwhitened[i]
            grad_whitened[i] += inverse[i, j] * grad_unwhitened[j]
    for i in range(count):
        for j in range(i + 1):
            grad_projected[j] += inverse[i, j] * grad_whitened[i]
    grad_factor = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            grad_factor[i, j] = -unwhitened[i] * grad_whitened[j] - grad_projected[i] * first[j]
        grad_factor[i, i] -= 1 / factor[i, i]
    cholesky_gradient(factor, inverse, grad_factor, grad_precision)
