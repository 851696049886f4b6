"""Compiled loops: the discrepancy's covariance and its derivatives; see `discrepancy.process`.

Theta holds the processes' parameters in the order of `process.Parameters`: amplitude, local
amplitude and growth, then the lengths along each axis, then those of the local process. Places are
(axis, point).
"""

from __future__ import annotations

import math

import numpy as np

from bayescale.model.density.small import compiled, exp_minus

# Where theta's lengths begin.
_LENGTHS = 3


@compiled  # type: ignore[untyped-decorator]
def squared_distances(
    theta: np.ndarray,
    at: np.ndarray,
    i: int,
    to: np.ndarray,
    last: int,
    long_squares: np.ndarray,
    local_squares: np.ndarray,
) -> None:
    """Five times the squared distance of point i of `at` to the first of `to`, in lengths.

    Off 0, where its root has no slope.
    """
    axes = len(at)
    for a in range(axes):
        place = at[a, i]
        long_scale = 5 / theta[_LENGTHS + a] ** 2
        local_scale = 5 / theta[_LENGTHS + axes + a] ** 2
        for j in range(last):
            squared = (place - to[a, j]) ** 2
            if a == 0:
                long_squares[j] = squared * long_scale + 1e-12
                local_squares[j] = squared * local_scale + 1e-12
            else:
                long_squares[j] += squared * long_scale
                local_squares[j] += squared * local_scale


@compiled  # type: ignore[untyped-decorator]
def covariances(
    theta: np.ndarray,
    at: tuple[np.ndarray, np.ndarray],
    to: tuple[np.ndarray, np.ndarray],
    symmetric: bool,
    long_exp: np.ndarray,
    local_exp: np.ndarray,
) -> np.ndarray:
    """Prior covariance (at, to) of the processes; fills in the exponentials of both.

    Points are places and the local process's standard deviation. If both sets are the same, the
    upper triangle is the lower one's mirror.
    """
    variance = theta[0] ** 2
    shape = (len(at[1]), len(to[1]))
    matrix = np.empty(shape)
    long_squares, local_squares = np.empty(shape[1]), np.empty(shape[1])
    for i in range(shape[0]):
        deviation = at[1][i]
        last = i + 1 if symmetric else shape[1]
        squared_distances(theta, at[0], i, to[0], last, long_squares, local_squares)
        for j in range(last):
            t, u = math.sqrt(long_squares[j]), math.sqrt(local_squares[j])
            long, local = exp_minus(t), exp_minus(u)
            long_exp[i, j] = long
            local_exp[i, j] = local
            matrix[i, j] = (
                variance * (1 + t + t * t / 3) * long
                + deviation * to[1][j] * (1 + u + u * u / 3) * local
            )
    if symmetric:
        for i in range(shape[0]):
            for j in range(i):
                matrix[j, i] = matrix[i, j]
    return matrix


@compiled  # type: ignore[untyped-decorator]
def covariances_back(
    theta: np.ndarray,
    at: tuple[np.ndarray, np.ndarray],
    to: tuple[np.ndarray, np.ndarray],
    long_exp: np.ndarray,
    local_exp: np.ndarray,
    grad: np.ndarray,
    symmetric: bool,
    grad_at: np.ndarray,
    grad_to: np.ndarray,
    grad_theta: np.ndarray,
) -> None:
    """Adds derivatives by the standard deviations and by theta, from those by the covariance.

    Of a symmetric covariance the lower triangle of `grad` is read, which counts for both.
    """
    variance = theta[0] ** 2
    axes, count = len(at[0]), len(to[1])
    long_squares, local_squares, by_t = np.empty(count), np.empty(count), np.empty(count)
    by_length = np.zeros(axes)
    by_variance = 0.0
    for i in range(len(at[1])):
        deviation = at[1][i]
        sum_deviation = 0.0
        last = i + 1 if symmetric else count
        squared_distances(theta, at[0], i, to[0], last, long_squares, local_squares)
        for j in range(last):
            t, u = math.sqrt(long_squares[j]), math.sqrt(local_squares[j])
            by = 2 * grad[i, j] if symmetric and j < i else grad[i, j]
            long, local = by * long_exp[i, j], by * local_exp[i, j]
            by_variance += (1 + t + t * t / 3) * long
            correlation = (1 + u + u * u / 3) * local
            sum_deviation += correlation * to[1][j]
            grad_to[j] += correlation * deviation
            # The derivative of (1 + t + t^2/3) exp(-t) by t^2 is -(1 + t) exp(-t) / 6.
            by_t[j] = (1 + t) * long
        grad_at[i] += sum_deviation
        for a in range(axes):
            place, total = at[0][a, i], 0.0
            for j in range(last):
                total += by_t[j] * (place - to[0][a, j]) ** 2
            by_length[a] += total
    grad_theta[0] += 2 * theta[0] * by_variance
    for a in range(axes):  # the scales are 5 / length^2, whose derivative is -10 / length^3
        grad_theta[_LENGTHS + a] += variance / 6 * by_length[a] * 10 / theta[_LENGTHS + a] ** 3


@compiled  # type: ignore[untyped-decorator]
def first_places(
    theta: np.ndarray,
    places: np.ndarray,
    inducing_places: np.ndarray,
    deviation: np.ndarray,
    inducing_deviation: np.ndarray,
    cross_long: np.ndarray,
    cross_local: np.ndarray,
    grad_cross: np.ndarray,
    grad_deviation: np.ndarray,
    grad_places: np.ndarray,
    grad_depth: np.ndarray,
) -> None:
    """Derivatives by the runs' places and depths, where their tokens are latent."""
    variance = theta[0] ** 2
    axes, count = len(places), len(inducing_deviation)
    long_squares, local_squares = np.empty(count), np.empty(count)
    by_t, by_u = np.empty(count), np.empty(count)
    for j in range(len(deviation)):
        grad_depth[j] = grad_deviation[j] * deviation[j] * theta[2]
        squared_distances(theta, places, j, inducing_places, count, long_squares, local_squares)
        for i in range(count):
            t, u = math.sqrt(long_squares[i]), math.sqrt(local_squares[i])
            by_t[i] = variance * (1 + t) * cross_long[j, i] * grad_cross[j, i] / 3
            by_u[i] = deviation[j] * inducing_deviation[i] * (1 + u)
            by_u[i] *= cross_local[j, i] * grad_cross[j, i] / 3
        for a in range(axes):
            long_scale = 5 / theta[_LENGTHS + a] ** 2
            local_scale = 5 / theta[_LENGTHS + axes + a] ** 2
            total = 0.0
            for i in range(count):
                apart = places[a, j] - inducing_places[a, i]
                total += apart * (by_t[i] * long_scale + by_u[i] * local_scale)
            grad_places[a, j] = -total
