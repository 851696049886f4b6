"""How far outside the data a point lies, in decades."""

from __future__ import annotations

import numpy as np
import shapely
import xarray as xr

from bayescale.base.notes import Note
from bayescale.model.design import centred, inputs_of
from bayescale.predictive.groups import Fitted

EXTRAPOLATION = "extrapolation"
# Nearer points, in decades, lie on the edge: they would be printed as 0.00 outside.
_EDGE = 0.005
_DECADE = np.log(10)


def distance(fit: Fitted, points: xr.Dataset) -> xr.Dataset:
    """Distance of points from the runs of a fit, in decades (powers of ten).

    Parameters
    ----------
    fit : Fit
    points : Dataset
        The law's inputs at the points (run), on their scales and centred.

    Returns
    -------
    Dataset
        `decades_outside` (run): to the convex hull of the runs in (log10 N, log10 D), 0 inside, or
        of any other input, or of passes over the data, if these are further off; an input on a
        linear scale counts its range in the runs as a decade. Where the law takes parameters and
        tokens `decades_of_compute` (run): beyond the largest N D (positive) or below the smallest
        (negative), 0 between; of a law that knows repeats `decades_of_repeats` (run): tokens per
        unique token beyond the most, 0 below.
    """
    seen = centred(inputs_of(fit.spec, fit.runs), fit.centre)
    # A latent count would stretch the hull by a guess where its model is the largest.
    stated = seen.isel(run=(seen["tokens_sd"].sum("latent") == 0).values)
    seen = stated if stated.sizes["run"] else seen
    outside = np.zeros(points.sizes["run"])
    others = dict(fit.spec.inputs)
    distances: dict[str, xr.DataArray] = {}
    if fit.spec.law.takes_compute:
        hull = shapely.MultiPoint(_plane(seen)).convex_hull
        outside = shapely.distance(hull, shapely.points(_plane(points)))
        compute = (points["params"] + points["tokens"]) / _DECADE
        covered = (seen["params"] + seen["tokens"]) / _DECADE
        above = (compute - covered.max()).clip(min=0)
        below = (compute - covered.min()).clip(max=0)
        distances["decades_of_compute"] = above + below
        del others["params"], others["tokens"]
    if "unique_tokens" in seen:
        passes, most = _passes(points), float(_passes(seen).max())
        beyond = (passes - most).clip(min=0)
        distances["decades_of_repeats"] = beyond
        outside = np.maximum(outside, beyond.to_numpy())
        del others["unique_tokens"]
    for name, column in others.items():
        low, high = float(seen[name].min()), float(seen[name].max())
        decade = (high - low) or 1.0 if column.scale == "linear" else _DECADE
        values = points[name].to_numpy()
        outside = np.maximum(outside, np.maximum(low - values, values - high) / decade)
    outside = np.where(outside < 1e-9, 0.0, outside)  # a run of the fit lies on its own hull
    coords = {"run": points["run"]}
    return xr.Dataset({"decades_outside": ("run", outside), **distances}, coords=coords)


def _passes(inputs: xr.Dataset) -> xr.DataArray:
    """Decades of tokens per unique token; both have one centre."""
    return (inputs["tokens"] - inputs["unique_tokens"]) / _DECADE


def _plane(inputs: xr.Dataset) -> np.ndarray:
    return np.column_stack([inputs["params"], inputs["tokens"]]) / _DECADE


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
    there = distances.sel(run=far["run"])
    passes = float(there.get("decades_of_repeats", 0.0))
    of_compute = ""
    if "decades_of_compute" in distances:
        of_compute = f", {float(there['decades_of_compute']):+.2f} in compute"
    of_passes = f" and {passes:+.2f} in passes over the data" if passes >= _EDGE else ""
    return [
        Note(
            EXTRAPOLATION,
            "warning",
            f"{int(beyond_edge.sum())} of {outside.sizes['run']} points lie outside the data, "
            f"{far['run'].item()} by {float(far):.2f} decades{of_compute}{of_passes}",
            assumes,
        )
    ]
