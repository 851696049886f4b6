"""How far outside the data a point lies, in decades."""

from __future__ import annotations

import numpy as np
import shapely
import xarray as xr

from bayescale.base.notes import Note
from bayescale.model.design import centred, log_inputs
from bayescale.predictive.groups import Fitted

EXTRAPOLATION = "extrapolation"
# Nearer points, in decades, lie on the edge: they would be printed as 0.00 outside.
_EDGE = 0.005


def distance(fit: Fitted, points: xr.Dataset) -> xr.Dataset:
    """Distance of points from the runs of a fit, in decades (powers of ten).

    Parameters
    ----------
    fit : Fit
    points : Dataset
        `params` and `tokens` (run): centred ln N and ln D of the points.

    Returns
    -------
    Dataset
        `decades_outside` (run): to the convex hull of the runs in (log10 N, log10 D), 0 inside;
        `decades_of_compute` (run): beyond the largest N D (positive) or below the smallest
        (negative), 0 between.
    """
    seen = centred(log_inputs(fit.spec, fit.runs), fit.centre)
    # A latent count would stretch the hull by a guess where its model is the largest.
    stated = seen.isel(run=(seen["tokens_sd"].sum("latent") == 0).values)
    seen = stated if stated.sizes["run"] else seen
    decade = np.log(10)
    hull = shapely.MultiPoint(_plane(seen)).convex_hull
    outside = shapely.distance(hull, shapely.points(_plane(points)))
    compute = (points["params"] + points["tokens"]) / decade
    covered = (seen["params"] + seen["tokens"]) / decade
    above = (compute - covered.max()).clip(min=0)
    below = (compute - covered.min()).clip(max=0)
    near = np.where(outside < 1e-9, 0.0, outside)  # a run of the fit lies on its own hull
    return xr.Dataset({"decades_outside": ("run", near), "decades_of_compute": above + below})


def _plane(inputs: xr.Dataset) -> np.ndarray:
    return np.column_stack([inputs["params"], inputs["tokens"]]) / np.log(10)


def extrapolation_note(fit: Fitted, distances: xr.Dataset) -> list[Note]:
    """A note where a point lies outside the data, by as much as is printed."""
    assumes = "the interval assumes that the law holds out there, which the data cannot show"
    if fit.spec.discrepancy:
        assumes = "the interval holds what laws are known to miss at such a distance"
    outside = distances["decades_outside"]
    beyond_edge = outside >= _EDGE
    if not bool(beyond_edge.any()):
        return []
    far = outside.isel(run=int(outside.argmax("run")))
    beyond = float(distances["decades_of_compute"].sel(run=far["run"]))
    return [
        Note(
            EXTRAPOLATION,
            "warning",
            f"{int(beyond_edge.sum())} of {outside.sizes['run']} points lie outside the data, "
            f"{far['run'].item()} by {float(far):.2f} decades in (N, D) and {beyond:+.2f} in "
            "compute",
            assumes,
        )
    ]
