"""Conditioning: the discrepancy of a spec given runs, for draws of its parameters.

The link between a spec's response, whose noise may be on its logarithm, and the processes of
`bayescale.model.discrepancy.process`, which know shares of the response only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.laws.base import Values
from bayescale.model.curve import centred_tokens, curve
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.noise import deviation, unit
from bayescale.model.spec import Spec

Arrays = Mapping[str, xr.DataArray]


def inputs_at(data: xr.Dataset, values: Values) -> dict[str, xr.DataArray]:
    """A design's arrays, latent token counts where the draws put them."""
    x = {str(name): data[name] for name in data.data_vars}
    return {**x, "tokens": centred_tokens(values, x)}


def conditioned(values: xr.Dataset, data: xr.Dataset) -> Conditioned:
    """The processes given a design's runs, for draws of everything.

    Parameters
    ----------
    values : Dataset
        Draws of everything (chain, draw, ...).
    data : Dataset
        The arrays of a design, of the runs that the draws saw.
    """
    inducing = {name: data[f"inducing_{name}"].to_numpy() for name in ("params", "tokens")}
    middle = discrepancy.places(data["params"].values, data["tokens"].values, 0.0, np)
    return discrepancy.condition(values, inducing=inducing, frontier=float(middle["s"].max()))


def residual(spec: Spec, values: Values, x: Arrays) -> xr.DataArray:
    """Response minus law as a share of the response: (chain, draw, run)."""
    mean = curve(spec, values, x, np)
    if spec.noise.on == "log":
        error = np.log(x["response"]) - np.log(mean)
    else:
        error = (x["response"] - mean) / unit(spec, values)
    return error.transpose(*SAMPLE_DIMS, "run")


def noise_variance(spec: Spec, values: Values) -> xr.DataArray:
    """Squared scale of single runs, in squared shares of the response: (chain, draw)."""
    return (deviation(spec, values) / unit(spec, values)) ** 2


def density_of_response(
    spec: Spec, values: Values, density: xr.DataArray, response: xr.DataArray
) -> xr.DataArray:
    """Log density of the response, from that of its residual as a share."""
    if spec.noise.on == "log":
        return density - np.log(response)
    return density - np.log(unit(spec, values))


def prior_of(values: xr.Dataset, data: xr.Dataset, rng: np.random.Generator) -> Conditioned:
    """The processes as the model has them before any of a design's runs is seen.

    Their weights are drawn here; arguments else as for `conditioned`.
    """
    dims = (*SAMPLE_DIMS, "inducing")
    shape = [{**values.sizes, **data.sizes}[dim] for dim in dims]
    weights = {discrepancy.WEIGHTS: (dims, rng.standard_normal(shape))}
    return conditioned(values.assign(weights), data)
