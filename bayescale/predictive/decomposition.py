"""Variance decomposition: parameters, groups, model discrepancy and observation noise."""

from __future__ import annotations

import xarray as xr

from bayescale.predictive.mixture import Mixture
from bayescale.predictive.predictive import Predictive


def variance_shares(predictive: Predictive | Mixture) -> xr.DataArray:
    """Share of each component in the variance of one new run's response.

    Returns
    -------
    DataArray (component, run[, corpus])
        They sum to 1 over `component`. One that makes up for another has a covariance below 0
        with the whole, and counts as none; see `Predictive.variance_components`.
    """
    components = predictive.variance_components().clip(min=0)
    return (components / components.sum("component")).rename("share")


def by_point(shares: xr.DataArray) -> list[dict[str, float]]:
    """The shares as plain values, one mapping for each point (and corpus)."""
    names = [str(name) for name in shares["component"].to_numpy()]
    rows = shares.transpose("run", ..., "component").to_numpy().reshape(-1, len(names))
    return [dict(zip(names, map(float, row), strict=True)) for row in rows]
