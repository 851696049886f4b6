"""The discrepancy's covariance among the inducing points, as one compiled operation.

The law's parameters and the weights both depend on it. `process.covariance` is the formula; a test
holds values and gradients against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayescale.model.discrepancy.compiled_op import CompiledOp
from bayescale.model.discrepancy.loops import (
    compiled,
    coordinate_gradient,
    covariance,
    covariance_gradient,
    kernel_gradient,
    kernel_of,
    parameters_of,
    points_at,
    zeros_like,
)


def prior_covariance(theta: Any, inducing: Any) -> Any:
    """Prior covariance among the inducing points: (inducing, inducing).

    Parameters
    ----------
    theta : tensor (parameter)
        In the order of `Parameters`.
    inducing : tensor (coordinate, inducing)
        In the order of `Coordinates`.
    """
    return _PriorCovariance()(theta, inducing)


@compiled  # type: ignore[untyped-decorator]
def _forward(theta: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    parameters = parameters_of(theta)
    inducing = points_at(parameters, coordinates)
    return covariance(kernel_of(parameters), inducing, inducing)


@compiled  # type: ignore[untyped-decorator]
def _backward(
    theta: np.ndarray, coordinates: np.ndarray, grad: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient by each argument of `_forward`, from that by its result."""
    parameters = parameters_of(theta)
    inducing = points_at(parameters, coordinates)
    grad_inducing = zeros_like(inducing)
    grad_kernel = covariance_gradient(
        kernel_of(parameters), inducing, inducing, grad, grad_inducing, grad_inducing
    )
    grad_theta = kernel_gradient(parameters, grad_kernel)
    grad_coordinates = coordinate_gradient(
        parameters, coordinates, inducing, grad_inducing, grad_theta
    )
    return grad_theta, grad_coordinates


class _PriorCovarianceGradient(CompiledOp):
    """The gradient of `_PriorCovariance`; see `_backward`."""

    loop = staticmethod(_backward)
    results = "vm"


class _PriorCovariance(CompiledOp):
    """`prior_covariance`; see `_forward`."""

    loop = staticmethod(_forward)
    results = "m"

    def pullback(
        self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        return _PriorCovarianceGradient()(*inputs, *cotangents, return_list=True)
