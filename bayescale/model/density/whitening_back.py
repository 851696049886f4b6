"""Compiled kernel: the derivatives by what `whitening.first` takes, the last of the gradient.

What it takes and leaves is in `kernels.FIELDS`, by the same names.
"""

from __future__ import annotations

import numpy as np

from bayescale.model.density.covariances import covariances_back
from bayescale.model.density.small import (
    across,
    cholesky_gradient,
    compiled,
    times,
    unwhiten_gradient,
)
from bayescale.model.discrepancy.process import JITTER


@compiled  # type: ignore[untyped-decorator]
def first_back(
    theta: np.ndarray,
    noise: np.ndarray,
    places: np.ndarray,
    depth: np.ndarray,
    inducing_places: np.ndarray,
    inducing_depth: np.ndarray,
    misfit: np.ndarray,
    local_share: np.ndarray,
    tail: np.ndarray,
    law_z: np.ndarray,
    standardised: np.ndarray,
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
    known: np.ndarray,
    explained_by: np.ndarray,
    law_factor: np.ndarray,
    law_inverse: np.ndarray,
    residual: np.ndarray,
    weights: np.ndarray,
    grad_error: np.ndarray,
    grad_left: np.ndarray,
    grad_scaled: np.ndarray,
    grad_projected: np.ndarray,
    grad_gram: np.ndarray,
    grad_standardised: np.ndarray,
    grad_theta: np.ndarray,
    grad_noise: np.ndarray,
    grad_tail: np.ndarray,
    grad_law_residual: np.ndarray,
    grad_law_z: np.ndarray,
    grad_cross: np.ndarray,
    grad_deviation: np.ndarray,
) -> None:
    """Derivatives by what `first` takes, from those by its results; that by log volume is 1."""
    total, count = basis.shape
    law = len(law_z)
    grad_moved, grad_precision = np.empty(law), np.empty((law, law))
    unwhiten_gradient(
        law_factor, law_inverse, standardised, law_z, grad_standardised,
        grad_law_z, grad_moved, grad_precision,
    )  # fmt: skip
    # inner = known^T precision known - projected^T gram^-1 projected, symmetric
    grad_inner = np.zeros((law + 1, law + 1))
    for a in range(law):
        for b in range(law):
            grad_inner[a, b] = grad_precision[a, b]
        grad_inner[a, law] = grad_moved[a] / 2
        grad_inner[law, a] = grad_moved[a] / 2
    explained_grad = np.empty((count, law + 1))
    times(explained_by, grad_inner, explained_grad)
    # By projected = basis^T precision known, transposed.
    grad_projections = np.empty((law + 1, count))
    for i in range(count):
        for a in range(law + 1):
            grad_projections[a, i] = -2 * explained_grad[i, a]
            for k in range(count):
                grad_gram[i, k] += explained_grad[i, a] * explained_by[k, a]
    grad_basis = np.empty((total, count))
    times(basis, grad_gram, grad_basis)
    inducing_grad = np.zeros(count)
    grad_noise[0] = grad_tail[0] = 0.0
    grad_variance = 0.0
    by_known = np.empty(law + 1)
    along = np.empty(count)
    for j in range(total):
        by_precision = grad_scaled[j] * residual[j]
        for a in range(law + 1):
            by_known[a] = 0.0
            for b in range(law + 1):
                by_known[a] += grad_inner[a, b] * known[j, b]
            by_precision += by_known[a] * known[j, a]
        for i in range(count):
            along[i] = 0.0
        for a in range(law + 1):
            share = known[j, a]
            for i in range(count):
                along[i] += share * grad_projections[a, i]
        by_residual = 0.0
        for i in range(count):
            by_precision += basis[j, i] * (grad_basis[j, i] + along[i])
            by_residual += basis[j, i] * grad_projections[law, i]
        grad_law_residual[j] = precision[j] * (2 * by_known[law] + by_residual)
        alone = left[j] + noise[0]
        local = local_share[j] * deviation[j] ** 2
        error = misfit[j] * alone / (alone + local)
        by_widened = -by_precision * precision[j] ** 2 / (1 + tail[0])
        grad_tail[0] += by_widened * (error**2 - 1 / precision[j])
        by_error = by_widened * 2 * tail[0] * error * misfit[j] / (alone + local) ** 2
        by_variance = by_widened + by_error * local
        by_local = -by_error * alone
        grad_noise[0] += by_variance
        by_left = grad_left[j] + by_variance if left[j] > 0 else 0.0
        grad_variance += by_left
        grad_deviation[j] = 2 * (by_left + local_share[j] * by_local) * deviation[j]
        by_weights, by_projected = -grad_error[j], precision[j] * residual[j]
        for i in range(count):
            grad_basis[j, i] = (
                precision[j] * (2 * grad_basis[j, i] + along[i])
                - 2 * by_left * basis[j, i]
                + by_weights * weights[i]
                + by_projected * grad_projected[i]
            )
    times(grad_basis, prior_inverse, grad_cross)
    grad_prior_factor = across(grad_cross, basis)
    for i in range(count):
        for k in range(count):
            grad_prior_factor[i, k] = -grad_prior_factor[i, k] if k <= i else 0.0
    grad_prior = np.empty((count, count))
    cholesky_gradient(prior_factor, prior_inverse, grad_prior_factor, grad_prior)
    for i in range(count):
        grad_prior[i, i] *= 1 + JITTER
    runs = (places, deviation)
    inducing = (inducing_places, inducing_deviation)
    for a in range(len(grad_theta)):
        grad_theta[a] = 0.0
    grad_theta[0] = 2 * theta[0] * grad_variance
    covariances_back(
        theta, runs, inducing, cross_long, cross_local, grad_cross, False,
        grad_deviation, inducing_grad, grad_theta,
    )  # fmt: skip
    covariances_back(
        theta, inducing, inducing, prior_long, prior_local, grad_prior, True,
        inducing_grad, inducing_grad, grad_theta,
    )  # fmt: skip
    for j in range(total):
        by_log = grad_deviation[j] * deviation[j]
        grad_theta[1] += by_log / theta[1]
        grad_theta[2] += by_log * depth[j]
    for i in range(count):
        by_log = inducing_grad[i] * inducing_deviation[i]
        grad_theta[1] += by_log / theta[1]
        grad_theta[2] += by_log * inducing_depth[i]
