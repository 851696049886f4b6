"""Conditioning: a design's inputs under draws of the parameters, and its discrepancy given them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.laws.base import Values
from bayescale.model.curve import centred_tokens
from bayescale.model.discrepancy import process
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.priors import local_lengths
from bayescale.model.spec import Spec


def inputs_at(data: xr.Dataset, values: Values) -> dict[str, xr.DataArray]:
    """A design's arrays, latent token counts where the draws put them."""
    x = {str(name): data[name] for name in data.data_vars}
    return {**x, "tokens": centred_tokens(values, x)} if "tokens" in x else x


def conditioned(spec: Spec, values: xr.Dataset, data: xr.Dataset) -> Conditioned:
    """The processes given the runs that draws of everything saw.

    Parameters
    ----------
    spec : Spec
    values : Dataset
        Draws of everything (chain, draw, ...).
    data : Dataset
        The arrays of the design that the draws are of, with any of its runs.
    """
    inducing = {name: data[f"inducing_{name}"].to_numpy() for name in spec.law.inputs}
    frontier = float(data["frontier"])
    runs = process.coordinates(spec.axes, data, frontier, np)
    return process.condition(
        values,
        axes=spec.axes,
        local_lengths=local_lengths(spec),
        inducing=inducing,
        frontier=frontier,
        deepest=float(runs.depth.max()),
    )


def unconditioned(
    spec: Spec, values: xr.Dataset, data: xr.Dataset, rng: np.random.Generator
) -> Conditioned:
    """The processes as the model has them before any run of a design is seen.

    Their values at the inducing points are drawn here; arguments else as for `conditioned`.
    """
    dims = (*SAMPLE_DIMS, "inducing")
    shape = [{**values.sizes, **data.sizes}[dim] for dim in dims]
    weights = {process.WEIGHTS: (dims, rng.standard_normal(shape))}
    return conditioned(spec, values.assign(weights), data)
