"""The discrepancy as the sampler sees it: PyTensor graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt

from bayescale.discrepancy import JITTER, variance
from bayescale.discrepancy_ops import covariance, gram


@dataclass(frozen=True)
class Sampled:
    """The processes at the runs for one point of the sampler, as PyTensor graphs.

    Attributes
    ----------
    weights : tensor (inducing)
        Values at the stand-ins, whitened: standard Normal before the runs are seen.
    missed : tensor (run)
        Value at each run, given the weights.
    own : tensor (run)
        Variance of it that the stand-ins leave.
    correction : tensor ()
        What to add to the log density, as the sampler moves in `standard` and not in the weights.
    """

    weights: Any
    missed: Any
    own: Any
    correction: Any


def sampled(
    theta: Mapping[str, Any],
    *,
    runs: Any,
    stand_in: Any,
    residual: Any,
    noise: Any,
    tails: Any,
    standard: Any,
) -> Sampled:
    """The processes where the sampler's standard coordinates put them.

    The coordinates are centred and scaled by what the runs would say if the noise were Normal,
    each run's variance widened by how far off it lies (one step of reweighting). Normal noise
    leaves them standard Normal, heavier tails nearly so; the density is exact either way.

    Parameters
    ----------
    theta : mapping
        The processes' parameters, scalars.
    runs, stand_in : mapping
        Places of the runs and of those that stand in for all.
    residual : tensor (run)
        Response minus law, in units in which the amplitude is a share.
    noise : tensor ()
        Squared scale of single runs.
    tails : tensor () or None
        Degrees of freedom of the noise; None if it is Normal.
    standard : tensor (inducing)
    """
    count = stand_in["s"].shape[0]
    among = covariance(theta, stand_in, stand_in)
    size = theta["amplitude"] ** 2
    root = pt.linalg.cholesky(among + pt.eye(count) * size * JITTER)
    # Inverting the small root and multiplying is half as dear as solving for every run.
    inverse = pt.linalg.solve_triangular(root, pt.eye(count), lower=True)
    low = inverse @ covariance(theta, stand_in, runs)
    own = pt.maximum(variance(theta, runs, pt) - (low**2).sum(0), 0)

    def known(each: Any) -> tuple[Any, Any]:
        """Root of the weights' precision, and that root times their mean."""
        inner = pt.linalg.cholesky(pt.eye(count) + gram(low, 1 / each))
        return inner, pt.linalg.solve_triangular(inner, low @ (residual / each), lower=True)

    each = own + noise
    inner, pulled = known(each)
    if tails is not None:
        middle = pt.linalg.solve_triangular(inner.T, pulled, lower=False)
        off = (residual - middle @ low) ** 2 / each
        inner, pulled = known(each * (tails + off) / (tails + 1))
    weights = pt.linalg.solve_triangular(inner.T, pulled + standard, lower=False)
    volume = pt.log(pt.diagonal(inner)).sum()
    correction = ((standard**2).sum() - (weights**2).sum()) / 2 - volume
    return Sampled(weights, weights @ low, own, correction)
