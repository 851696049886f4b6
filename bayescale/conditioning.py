"""Conditioning: the discrepancy of a spec given runs, for draws of its parameters.

The link between a spec's response, whose noise may be on its logarithm, and the processes of
`bayescale.discrepancy`, which know shares of the response only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayescale import discrepancy
from bayescale.discrepancy import Conditioned
from bayescale.intervals import SAMPLE_DIMS
from bayescale.laws.base import Values
from bayescale.noise import deviation, unit
from bayescale.predictor import centred_tokens, curve
from bayescale.spec import Spec

Arrays = Mapping[str, xr.DataArray]


def inputs_at(data: xr.Dataset, values: Values) -> dict[str, xr.DataArray]:
    """A design's arrays, hidden token counts where the draws put them."""
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
    stand_in = {name: data[f"inducing_{name}"].to_numpy() for name in ("params", "tokens")}
    middle = discrepancy.places(data["params"].values, data["tokens"].values, 0.0, np)
    return discrepancy.condition(values, stand_in=stand_in, frontier=float(middle["s"].max()))


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


def prior_of(
    values: xr.Dataset, x: Arrays, like: xr.DataArray, rng: np.random.Generator
) -> xr.Dataset:
    """The discrepancy at runs before any is seen: a joint draw as `mean`, and no `sd`."""
    theta = {
        name: values[discrepancy.PREFIX + name].transpose(*SAMPLE_DIMS).values.reshape(-1, 1, 1)
        for name in discrepancy.PARAMETERS
    }
    params, tokens = (discrepancy.flat_points(x[name], like) for name in ("params", "tokens"))
    frontier = discrepancy.places(params, tokens, 0.0, np)["s"].max()
    where = discrepancy.places(params, tokens, frontier, np)
    drawn = np.empty(params.shape)
    for i in range(len(params)):  # one draw at a time: n by n each
        one = {name: value[i : i + 1] for name, value in theta.items()}
        here = {axis: places[i : i + 1] for axis, places in where.items()}
        joint = discrepancy.covariance(one, here, here, np)[0]
        joint[np.diag_indices_from(joint)] *= 1 + 1e-8
        drawn[i] = np.linalg.cholesky(joint) @ rng.standard_normal(len(joint))
    draw = like.copy(data=drawn.reshape(like.shape))
    return xr.Dataset({"mean": draw, "sd": xr.zeros_like(draw)})
