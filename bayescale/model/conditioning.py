"""Conditioning: a design's inputs under draws of the parameters, and its discrepancy given them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.laws.base import Values
from bayescale.model.curve import centred_tokens
from bayescale.model.discrepancy import process
from bayescale.model.discrepancy.process import Conditioned


def inputs_at(data: xr.Dataset, values: Values) -> dict[str, xr.DataArray]:
    """A design's arrays, latent token counts where the draws put them."""
    x = {str(name): data[name] for name in data.data_vars}
    return {**x, "tokens": centred_tokens(values, x)}


def conditioned(values: xr.Dataset, data: xr.Dataset) -> Conditioned:
    """The processes given the runs that draws of everything saw.

    Parameters
    ----------
    values : Dataset
        Draws of everything (chain, draw, ...).
    data : Dataset
        The arrays of the design that the draws are of, with any of its runs.
    """
    inducing = {name: data[f"inducing_{name}"].to_numpy() for name in ("params", "tokens")}
    frontier = float(data["frontier"])
    runs = process.coordinates(data["params"].values, data["tokens"].values, frontier, np)
    deepest = float(runs.depth.max())
    return process.condition(values, inducing=inducing, frontier=frontier, deepest=deepest)


def unconditioned(values: xr.Dataset, data: xr.Dataset, rng: np.random.Generator) -> Conditioned:
    """The processes as the model has them before any run of a design is seen.

    Their values at the inducing points are drawn here; arguments else as for `conditioned`.
    """
    dims = (*SAMPLE_DIMS, "inducing")
    shape = [{**values.sizes, **data.sizes}[dim] for dim in dims]
    weights = {process.WEIGHTS: (dims, rng.standard_normal(shape))}
    return conditioned(values.assign(weights), data)
