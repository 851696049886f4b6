"""Variance decomposition: parameters, groups, model discrepancy and observation noise.

The variance of a new run's response, on the scale that the noise is on, is the sum of each part's
covariance with the whole: what a decision would gain if that part were known. The parts of one
response always sum to 1; a part that makes up for another (in the data's range the discrepancy
makes up for the law) can be slightly below 0.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.model.curve import curve
from bayescale.model.noise import equivalent_variance, unit
from bayescale.predictive.groups import Fitted
from bayescale.predictive.predict import asked_of
from bayescale.runs.table import Runs

COMPONENTS = {
    "parameters": "the law's parameters",
    "groups": "families, tokenizers and other groups",
    "discrepancy": "model discrepancy",
    "noise": "observation noise",
}


def variance_shares(fit: Fitted, points: Runs) -> xr.DataArray:
    """Share of each part in the variance of one new run's response.

    Returns
    -------
    DataArray
        (component, run[, corpus]): shares that sum to 1 over `component`. A Student's t noise
        counts as the Normal whose 90 % interval is as wide, since its variance may be infinite.

    Raises
    ------
    BayescaleError
        As for a prediction.
    """
    spec = fit.spec
    asked = asked_of(fit, points)
    law = curve(spec, asked.values, asked.x, np, without=spec.groups)
    whole = curve(spec, asked.values, asked.x, np)
    if spec.noise.on == "log":
        law, whole = np.log(law), np.log(whole)
    moved = {"parameters": law, "groups": whole - law}
    surely = {"noise": equivalent_variance(spec, asked.values).mean(SAMPLE_DIMS)}
    if spec.discrepancy:
        like = whole.transpose(*SAMPLE_DIMS, "run")
        missed = fit.conditioned.at(asked.x["params"], asked.x["tokens"], like)
        size = unit(spec, asked.values)
        moved["discrepancy"] = missed["mean"] * size
        surely["discrepancy"] = ((missed["sd"] * size) ** 2).mean(SAMPLE_DIMS)
    middle = sum(moved.values())
    zero = xr.zeros_like(whole.isel(chain=0, draw=0, drop=True))
    said = []
    for name in COMPONENTS:
        varied = moved.get(name, xr.zeros_like(whole))
        said.append(zero + xr.cov(varied, middle, dim=SAMPLE_DIMS, ddof=0) + surely.get(name, 0))
    variance = xr.concat(said, xr.DataArray(list(COMPONENTS), dims="component", name="component"))
    return (variance / variance.sum("component")).rename("share")


def by_point(shares: xr.DataArray) -> list[dict[str, float]]:
    """The shares as plain values, one mapping for each point (and corpus)."""
    rows = (
        shares.transpose("run", ..., "component").to_numpy().reshape(-1, shares.sizes["component"])
    )
    return [dict(zip(COMPONENTS, map(float, row), strict=True)) for row in rows]
