"""Noise: the scatter of single runs around the curve, drawn and scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.settings import PROB
from bayescale.laws.base import Values
from bayescale.model.spec import Spec


def scatter(
    spec: Spec, values: Values, like: xr.DataArray, rng: np.random.Generator
) -> xr.DataArray:
    """Draws of the noise, in the shape of `like`, on the scale that the noise is on."""
    if spec.noise.dist == "StudentT":
        nu = values["nu"].broadcast_like(like).transpose(*like.dims)
        standard = rng.standard_t(nu.values)
    else:
        standard = rng.standard_normal(like.shape)
    return like.copy(data=standard) * deviation(spec, values)


def deviation(spec: Spec, values: Values) -> Any:
    """Standard deviation (scale, for Student's t) of single runs, on the scale the noise is on."""
    return (values["sigma"] ** 2 + spec.noise.floor**2) ** 0.5


def equivalent_variance(spec: Spec, values: Values) -> Any:
    """Variance of the Normal whose 90 % interval is as wide as that of the noise."""
    if spec.noise.dist == "StudentT":
        wider = xr.apply_ufunc(scipy.stats.t.ppf, (1 + PROB) / 2, values["nu"])
        return (deviation(spec, values) * wider / scipy.stats.norm.ppf((1 + PROB) / 2)) ** 2
    return deviation(spec, values) ** 2


def unit(spec: Spec, values: Values) -> Any:
    """What a discrepancy of 1 adds on the scale the noise is on: the response at the centre."""
    return 1.0 if spec.noise.on == "log" else values["level"]


def around(spec: Spec, mean: xr.DataArray, scatter: xr.DataArray) -> xr.DataArray:
    """The response at a distance from the curve."""
    return mean * np.exp(scatter) if spec.noise.on == "log" else mean + scatter


def log_density(
    spec: Spec, values: Values, mean: xr.DataArray, response: xr.DataArray
) -> xr.DataArray:
    """Log density of single responses, in nats, always of the response itself.

    Where the noise is on the log, the Jacobian -ln(response) is in, so that densities under
    different specs can be compared.
    """
    on_log = spec.noise.on == "log"
    error = np.log(response) - np.log(mean) if on_log else response - mean
    spread = deviation(spec, values)
    density = standard_log_density(spec, values, error / spread) - np.log(spread)
    return density - np.log(response) if on_log else density


def standard_log_density(spec: Spec, values: Values, standard: xr.DataArray) -> xr.DataArray:
    """Log density of noise of scale 1."""
    if spec.noise.dist == "StudentT":
        return xr.apply_ufunc(scipy.stats.t.logpdf, standard, values["nu"])
    return xr.apply_ufunc(scipy.stats.norm.logpdf, standard)
