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
from bayescale.model.discrepancy.loops import cholesky, compiled, inverse_of, unwhiten_gradient


class GivenLaw(NamedTuple):
    """What the law's parameters depend on.

    Attributes
    ----------
    prior : array (inducing, inducing)
        Covariance of the discrepancy among the inducing points.
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

    prior: Any
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
    matrix = given.prior + xp.diag(given.noise / given.runs)
    weighted_slope = xp.linalg.solve(matrix, given.slope)
    precision = xp.eye(given.slope.shape[1]) + given.slope.T @ weighted_slope
    factor = xp.linalg.cholesky(precision)
    projected = xp.linalg.solve(factor, given.residual @ weighted_slope)
    standardised = xp.linalg.solve(factor.T, projected + given.whitened)
    return standardised, -xp.log(xp.diagonal(factor)).sum()


def unwhiten_law_compiled(given: GivenLaw) -> tuple[Any, Any]:
    """`unwhiten_law` of tensors, as one operation."""
    standardised, log_volume, *_ = _UnwhitenLaw()(
        given.prior,
        pt.stack([given.noise]),
        given.residual,
        given.whitened,
        given.slope,
        given.runs,
    )
    return standardised, log_volume[0]


@compiled  # type: ignore[untyped-decorator]
def _forward(
    prior: np.ndarray,
    noise: np.ndarray,
    residual: np.ndarray,
    whitened: np.ndarray,
    slope: np.ndarray,
    runs: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """`unwhiten_law`, and after its two results what the gradient takes of the steps between.

    Parameters
    ----------
    prior, noise, residual, whitened, slope, runs : array
        As in `GivenLaw`; `noise` is (1).

    Returns
    -------
    standardised, log_volume : array (law), (1)
    weighted_slope, weighted_residual : array (inducing, law), (inducing)
        Times the inverse covariance of the residuals.
    factor, inverse : array (law, law)
        Cholesky factor of the standardised parameters' precision, and its inverse.
    """
    matrix = prior.copy()
    for i in range(len(runs)):
        matrix[i, i] += noise[0] / runs[i]
    root_inverse = inverse_of(cholesky(matrix))
    weighted_slope = root_inverse.T @ (root_inverse @ slope)
    weighted_residual = root_inverse.T @ (root_inverse @ residual)
    factor = cholesky(np.eye(len(whitened)) + slope.T @ weighted_slope)
    inverse = inverse_of(factor)
    standardised = inverse.T @ (inverse @ (residual @ weighted_slope) + whitened)
    log_volume = np.zeros(1)
    for i in range(len(whitened)):
        log_volume[0] -= math.log(factor[i, i])
    return standardised, log_volume, weighted_slope, weighted_residual, factor, inverse


@compiled  # type: ignore[untyped-decorator]
def _backward(
    prior: np.ndarray,
    noise: np.ndarray,
    residual: np.ndarray,
    whitened: np.ndarray,
    slope: np.ndarray,
    runs: np.ndarray,
    standardised: np.ndarray,
    weighted_slope: np.ndarray,
    weighted_residual: np.ndarray,
    factor: np.ndarray,
    inverse: np.ndarray,
    grad_standardised: np.ndarray,
    grad_log_volume: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Gradient by the first four arguments of `_forward`, from that by its first two results.

    Arguments and results as for `_forward`; `grad_x` has the dims of x.
    """
    grad_whitened, grad_projected, grad_precision = unwhiten_gradient(
        factor, inverse, standardised, whitened, grad_standardised, grad_log_volume[0]
    )
    # precision = 1 + slope^T matrix^-1 slope, projected = slope^T matrix^-1 residual
    by_slope = weighted_slope @ grad_precision
    grad_residual = weighted_slope @ grad_projected
    grad_prior = np.empty_like(prior)
    grad_noise = np.zeros(1)
    for i in range(len(runs)):
        for j in range(len(runs)):
            total = grad_residual[i] * weighted_residual[j] / 2
            total += weighted_residual[i] * grad_residual[j] / 2
            for k in range(len(whitened)):
                total += by_slope[i, k] * weighted_slope[j, k]
            grad_prior[i, j] = -total
        grad_noise[0] += grad_prior[i, i] / runs[i]
    return grad_prior, grad_noise, grad_residual, grad_whitened


class _UnwhitenLawGradient(CompiledOp):
    """The gradient of `_UnwhitenLaw`; see `_backward`."""

    loop = staticmethod(_backward)
    results = "mvvv"


class _UnwhitenLaw(CompiledOp):
    """`unwhiten_law`; see `_forward`."""

    loop = staticmethod(_forward)
    results = "vvmvmm"

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Gradients are asked by what is sampled, not by the design's arrays."""
        return [[i < 4] * len(self.results) for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        standardised, _, *steps = outputs
        gradients = connected(outputs[:2], cotangents[:2])
        by_sampled = _UnwhitenLawGradient()(
            *inputs, standardised, *steps, *gradients, return_list=True
        )
        return [*by_sampled, *(disconnected_type() for _ in inputs[4:])]
