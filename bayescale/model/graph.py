"""Model: spec + design -> `pm.Model`. The only place that builds one.

It says what the posterior is, for readers, for additions of one's own and for PyMC's own sampler.
Fits sample the same density compiled as one function (`model/density/`), which tests hold against
this one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pymc.dims as pmd
import pytensor.tensor as pt
import xarray as xr

from bayescale.laws.base import Values
from bayescale.model.curve import centred_tokens, curve
from bayescale.model.density.formulas import centring
from bayescale.model.design import Design, collapsed
from bayescale.model.discrepancy.process import (
    JITTER,
    PREFIX,
    WEIGHTS,
    Parameters,
    coordinates,
    covariance,
    variance,
)
from bayescale.model.noise import NOISES
from bayescale.model.parts import Effect, Prior
from bayescale.model.priors import local_lengths
from bayescale.model.scale import discrepancy_unit, noise_scale, scale_of
from bayescale.model.spec import Spec


def build(spec: Spec, design: Design) -> pm.Model:
    """The joint distribution of parameters, latent token counts and responses.

    Data are registered as `pm.Data`, so that other runs can take their place.
    """
    arrays = collapsed(spec, design.data)
    coords = {**design.coords, "run": arrays["run"].to_numpy()}
    with pm.Model(coords=coords) as model:
        x = _data(arrays)
        values = _parameters(spec, x)
        if "tokens_sd" in x:
            values["tokens_z"] = pmd.Normal("tokens_z", 0, 1, dims=("latent",))
            x["tokens"] = centred_tokens(values, x)
        if spec.discrepancy:
            _responses_with_discrepancy(spec, values, x)
        else:
            _responses(spec, values, x)
    return model


def _data(arrays: xr.Dataset) -> dict[str, Any]:
    """Every array that is not empty."""
    return {
        str(name): pmd.Data(str(name), array.values, dims=array.dims)
        for name, array in arrays.data_vars.items()
        if array.size
    }


# Parameters


def _parameters(spec: Spec, x: Values) -> dict[str, Any]:
    """Parameters of the law, the noise and the groups."""
    values = {name: _prior(name, prior) for name, prior in spec.priors.items()}
    for effect in spec.effect_list():
        values[effect.name] = _effect(effect, x[f"{effect.group}_runs"])
    return values


def _prior(name: str, prior: Prior) -> Any:
    dims = (prior.by,) if prior.by else ()
    return getattr(pmd, prior.dist)(name, **prior.arguments, dims=dims)


def _effect(effect: Effect, runs: Any) -> Any:
    """A group's effects, partly centred: see `formulas.centring`."""
    sd = _prior(effect.sd_name, effect.sd)
    dims = (effect.group, effect.sd.by) if effect.sd.by else (effect.group,)
    weight = centring(runs)
    partly_centred = pmd.Normal(f"{effect.name}_z", 0, sd**weight, dims=dims)
    return pmd.Deterministic(effect.name, sd ** (1 - weight) * partly_centred)


# Responses


def _responses(spec: Spec, values: Values, x: Values) -> None:
    """The responses of a law that is taken to be exact."""
    mean, observed = _on_noise_scale(spec, curve(spec, values, x, pmd.math), x["response"])
    noise = {name: values[name] for name in spec.noise.parameters}
    noise["sigma"] = noise_scale(spec, values)
    if spec.collapses:
        inputs = [mean, noise["sigma"], x["repeats"], x["within"]]
        pm.CustomDist(
            "observed",
            *(value.values for value in inputs),
            logp=_log_density_of_means,
            observed=observed.values,
        )
    else:
        getattr(pmd, spec.noise.dist)("observed", mu=mean, **noise, observed=observed)


def _log_density_of_means(observed: Any, mean: Any, sigma: Any, repeats: Any, within: Any) -> Any:
    """Log density of Normal responses, from the mean of so many and the squares around it."""
    squares = repeats * (observed - mean) ** 2 + within
    return -repeats * pt.log(sigma * np.sqrt(2 * np.pi)) - squares / (2 * sigma**2)


def _on_noise_scale(spec: Spec, mean: Any, observed: Any) -> tuple[Any, Any]:
    scale = scale_of(spec)
    return scale.forward(mean, pmd.math), scale.forward(observed, pmd.math)


def _responses_with_discrepancy(spec: Spec, values: dict[str, Any], x: Values) -> None:
    """The discrepancy's weights, and the responses around law and discrepancy.

    The weights are the processes' values at the inducing points, whitened by their prior: Normal.
    """
    for name, prior in spec.discrepancy.items():
        values[PREFIX + name] = _prior(PREFIX + name, prior)
    weights = pmd.Normal(WEIGHTS, 0, 1, dims=("inducing",)).values
    named = {name: values[PREFIX + name].values[None] for name in spec.discrepancy}
    theta = Parameters.named(spec.axes, named, local_lengths(spec))
    inducing, runs = (
        coordinates(
            spec.axes,
            {name: x[prefix + name].values for name in spec.law.inputs},
            x["frontier"].values,
            pt,
        )
        for prefix in ("inducing_", "")
    )
    among = covariance(theta, inducing, inducing, pt) * (1 + pt.eye(weights.shape[0]) * JITTER)
    across = covariance(theta, inducing, runs, pt)
    basis = pt.linalg.solve_triangular(pt.linalg.cholesky(among), across, lower=True)
    left = pt.maximum(variance(theta, runs, pt) - (basis**2).sum(0), 0)
    mean, observed = _on_noise_scale(spec, curve(spec, values, x, pmd.math), x["response"])
    unit = pmd.as_xtensor(discrepancy_unit(spec, values)).values
    noise = NOISES[spec.noise.dist]
    named = {name: values[name].values for name in noise.parameters}
    error = (observed - mean).values / unit - weights @ basis
    scale = noise_scale(spec, values).values / unit
    density = noise.graph_log_density(named, error, scale, left) - pt.log(unit)
    pm.Potential("observed", density.sum())
