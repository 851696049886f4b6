"""The discrepancy's weights from the sampler's whitened ones: a formula, and it compiled.

Written as single steps, PyTensor would keep an array of inducing points by runs for each and
compile for minutes. Here runs pass in blocks that fit the processor's cache, so a gradient's cost
grows as their number, and machine code is made in seconds. A test holds the operation's values and
gradients against those of the formula, `unwhiten`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from bayescale.model.discrepancy.compiled_op import CompiledOp, connected
from bayescale.model.discrepancy.loops import (
    Kernel,
    block_of,
    cholesky,
    cholesky_gradient,
    compiled,
    coordinate_gradient,
    covariance_gradient,
    inverse_of,
    kernel_gradient,
    kernel_of,
    parameters_of,
    points_at,
    sum_of,
    unwhiten_gradient,
    zeros_like,
)
from bayescale.model.discrepancy.loops import covariance as compiled_covariance
from bayescale.model.discrepancy.process import (
    JITTER,
    Coordinates,
    Parameters,
    covariance,
    variance,
)

# Runs at a time.
_BLOCK = 512


class Given(NamedTuple):
    """What the weights depend on.

    Attributes
    ----------
    theta : array (parameter)
        In the order of `Parameters`.
    inducing, runs : array (coordinate, inducing), (coordinate, run)
        In the order of `Coordinates`.
    prior : array (inducing, inducing)
        Covariance among the inducing points.
    residual : array (run)
        Response minus law, in units in which the amplitude is a share.
    noise : array ()
        Squared scale of the observation noise, in the same units.
    nu : array ()
        Degrees of freedom of the noise; infinite if it is Normal.
    whitened : array (inducing)
        What the sampler moves: the weights, whitened by their approximate posterior.
    """

    theta: Any
    inducing: Any
    runs: Any
    prior: Any
    residual: Any
    noise: Any
    nu: Any
    whitened: Any


class Discrepancy(NamedTuple):
    """The processes at the runs.

    Attributes
    ----------
    weights : array (inducing)
        Values at the inducing points, whitened by their prior: standard Normal before the runs
        are seen.
    mean : array (run)
        Value at each run, given the weights.
    residual_variance : array (run)
        Variance of it that the weights leave: the FITC residual variance.
    correction : array ()
        Log density of the weights less that of `whitened`, and the log volume between them: what
        to add to the log density, as the sampler moves in `whitened`.
    """

    weights: Any
    mean: Any
    residual_variance: Any
    correction: Any


def unwhiten(given: Given, xp: Any) -> Discrepancy:
    """The weights for whitened ones, step by step; `xp` is numpy, or a module that follows it.

    Whitened weights are centred and scaled by the weights' posterior as it would be if the noise
    were Normal, each run's variance widened by its error (one step of reweighting). Normal noise
    leaves them standard Normal, heavier tails nearly so; the density is exact either way.
    """
    theta = Parameters(*(given.theta[i][None] for i in range(7)))
    inducing, runs = (
        Coordinates(*(matrix[i] for i in range(3))) for matrix in (given.inducing, given.runs)
    )
    identity = xp.eye(given.prior.shape[0])
    factor = xp.linalg.cholesky(given.prior * (1 + identity * JITTER))
    basis = xp.linalg.solve(factor, covariance(theta, inducing, runs, xp))
    left = variance(theta, runs, xp) - (basis**2).sum(0)
    residual_variance = xp.maximum(left, 0)

    def posterior(run_variance: Any) -> tuple[Any, Any]:
        """Cholesky factor of the weights' precision, and their mean."""
        precision = identity + (basis / run_variance) @ basis.T
        mean = xp.linalg.solve(precision, basis @ (given.residual / run_variance))
        return xp.linalg.cholesky(precision), mean

    run_variance = residual_variance + given.noise
    _, mean = posterior(run_variance)
    error = given.residual - mean @ basis
    widened = (run_variance + error**2 / given.nu) / (1 + 1 / given.nu)
    factor, mean = posterior(xp.where(xp.isinf(given.nu), run_variance, widened))
    weights = mean + xp.linalg.solve(factor.T, given.whitened)
    log_volume = xp.log(xp.diagonal(factor)).sum()
    correction = ((given.whitened**2).sum() - (weights**2).sum()) / 2 - log_volume
    return Discrepancy(weights, weights @ basis, residual_variance, correction)


def unwhiten_compiled(given: Given) -> Discrepancy:
    """`unwhiten` of tensors, as one operation."""
    weights, mean, residual_variance, correction, *_ = _Unwhiten()(
        given.theta,
        given.inducing,
        given.runs,
        given.prior,
        pt.stack([given.noise, given.nu]),
        given.residual,
        given.whitened,
    )
    return Discrepancy(weights, mean, residual_variance, correction[0])


