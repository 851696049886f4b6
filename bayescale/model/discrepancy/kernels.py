"""Loops: the discrepancy's covariance, small triangles, and the gradients of both, compiled.

What begins with `to_` is the gradient by the quantity of that name.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# Sums may be taken in any order, so that loops use vector registers.
loop = numba.njit(fastmath={"contract", "arcp", "nsz", "reassoc"}, error_model="numpy")


@loop  # type: ignore[untyped-decorator]
def decay(t: float) -> float:
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


@loop  # type: ignore[untyped-decorator]
def covariance(sizes: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
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
            found[i, j] = long * (1 + t + t * t / 3) * decay(t) + local * (
                1 + u + u * u / 3
            ) * decay(u)
    return found


@loop  # type: ignore[untyped-decorator]
def pull_covariance(
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
            far, close = pull[i, j] * decay(t), pull[i, j] * decay(u)
            to_long += (1 + t + t * t / 3) * far
            near = (1 + u + u * u / 3) * close
            sum_deviation += near * other_deviation[j]
            to_deviation[j] += near * deviation
            # The derivative of (1 + t + t^2/3) exp(-t) by t^2 is -(1 + t) exp(-t) / 6.
            by_t = long * (1 + t) * far / 6
            by_u = deviation * other_deviation[j] * (1 + u) * close / 6
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


@loop  # type: ignore[untyped-decorator]
def sizes_of(theta: np.ndarray) -> np.ndarray:
    """The long variance, and 5 over each squared length."""
    lengths = np.array([theta[1], theta[2], theta[4], theta[5]])
    return np.concatenate((theta[:1] ** 2, 5 / lengths**2))


@loop  # type: ignore[untyped-decorator]
def pull_sizes(theta: np.ndarray, to_sizes: np.ndarray, to_theta: np.ndarray) -> None:
    """Add the gradient by the parameters to `to_theta`, from that by what `sizes_of` makes."""
    to_theta[0] += 2 * theta[0] * to_sizes[0]
    for size, place in ((1, 1), (2, 2), (3, 4), (4, 5)):
        to_theta[place] -= 10 / theta[place] ** 3 * to_sizes[size]


@loop  # type: ignore[untyped-decorator]
def deviating(theta: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Places with the local deviation instead of the depth below the frontier."""
    found = where.copy()
    found[2] = theta[3] * np.exp(theta[6] * where[2])
    return found


@loop  # type: ignore[untyped-decorator]
def pull_deviation(
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


@loop  # type: ignore[untyped-decorator]
def root_of(whole: np.ndarray) -> np.ndarray:
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


@loop  # type: ignore[untyped-decorator]
def inverse_of(root: np.ndarray) -> np.ndarray:
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


@loop  # type: ignore[untyped-decorator]
def pull_root(root: np.ndarray, inverse: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Gradient by the whole, a symmetric matrix, from that by its Cholesky factor (1602.07527)."""
    inner = root.T @ pull
    count = len(root)
    for i in range(count):
        inner[i, i] /= 2
        for j in range(i + 1, count):
            inner[i, j] = 0.0
    half = inverse.T @ (inner @ inverse)
    return (half + half.T) / 2


@loop  # type: ignore[untyped-decorator]
def pull_moved(
    inner: np.ndarray,
    back: np.ndarray,
    moved: np.ndarray,
    standard: np.ndarray,
    by_moved: np.ndarray,
    by_volume: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient by `standard`, by `sum` and by the whole whose Cholesky factor is `inner`.

    Of moved = inner^-T (inner^-1 sum + standard) and of the log volume -sum log diag inner; `back`
    is the inverse of `inner`.
    """
    pulled = inner.T @ moved - standard
    to_standard = back @ by_moved
    to_sum = back.T @ to_standard
    to_inner = np.zeros_like(inner)
    for i in range(len(inner)):
        for j in range(i + 1):
            to_inner[i, j] = -moved[i] * to_standard[j] - to_sum[i] * pulled[j]
        to_inner[i, i] -= by_volume / inner[i, i]
    return to_standard, to_sum, pull_root(inner, back, to_inner)
