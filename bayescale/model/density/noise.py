"""Compiled loops: log densities of runs around law and discrepancy, one for each noise.

Each takes the runs' errors, the variance that the inducing points leave at each run, and the
noise's scale and degrees of freedom. It returns the sum of log densities less the noise's height
(`Noise.height`), and fills in the derivatives by all four.
"""

from __future__ import annotations

import math

import numpy as np

from bayescale.model.density.small import compiled, exp_minus
from bayescale.model.noise.student_t import LOG_WEIGHTS, NODES

_COUNT = len(NODES)


@compiled  # type: ignore[untyped-decorator]
def normal(
    error: np.ndarray,
    left: np.ndarray,
    scale: float,
    nu: float,
    grad_error: np.ndarray,
    grad_left: np.ndarray,
    grad_scale: np.ndarray,
    grad_nu: np.ndarray,
) -> float:
    """Normal noise: a sum of two Normals."""
    value = 0.0
    grad_scale[0] = grad_nu[0] = 0.0
    for j in range(len(error)):
        variance = scale * scale + left[j]
        value -= (error[j] ** 2 / variance + math.log(variance)) / 2
        grad_error[j] = -error[j] / variance
        grad_left[j] = (error[j] ** 2 / variance - 1) / (2 * variance)
        grad_scale[0] += 2 * scale * grad_left[j]
    return value


@compiled  # type: ignore[untyped-decorator]
def student_t(
    error: np.ndarray,
    left: np.ndarray,
    scale: float,
    nu: float,
    grad_error: np.ndarray,
    grad_left: np.ndarray,
    grad_scale: np.ndarray,
    grad_nu: np.ndarray,
) -> float:
    """Student's t noise: Gauss-Hermite nodes over the Normal; see `noise.student_t`."""
    value = 0.0
    grad_scale[0] = grad_nu[0] = 0.0
    logs, terms = np.empty(_COUNT), np.empty(_COUNT)
    power = (nu + 1) / 2
    for j in range(len(error)):
        deviation = math.sqrt(left[j] + 1e-16)  # off 0, where the root has no slope
        least = math.inf
        for k in range(_COUNT):
            x = (error[j] - deviation * NODES[k]) / scale
            logs[k] = math.log(1 + x * x / nu)
            terms[k] = power * logs[k] - LOG_WEIGHTS[k]
            least = min(least, terms[k])
        total = by_error = by_scale = by_deviation = by_nu = 0.0
        for k in range(_COUNT):
            weight = exp_minus(terms[k] - least)
            x = (error[j] - deviation * NODES[k]) / scale
            slope = -weight * (nu + 1) * x / (nu + x * x)
            total += weight
            by_error += slope
            by_scale -= slope * x
            by_deviation -= slope * NODES[k]
            by_nu -= weight * logs[k] / 2 + slope * x / (2 * nu)
        value += math.log(total) - least
        grad_error[j] = by_error / (total * scale)
        grad_left[j] = by_deviation / (total * scale * 2 * deviation)
        grad_scale[0] += by_scale / (total * scale)
        grad_nu[0] += by_nu / total
    return value
