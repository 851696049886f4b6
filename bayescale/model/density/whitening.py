"""Compiled kernels: the law's parameters, then the discrepancy's weights, from whitened ones.

What each takes and leaves is in `kernels.FIELDS`, by the same names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bayescale.model.density.covariances import covariances
from bayescale.model.density.noise import normal, student_t
from bayescale.model.density.small import (
    across,
    cholesky,
    compiled,
    inverse_of,
    times,
    unwhiten_gradient,
)
from bayescale.model.discrepancy.process import JITTER


@compiled  # type: ignore[untyped-decorator]
def first(
    theta: np.ndarray,
    noise: np.ndarray,
    places: np.ndarray,
    depth: np.ndarray,
    inducing_places: np.ndarray,
    inducing_depth: np.ndarray,
    law_residual: np.ndarray,
    slope: np.ndarray,
    misfit: np.ndarray,
    local_share: np.ndarray,
    tail: np.ndarray,
    law_z: np.ndarray,
    standardised: np.ndarray,
    log_volume: np.ndarray,
    deviation: np.ndarray,
    inducing_deviation: np.ndarray,
    prior_long: np.ndarray,
    prior_local: np.ndarray,
    cross_long: np.ndarray,
    cross_local: np.ndarray,
    prior_factor: np.ndarray,
    prior_inverse: np.ndarray,
    basis: np.ndarray,
    left: np.ndarray,
    precision: np.ndarray,
    factor: np.ndarray,
    inverse: np.ndarray,
    known: np.ndarray,
    explained_by: np.ndarray,
    law_factor: np.ndarray,
    law_inverse: np.ndarray,
) -> None:
    """The law's standardised parameters and the log volume of their whitening.

    Were the noise Normal, the weights' precision given the runs would be
    1 + basis^T precision basis, with each run's variance what the weights leave plus the noise's,
    as Student's t widens it. Around the
    tangent the law's parameters are a few more weights: with those of the processes integrated
    out, they have a Normal posterior, by whose mean and Cholesky factor they are centred and
    scaled.
    """
    total, count, law = len(depth), len(inducing_depth), len(law_z)
    for j in range(total):
        deviation[j] = theta[1] * math.exp(theta[2] * depth[j])
    for i in range(count):
        inducing_deviation[i] = theta[1] * math.exp(theta[2] * inducing_depth[i])
    runs = (places, deviation)
    inducing = (inducing_places, inducing_deviation)
    prior = covariances(theta, inducing, inducing, True, prior_long, prior_local)
    for i in range(count):
        prior[i, i] *= 1 + JITTER
    cholesky(prior, prior_factor)
    inverse_of(prior_factor, prior_inverse)
    cross = covariances(theta, runs, inducing, False, cross_long, cross_local)
    transposed = np.empty((count, count))
    for i in range(count):
        for k in range(count):
            transposed[i, k] = prior_inverse[k, i]
    times(cross, transposed, basis)
    scaled = np.empty((total, count))
    variance = theta[0] ** 2
    for j in range(total):
        explained = 0.0
        for i in range(count):
            explained += basis[j, i] ** 2
        left[j] = max(variance + deviation[j] ** 2 - explained, 0.0)
        alone = left[j] + noise[0]
        error = misfit[j] * alone / (alone + local_share[j] * deviation[j] ** 2)
        precision[j] = (1 + tail[0]) / (alone + tail[0] * error**2)
        for i in range(count):
            scaled[j, i] = precision[j] * basis[j, i]
    gram = across(scaled, basis)
    for i in range(count):
        gram[i, i] += 1
    cholesky(gram, factor)
    inverse_of(factor, inverse)
    for j in range(total):
        for a in range(law):
            known[j, a] = slope[j, a]
        known[j, law] = law_residual[j]
    projected = across(scaled, known)
    half = np.empty((count, law + 1))
    times(inverse, projected, half)
    solved = across(inverse, half)  # gram^-1 projected
    for i in range(count):
        for a in range(law + 1):
            explained_by[i, a] = solved[i, a]
    inner = across(half, half)
    for a in range(law + 1):
        for b in range(law + 1):
            inner[a, b] = -inner[a, b]
    for j in range(total):
        for a in range(law + 1):
            share = precision[j] * known[j, a]
            for b in range(law + 1):
                inner[a, b] += share * known[j, b]
    law_precision = np.empty((law, law))
    for a in range(law):
        for b in range(law):
            law_precision[a, b] = inner[a, b]
        law_precision[a, a] += 1
    cholesky(law_precision, law_factor)
    inverse_of(law_factor, law_inverse)
    log_volume[0] = 0.0
    for a in range(law):
        standardised[a] = 0.0
        log_volume[0] -= math.log(law_factor[a, a])
    for a in range(law):
        moved = law_z[a]
        for b in range(a + 1):
            moved += law_inverse[a, b] * inner[b, law]
        for b in range(a + 1):
            standardised[b] += law_inverse[a, b] * moved


def second_with(density: Callable[..., Any]) -> Any:
    """The kernel `second` for one noise, whose own loop gives each run's log density."""

    @compiled  # type: ignore[untyped-decorator]
    def second(
        basis: np.ndarray,
        left: np.ndarray,
        precision: np.ndarray,
        factor: np.ndarray,
        inverse: np.ndarray,
        residual: np.ndarray,
        scale: np.ndarray,
        nu: np.ndarray,
        z: np.ndarray,
        value: np.ndarray,
        weights: np.ndarray,
        grad_residual: np.ndarray,
        grad_scale: np.ndarray,
        grad_nu: np.ndarray,
        grad_z: np.ndarray,
        grad_error: np.ndarray,
        grad_left: np.ndarray,
        grad_scaled: np.ndarray,
        grad_projected: np.ndarray,
        grad_gram: np.ndarray,
    ) -> None:
        """Log density of the runs and the weights, the weights, and derivatives.

        The weights are centred and scaled by their Normal posterior given the residuals. Their
        prior and the log volume of that are in the log density.
        """
        total, count = basis.shape
        moved, projected = np.empty(count), np.zeros(count)
        error = np.empty(total)
        for j in range(total):
            share = precision[j] * residual[j]
            for i in range(count):
                projected[i] += share * basis[j, i]
        for i in range(count):
            weights[i] = 0.0
            moved[i] = z[i]
            for k in range(i + 1):
                moved[i] += inverse[i, k] * projected[k]
        for i in range(count):
            for k in range(i + 1):
                weights[k] += inverse[i, k] * moved[i]
        for j in range(total):
            mean = 0.0
            for i in range(count):
                mean += basis[j, i] * weights[i]
            error[j] = residual[j] - mean
        value[0] = density(error, left, scale[0], nu[0], grad_error, grad_left, grad_scale, grad_nu)
        grad_weights = np.empty(count)
        for i in range(count):
            value[0] -= weights[i] ** 2 / 2 + math.log(factor[i, i])
            grad_weights[i] = -weights[i]
        for j in range(total):
            for i in range(count):
                grad_weights[i] -= grad_error[j] * basis[j, i]
        unwhiten_gradient(
            factor, inverse, weights, z, grad_weights, grad_z, grad_projected, grad_gram
        )
        for j in range(total):
            along = 0.0
            for i in range(count):
                along += basis[j, i] * grad_projected[i]
            grad_scaled[j] = along
            grad_residual[j] = grad_error[j] + along * precision[j]

    return second


second_normal, second_student_t = second_with(normal), second_with(student_t)