@compiled  # type: ignore[untyped-decorator]
def _gram(basis: np.ndarray, run_variance: np.ndarray) -> np.ndarray:
    """1 plus the basis' inner products over runs, by their variance: (inducing, inducing)."""
    total, count = basis.shape
    gram = np.eye(count)
    scaled = np.empty((_BLOCK, count))
    for start in range(0, total, _BLOCK):
        rows = basis[start : start + _BLOCK]
        for j in range(len(rows)):
            share = 1 / run_variance[start + j]
            for i in range(count):
                scaled[j, i] = share * rows[j, i]
        gram += rows.T @ scaled[: len(rows)]
    return gram


@compiled  # type: ignore[untyped-decorator]
def _forward(
    theta: np.ndarray,
    inducing_at: np.ndarray,
    runs_at: np.ndarray,
    prior: np.ndarray,
    tails: np.ndarray,
    residual: np.ndarray,
    whitened: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """`unwhiten`, and after its four results what the gradient takes of the steps between.

    Parameters
    ----------
    theta, inducing_at, runs_at, prior, residual, whitened : array
        As in `Given`.
    tails : array (2)
        `noise` and `nu`.

    Returns
    -------
    weights, mean, residual_variance, correction : array (inducing), (run), (run), (1)
    basis : array (run, inducing)
        Value at each run for each weight of 1.
    prior_factor, prior_inverse : array (inducing, inducing)
        Cholesky factor of the covariance among the inducing points, and its inverse.
    first_inverse : array (inducing, inducing)
        Inverse of the factor of the weights' precision before reweighting.
    first_mean, error : array (inducing), (run)
        Mean of the weights before reweighting, and the residual less its value at each run.
    factor, inverse : array (inducing, inducing)
        Cholesky factor of the weights' precision, and its inverse.
    """
    parameters, noise, nu = parameters_of(theta), tails[0], tails[1]
    kernel = kernel_of(parameters)
    inducing, runs = points_at(parameters, inducing_at), points_at(parameters, runs_at)
    count, total = len(inducing.compute), len(runs.compute)
    jittered = prior.copy()
    for i in range(count):
        jittered[i, i] *= 1 + JITTER
    prior_factor = cholesky(jittered)
    prior_inverse = inverse_of(prior_factor)
    basis, residual_variance = np.empty((total, count)), np.empty(total)
    for start in range(0, total, _BLOCK):
        block = block_of(runs, start, start + _BLOCK)
        rows = compiled_covariance(kernel, block, inducing) @ prior_inverse.T
        basis[start : start + len(rows)] = rows
        for j in range(len(rows)):
            left = kernel.variance + block.deviation[j] ** 2
            for i in range(count):
                left -= rows[j, i] ** 2
            residual_variance[start + j] = max(left, 0.0)
    run_variance = residual_variance + noise
    first_inverse, first_mean = np.zeros((count, count)), np.zeros(count)
    error = residual
    if nu < np.inf:
        first_inverse = inverse_of(cholesky(_gram(basis, run_variance)))
        projected = (residual / run_variance) @ basis
        first_mean = first_inverse.T @ (first_inverse @ projected)
        error = residual - basis @ first_mean
        run_variance = (nu * run_variance + error**2) / (nu + 1)
    factor = cholesky(_gram(basis, run_variance))
    inverse = inverse_of(factor)
    weights = inverse.T @ (inverse @ ((residual / run_variance) @ basis) + whitened)
    correction = np.zeros(1)
    for i in range(count):
        correction[0] += (whitened[i] ** 2 - weights[i] ** 2) / 2 - math.log(factor[i, i])
    return (
        weights,
        basis @ weights,
        residual_variance,
        correction,
        basis,
        prior_factor,
        prior_inverse,
        first_inverse,
        first_mean,
        error,
        factor,
        inverse,
    )


@compiled  # type: ignore[untyped-decorator]
def _backward(
    theta: np.ndarray,
    inducing_at: np.ndarray,
    runs_at: np.ndarray,
    prior: np.ndarray,
    tails: np.ndarray,
    residual: np.ndarray,
    whitened: np.ndarray,
    weights: np.ndarray,
    residual_variance: np.ndarray,
    basis: np.ndarray,
    prior_factor: np.ndarray,
    prior_inverse: np.ndarray,
    first_inverse: np.ndarray,
    first_mean: np.ndarray,
    error: np.ndarray,
    factor: np.ndarray,
    inverse: np.ndarray,
    grad_weights: np.ndarray,
    grad_mean: np.ndarray,
    grad_residual_variance: np.ndarray,
    grad_correction: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradient by each argument of `_forward`, from that by its first four results.

    Arguments and results as for `_forward`; `grad_x` has the dims of x.
    """
    parameters, noise, nu = parameters_of(theta), tails[0], tails[1]
    kernel = kernel_of(parameters)
    inducing, runs = points_at(parameters, inducing_at), points_at(parameters, runs_at)
    heavy_tails = nu < np.inf
    total, count = basis.shape
    first_variance = residual_variance + noise
    run_variance = (nu * first_variance + error**2) / (nu + 1) if heavy_tails else first_variance

    # weights = factor^-T (factor^-1 projected + whitened),
    # projected = basis^T (residual / variance)
    grad_all_weights = grad_weights + grad_mean @ basis - grad_correction[0] * weights
    grad_whitened, grad_projected, grad_gram = unwhiten_gradient(
        factor, inverse, weights, whitened, grad_all_weights, grad_correction[0]
    )
    grad_whitened += grad_correction[0] * whitened

    # Each run's variance, and through it its error before reweighting.
    grad_scaled = basis @ grad_projected  # by residual / variance
    grad_first_variance, grad_error = np.empty(total), np.zeros(total)
    grad_nu = 0.0
    for start in range(0, total, _BLOCK):
        rows = basis[start : start + _BLOCK]
        by_rows = rows @ grad_gram
        for k in range(len(rows)):
            j = start + k
            product = grad_scaled[j] * residual[j]
            for i in range(count):
                product += rows[k, i] * by_rows[k, i]
            grad_variance = -product / run_variance[j] ** 2
            if heavy_tails:
                grad_first_variance[j] = grad_variance * nu / (nu + 1)
                grad_error[j] = grad_variance * 2 * error[j] / (nu + 1)
                grad_nu += grad_variance * (first_variance[j] - error[j] ** 2) / (nu + 1) ** 2
            else:
                grad_first_variance[j] = grad_variance

    # error = residual - basis first_mean,
    # first_mean = (1 + basis^T basis / first_variance)^-1 basis^T (residual / first_variance)
    grad_residual = grad_scaled / run_variance
    grad_first_projected, grad_first_scaled = np.zeros(count), np.zeros(total)
    if heavy_tails:
        grad_first_projected = first_inverse.T @ (first_inverse @ -(grad_error @ basis))
        grad_first_scaled = basis @ grad_first_projected
        grad_residual += grad_error + grad_first_scaled / first_variance
        grad_first_variance -= grad_first_scaled * error / first_variance**2

    grad_left = np.where(residual_variance > 0, grad_residual_variance + grad_first_variance, 0.0)
    grad_kernel = Kernel(0.0, 0.0, 0.0, 0.0, 0.0)
    grad_inducing, grad_runs = zeros_like(inducing), zeros_like(runs)
    grad_prior_factor = np.zeros((count, count))
    for start in range(0, total, _BLOCK):
        rows = basis[start : start + _BLOCK]
        block = block_of(runs, start, start + _BLOCK)
        grad_block = block_of(grad_runs, start, start + _BLOCK)
        # Kept of one block; of many, keeping it costs more than taking it again.
        grad_rows = by_rows if total <= _BLOCK else rows @ grad_gram
        for k in range(len(rows)):
            j = start + k
            by_gram, by_row = 2 / run_variance[j], 2 * grad_left[j]
            by_first_projected = error[j] / first_variance[j]
            by_first_mean = grad_error[j] + grad_first_scaled[j] / first_variance[j]
            by_projected = residual[j] / run_variance[j]
            for i in range(count):
                grad_rows[k, i] = (
                    by_gram * grad_rows[k, i]
                    - by_row * rows[k, i]
                    + grad_mean[j] * weights[i]
                    + by_projected * grad_projected[i]
                    + by_first_projected * grad_first_projected[i]
                    - by_first_mean * first_mean[i]
                )
            grad_block.deviation[k] += by_row * block.deviation[k]
        grad_across = grad_rows @ prior_inverse
        grad_prior_factor -= grad_across.T @ rows
        grad_kernel = sum_of(
            grad_kernel,
            covariance_gradient(kernel, block, inducing, grad_across, grad_block, grad_inducing),
        )
    grad_prior = cholesky_gradient(prior_factor, prior_inverse, np.tril(grad_prior_factor))
    for i in range(count):
        grad_prior[i, i] *= 1 + JITTER
    grad_kernel = sum_of(grad_kernel, Kernel(grad_left.sum(), 0.0, 0.0, 0.0, 0.0))
    grad_theta = kernel_gradient(parameters, grad_kernel)
    grad_inducing_at = coordinate_gradient(
        parameters, inducing_at, inducing, grad_inducing, grad_theta
    )
    grad_runs_at = coordinate_gradient(parameters, runs_at, runs, grad_runs, grad_theta)
    grad_tails = np.array([grad_first_variance.sum(), grad_nu])
    return (
        grad_theta,
        grad_inducing_at,
        grad_runs_at,
        grad_prior,
        grad_tails,
        grad_residual,
        grad_whitened,
    )


class _UnwhitenGradient(CompiledOp):
    """The gradient of `_Unwhiten`; see `_backward`."""

    loop = staticmethod(_backward)
    results = "vmmmvvv"


class _Unwhiten(CompiledOp):
    """`unwhiten`; see `_forward`."""

    loop = staticmethod(_forward)
    results = "vvvvmmmmvvmm"

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        weights, _, residual_variance, _, *steps = outputs
        gradients = connected(outputs[:4], cotangents[:4])
        return _UnwhitenGradient()(
            *inputs, weights, residual_variance, *steps, *gradients, return_list=True
        )
