"""The law's parameters from the sampler's whitened ones: a formula, and it compiled.

A test holds the operation's values and gradients against those of the formula, `unwhiten_law`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type

from bayescale.model.discrepancy.compiled_op import CompiledOp, connected
from bayescale.model.discrepancy.loops import (
    add_kernel_gradient,
    cholesky,
    cholesky_gradient,
    compiled,
    coordinate_gradient,
    covariance,
    covariance_gradient,
    inverse_of,
    kernel_of,
    parameters_of,
    points_at,
    unwhiten_gradient,
    zeros_like,
)
from bayescale.model.discrepancy.process import Coordinates, Parameters
from bayescale.model.discrepancy.process import covariance as prior_covariance


class GivenLaw(NamedTuple):
    """What the law's parameters depend on.

    Attributes
    ----------
    theta : Parameters
        Of the processes, scalars.
    inducing : Coordinates
        Each (inducing).
    noise : array ()
        Squared scale of the observation noise, as a share of the response.
    runs : array (inducing)
        Number of runs nearest to each inducing point.
    residual : array (inducing)
        Their mean response minus the tangent at the middle of the prior, as a share.
    slope : array (inducing, law)
        The tangent's slope a standard deviation of the prior of each parameter.
    whitened : array (law)
        What the sampler moves: the parameters, whitened by their approximate posterior.
    """

    theta: Parameters
    inducing: Coordinates
    noise: Any
    runs: Any
    residual: Any
    slope: Any
    whitened: Any


def unwhiten_law(given: GivenLaw, xp: Any) -> tuple[Any, Any]:
    """The law's parameters for whitened ones, step by step.

    Whitened parameters are centred and scaled by the posterior as it would be if the law were its
    tangent, the prior standard Normal and the noise Normal.

    Parameters
    ----------
    given : GivenLaw
    xp : module
        numpy, or one that follows it, with `linalg`.

    Returns
    -------
    standardised : array (law)
        How many standard deviations of the prior the parameters are from its middle.
    log_volume : array ()
        Of `standardised` over that of `whitened`.
    """
    theta = Parameters(*(value[None] for value in given.theta))
    prior = prior_covariance(theta, given.inducing, given.inducing, xp)
    root = xp.linalg.cholesky(prior + xp.diag(given.noise / given.runs))
    slope, residual = xp.linalg.solve(root, given.slope), xp.linalg.solve(root, given.residual)
    factor = xp.linalg.cholesky(xp.eye(given.slope.shape[1]) + slope.T @ slope)
    projected = xp.linalg.solve(factor, residual @ slope)
    standardised = xp.linalg.solve(factor.T, projected + given.whitened)
    return standardised, -xp.log(xp.diagonal(factor)).sum()


def unwhiten_law_compiled(given: GivenLaw) -> tuple[Any, Any]:
    """`unwhiten_law` of tensors, as one operation."""
    standardised, log_volume, *_ = _UnwhitenLaw()(
        pt.stack([*given.theta, given.noise]),
        given.residual,
        given.whitened,
        pt.stack(given.inducing),
        given.slope,
        given.runs,
    )
    return standardised, log_volume[0]


@compiled  # type: ignore[untyped-decorator]
def _forward(
    scalars: np.ndarray,
    residual: np.ndarray,
    whitened: np.ndarray,
    inducing_at: np.ndarray,
    slope: np.ndarray,
    runs: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """`unwhiten_law`, and after its two results what the gradient takes of the steps between.

    Parameters
    ----------
    scalars : array (8)
        The processes' parameters and `noise`.
    residual, whitened, slope, runs : array
        As in `GivenLaw`.
    inducing_at : array (3, inducing)
        Coordinates.

    Returns
    -------
    standardised, log_volume : array (law), (1)
    root, root_inverse : array (inducing, inducing)
        Cholesky factor of the covariance of the inducing points' residuals, and its inverse.
    white_slope, white_residual : array (inducing, law), (inducing)
        Whitened by that factor.
    factor : array (law, law)
        Cholesky factor of the standardised parameters' precision.
    """
    theta = parameters_of(scalars)
    inducing = points_at(theta, inducing_at)
    matrix = covariance(kernel_of(theta), inducing, inducing)
    for i in range(len(runs)):
        matrix[i, i] += scalars[7] / runs[i]
    root = cholesky(matrix)
    root_inverse = inverse_of(root)
    white_slope, white_residual = root_inverse @ slope, root_inverse @ residual
    factor = cholesky(np.eye(len(whitened)) + white_slope.T @ white_slope)
    inverse = inverse_of(factor)
    standardised = inverse.T @ (inverse @ (white_residual @ white_slope) + whitened)
    log_volume = np.zeros(1)
    for i in range(len(whitened)):
        log_volume[0] -= math.log(factor[i, i])
    return standardised, log_volume, root, root_inverse, white_slope, white_residual, factor


@compiled  # type: ignore[untyped-decorator]
def _backward(
    scalars: np.ndarray,
    residual: np.ndarray,
    whitened: np.ndarray,
    inducing_at: np.ndarray,
    slope: np.ndarray,
    runs: np.ndarray,
    standardised: np.ndarray,
    root: np.ndarray,
    root_inverse: np.ndarray,
    white_slope: np.ndarray,
    white_residual: np.ndarray,
    factor: np.ndarray,
    grad_standardised: np.ndarray,
    grad_log_volume: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradient by the first three arguments of `_forward`, from that by its first two results.

    Arguments and results as for `_forward`; `grad_x` has the dims of x.
    """
    theta = parameters_of(scalars)
    inducing = points_at(theta, inducing_at)
    count = len(runs)
    inverse = inverse_of(factor)
    grad_whitened, grad_projected, grad_gram = unwhiten_gradient(
        factor, inverse, standardised, whitened, grad_standardised, grad_log_volume[0]
    )
    grad_white_slope = 2 * white_slope @ grad_gram
    for i in range(count):
        for j in range(len(grad_projected)):
            grad_white_slope[i, j] += white_residual[i] * grad_projected[j]
    grad_residual = (white_slope @ grad_projected) @ root_inverse
    grad_slope = root_inverse.T @ grad_white_slope
    grad_root = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            total = grad_residual[i] * white_residual[j]
            for k in range(len(grad_projected)):
                total += grad_slope[i, k] * white_slope[j, k]
            grad_root[i, j] = -total
    grad_matrix = cholesky_gradient(root, root_inverse, grad_root)
    grad_scalars, grad_inducing = np.zeros(8), zeros_like(inducing)
    kernel = kernel_of(theta)
    grad_kernel = covariance_gradient(
        kernel, inducing, inducing, grad_matrix, grad_inducing, grad_inducing
    )
    add_kernel_gradient(theta, grad_kernel, grad_scalars)
    coordinate_gradient(theta, inducing_at[2], inducing, grad_inducing, grad_scalars)
    for i in range(count):
        grad_scalars[7] += grad_matrix[i, i] / runs[i]
    return grad_scalars, grad_residual, grad_whitened


class _UnwhitenLawGradient(CompiledOp):
    """The gradient of `_UnwhitenLaw`; see `_backward`."""

    loop = staticmethod(_backward)
    results = "vvv"


class _UnwhitenLaw(CompiledOp):
    """`unwhiten_law`; see `_forward`."""

    loop = staticmethod(_forward)
    results = "vvmmmvm"

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Gradients are asked by what is sampled, not by the design's arrays."""
        return [[i < 3] * len(self.results) for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        standardised, _, *steps = outputs
        gradients = connected(outputs[:2], cotangents[:2])
        by_sampled = _UnwhitenLawGradient()(
            *inputs, standardised, *steps, *gradients, return_list=True
        )
        return [*by_sampled, *(disconnected_type() for _ in inputs[3:])]
