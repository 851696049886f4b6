"""Compiled loops: the discrepancy's covariance and its derivatives; see `discrepancy.process`.

Theta holds the processes' parameters in the order of `process.Parameters`.
"""

from __future__ import annotations

import math

import numpy as np

from bayescale.model.density.small import compiled, exp_minus
from bayescale.model.discrepancy.process import LOCAL_LENGTH

# 5 over the squared length of the local process.
_LOCAL = 5 / float(LOCAL_LENGTH[0]) ** 2


@compiled  # type: ignore[untyped-decorator]
def covariances(
    theta: np.ndarray,
    at: tuple[np.ndarray, np.ndarray, np.ndarray],
    to: tuple[np.ndarray, np.ndarray, np.ndarray],
    symmetric: bool,
    long_exp: np.ndarray,
    local_exp: np.ndarray,
) -> np.ndarray:
    """Prior covariance (at, to) of the processes; fills in the exponentials of both.

    Points are compute, split and the local process's standard deviation. If both sets are the
    same, the upper triangle is the lower one's mirror.
    """
    variance = theta[0] ** 2
    compute_scale, split_scale = 5 / theta[1] ** 2, 5 / theta[2] ** 2
    shape = (len(at[0]), len(to[0]))
    matrix = np.empty(shape)
    for i in range(shape[0]):
        compute, split, deviation = at[0][i], at[1][i], at[2][i]
        for j in range(i + 1 if symmetric else shape[1]):
            squared_compute = (compute - to[0][j]) ** 2
            squared_split = (split - to[1][j]) ** 2
            t = math.sqrt(squared_compute * compute_scale + squared_split * split_scale + 1e-12)
            u = math.sqrt((squared_compute + squared_split) * _LOCAL + 1e-12)
            long, local = exp_minus(t), exp_minus(u)
            long_exp[i, j] = long
            local_exp[i, j] = local
            matrix[i, j] = (
                variance * (1 + t + t * t / 3) * long
                + deviation * to[2][j] * (1 + u + u * u / 3) * local
            )
    if symmetric:
        for i in range(shape[0]):
            for j in range(i):
                matrix[j, i] = matrix[i, j]
    return matrix


@compiled  # type: ignore[untyped-decorator]
def covariances_back(
    theta: np.ndarray,
    at: tuple[np.ndarray, np.ndarray, np.ndarray],
    to: tuple[np.ndarray, np.ndarray, np.ndarray],
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
    compute_scale, split_scale = 5 / theta[1] ** 2, 5 / theta[2] ** 2
    by_variance = by_compute = by_split = 0.0
    for i in range(len(at[0])):
        compute, split, deviation = at[0][i], at[1][i], at[2][i]
        sum_deviation = 0.0
        for j in range(i + 1 if symmetric else len(to[0])):
            squared_compute = (compute - to[0][j]) ** 2
            squared_split = (split - to[1][j]) ** 2
            t = math.sqrt(squared_compute * compute_scale + squared_split * split_scale + 1e-12)
            u = math.sqrt((squared_compute + squared_split) * _LOCAL + 1e-12)
            by = 2 * grad[i, j] if symmetric and j < i else grad[i, j]
            long, local = by * long_exp[i, j], by * local_exp[i, j]
            by_variance += (1 + t + t * t / 3) * long
            correlation = (1 + u + u * u / 3) * local
            sum_deviation += correlation * to[2][j]
            grad_to[j] += correlation * deviation
            # The derivative of (1 + t + t^2/3) exp(-t) by t^2 is -(1 + t) exp(-t) / 6.
            by_t = (1 + t) * long
            by_compute += by_t * squared_compute
            by_split += by_t * squared_split
        grad_at[i] += sum_deviation
    # The scales are 5 / length^2, whose derivative is -10 / length^3.
    grad_theta[0] += 2 * theta[0] * by_variance
    grad_theta[1] += variance / 6 * by_compute * 10 / theta[1] ** 3
    grad_theta[2] += variance / 6 * by_split * 10 / theta[2] ** 3


@compiled  # type: ignore[untyped-decorator]
def first_places(
    theta: np.ndarray,
    compute: np.ndarray,
    split: np.ndarray,
    inducing_compute: np.ndarray,
    inducing_split: np.ndarray,
    deviation: np.ndarray,
    inducing_deviation: np.ndarray,
    cross_long: np.ndarray,
    cross_local: np.ndarray,
    grad_cross: np.ndarray,
    grad_deviation: np.ndarray,
    grad_compute: np.ndarray,
    grad_split: np.ndarray,
    grad_depth: np.ndarray,
) -> None:
    """Derivatives by the runs' compute, split and depth, where their tokens are latent."""
    variance = theta[0] ** 2
    compute_scale, split_scale = 5 / theta[1] ** 2, 5 / theta[2] ** 2
    for j in range(len(compute)):
        grad_depth[j] = grad_deviation[j] * deviation[j] * theta[4]
        grad_compute[j] = 0.0
        grad_split[j] = 0.0
        for i in range(len(inducing_compute)):
            apart_compute = compute[j] - inducing_compute[i]
            apart_split = split[j] - inducing_split[i]
            squared_compute, squared_split = apart_compute**2, apart_split**2
            t = math.sqrt(squared_compute * compute_scale + squared_split * split_scale + 1e-12)
            u = math.sqrt((squared_compute + squared_split) * _LOCAL + 1e-12)
            by_t = variance * (1 + t) * cross_long[j, i] * grad_cross[j, i] / 3
            by_u = deviation[j] * inducing_deviation[i] * (1 + u)
            by_u *= cross_local[j, i] * grad_cross[j, i] / 3
            grad_compute[j] -= apart_compute * (by_t * compute_scale + by_u * _LOCAL)
            grad_split[j] -= apart_split * (by_t * split_scale + by_u * _LOCAL)
