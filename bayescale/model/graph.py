"""Model: spec + design -> `pm.Model`. The only place that builds one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np
import pymc as pm
import pymc.dims as pmd
import pytensor.tensor as pt
import xarray as xr

from bayescale.laws.base import Values
from bayescale.model.curve import centred_tokens, curve
from bayescale.model.design import Design, collapsed
from bayescale.model.discrepancy.law_coordinates import GivenLaw, unwhiten_law_compiled
from bayescale.model.discrepancy.prior_covariance import prior_covariance
from bayescale.model.discrepancy.process import PREFIX, WEIGHTS, Parameters, coordinates
from bayescale.model.discrepancy.weights import Discrepancy, Given, unwhiten_compiled
from bayescale.model.linearised import constrained, log_jacobian, tangent
from bayescale.model.noise import NOISES, Noise
from bayescale.model.scale import discrepancy_unit, noise_scale
from bayescale.model.spec import Effect, Prior, Spec

# Tensors by their dims, as PyMC's signatures name them.
_Scalar = Annotated[Any, "()"]
_ByRun = Annotated[Any, "(run)"]
_ByInducing = Annotated[Any, "(inducing)"]
_ByLaw = Annotated[Any, "(law)"]
_Prior = Annotated[Any, "(inducing,inducing)"]


def build(spec: Spec, design: Design) -> pm.Model:
    """The joint distribution of parameters, latent token counts and responses.

    Data are registered as `pm.Data`, so that other rows go through the same compiled sampler.
    """
    arrays = tangent(spec, collapsed(spec, design.data))
    law = [parameter.name for parameter in spec.law.parameters]
    coords = {**design.coords, "run": arrays["run"].to_numpy(), "law": law}
    with pm.Model(coords=coords) as model:
        x = _data(arrays)
        values = _parameters(spec, x)
        if "tokens_sd" in x:
            values["tokens_z"] = pmd.Normal("tokens_z", 0, 1, dims=("latent",))
            x["tokens"] = centred_tokens(values, x)
        if spec.discrepancy:
            processes = _processes(spec, values, x)
            values |= _law(spec, values, x, processes)
            _responses_with_discrepancy(spec, values, x, processes)
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
    """Parameters of the law (those of a law with a discrepancy: `_law`), noise and groups."""
    law = [parameter.name for parameter in spec.law.parameters] if spec.discrepancy else []
    values = {name: _prior(name, prior) for name, prior in spec.priors.items() if name not in law}
    for effect in spec.effect_list():
        values[effect.name] = _effect(effect, x[f"{effect.group}_runs"])
    return values


def _prior(name: str, prior: Prior) -> Any:
    dims = (prior.by,) if prior.by else ()
    return getattr(pmd, prior.dist)(name, **prior.arguments, dims=dims)


def _effect(effect: Effect, runs: Any) -> Any:
    """A group's effects, sampled as effect / sd^(1 - w), whose prior is Normal(0, sd^w).

    w = 0 (non-centred) suits groups that the data say little about, w = 1 (centred) the others;
    see arXiv 1906.03028. On the 28-model table w = n / (n + 4) gave 1.1 to 1.8 times the effective
    draws a gradient of w = 0, and no chain that got stuck at a small sd.
    """
    sd = _prior(effect.sd_name, effect.sd)
    dims = (effect.group, effect.sd.by) if effect.sd.by else (effect.group,)
    weight = runs / (runs + 4.0)
    partly_centred = pmd.Normal(f"{effect.name}_z", 0, sd**weight, dims=dims)
    return pmd.Deterministic(effect.name, sd ** (1 - weight) * partly_centred)


# Law with a discrepancy


class _Processes(NamedTuple):
    """The discrepancy's parameters, and what they say before the runs are seen.

    Attributes
    ----------
    theta : tensor (parameter)
        In the order of `Parameters`.
    inducing, runs : tensor (coordinate, inducing), (coordinate, run)
        In the order of `Coordinates`.
    prior : tensor (inducing, inducing)
        Covariance among the inducing points.
    """

    theta: Any
    inducing: Any
    runs: Any
    prior: Any


def _processes(spec: Spec, values: dict[str, Any], x: Values) -> _Processes:
    """The discrepancy's parameters, which are put into `values`, and its coordinates."""
    for name, prior in spec.discrepancy.items():
        values[PREFIX + name] = _prior(PREFIX + name, prior)
    theta = pt.stack([values[PREFIX + name].values for name in Parameters._fields])
    inducing, runs = (
        pt.stack(coordinates(x[params].values, x[tokens].values, x["frontier"].values, pt))
        for params, tokens in (("inducing_params", "inducing_tokens"), ("params", "tokens"))
    )
    return _Processes(theta, inducing, runs, prior_covariance(theta, inducing))


@dataclass(frozen=True)
class _Inputs:
    """What a density depends on, as tensors whose dims are in its fields' types."""

    def tensors(self) -> list[Any]:
        """In the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def signature(cls, result: str) -> str:
        """PyMC's signature of a distribution whose result has these dims."""
        hints = get_type_hints(cls, include_extras=True)
        return ",".join(hints[field.name].__metadata__[0] for field in fields(cls)) + f"->{result}"


@dataclass(frozen=True)
class _LawInputs(_Inputs):
    """Of the density of the law's whitened parameters; see `GivenLaw` and `tangent`."""

    prior: _Prior
    noise: _Scalar
    residual: _ByInducing
    point: _ByLaw
    offset: _ByLaw
    prior_sd: _ByLaw
    slope: Annotated[Any, "(inducing,law)"]
    runs: _ByInducing


def _law(spec: Spec, values: Values, x: Values, processes: _Processes) -> dict[str, Any]:
    """The law's parameters, sampled in coordinates that follow what the runs say of them."""
    arrays = {
        name: x[f"law_{name}"].values for name in ("point", "offset", "prior_sd", "slope", "runs")
    }
    tangent_values = constrained(spec, arrays["point"], pt).items()
    at = {**values, **{name: pmd.as_xtensor(value) for name, value in tangent_values}}
    unit = pmd.as_xtensor(discrepancy_unit(spec, at))
    mean, observed = _on_noise_scale(spec, curve(spec, at, x, pmd.math), x["response"])
    residual = ((observed - mean) / unit).values
    sums = pt.zeros_like(arrays["runs"])[x["law_nearest"].values].inc(residual)
    inputs = _LawInputs(
        prior=processes.prior,
        noise=((noise_scale(spec, values) / unit) ** 2).values,
        residual=sums / arrays["runs"] - arrays["slope"] @ arrays["offset"],
        **arrays,
    )
    count = len(spec.law.parameters)
    whitened = pm.CustomDist(
        "law_z",
        *inputs.tensors(),
        logp=lambda whitened, *tensors: _law_log_density(spec, whitened, _LawInputs(*tensors)),
        support_point=lambda *_: pt.zeros(count),
        signature=_LawInputs.signature("(law)"),
        shape=count,
    )
    free, _ = _unconstrained_law(whitened, inputs)
    return {
        name: pmd.as_xtensor(pm.Deterministic(name, value))
        for name, value in constrained(spec, free, pt).items()
    }


def _unconstrained_law(whitened: Any, inputs: _LawInputs) -> tuple[Any, Any]:
    """The law's parameters without bounds (law), and their log volume over the whitened ones."""
    standardised, log_volume = unwhiten_law_compiled(
        GivenLaw(
            prior=inputs.prior,
            noise=inputs.noise,
            runs=inputs.runs,
            residual=inputs.residual,
            slope=inputs.slope,
            whitened=whitened,
        )
    )
    return inputs.point + inputs.prior_sd * (inputs.offset + standardised), log_volume


def _law_log_density(spec: Spec, whitened: Any, inputs: _LawInputs) -> Any:
    """The priors of the law's parameters, as a density of the whitened ones."""
    free, density = _unconstrained_law(whitened, inputs)
    values = constrained(spec, free, pt)
    for i, parameter in enumerate(spec.law.parameters):
        prior = spec.priors[parameter.name]
        distribution = getattr(pm, prior.dist).dist(**prior.arguments)
        density += pm.logp(distribution, values[parameter.name])
        density += log_jacobian(parameter.support, free[i], pt)
    return density


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
    if spec.noise.on == "log":
        return pmd.math.log(mean), pmd.math.log(observed)
    return mean, observed


@dataclass(frozen=True)
class _ResponseInputs(_Inputs):
    """Of the responses' density.

    `scale` is that of the noise and `unit` what a discrepancy of 1 adds, both on the scale that
    the noise is on.
    """

    theta: Annotated[Any, "(parameter)"]
    inducing: Annotated[Any, "(coordinate,inducing)"]
    runs: Annotated[Any, "(coordinate,run)"]
    prior: _Prior
    mean: _ByRun
    noise: Annotated[Any, "(noise)"]
    scale: _Scalar
    unit: _Scalar
    whitened: _ByInducing


def _responses_with_discrepancy(
    spec: Spec, values: Values, x: Values, processes: _Processes
) -> None:
    """The discrepancy's weights, and the responses around law and discrepancy."""
    mean, observed = _on_noise_scale(spec, curve(spec, values, x, pmd.math), x["response"])
    noise = NOISES[spec.noise.dist]
    inputs = _ResponseInputs(
        **processes._asdict(),
        mean=mean.values,
        noise=pt.stack([values[name].values for name in noise.parameters]),
        scale=noise_scale(spec, values).values,
        unit=pmd.as_xtensor(discrepancy_unit(spec, values)).values,
        whitened=pmd.Normal(PREFIX + "z", 0, 1, dims=("inducing",)).values,
    )
    discrepancy, _ = _discrepancy(noise, observed.values, inputs)
    pm.Deterministic(WEIGHTS, discrepancy.weights, dims=("inducing",))

    def log_density(observed: Any, *tensors: Any) -> Any:
        inputs = _ResponseInputs(*tensors)
        discrepancy, density = _discrepancy(noise, observed, inputs)
        volume = observed.shape[0] * pt.log(inputs.unit)
        return density.sum() + discrepancy.correction - volume

    pm.CustomDist(
        "observed",
        *inputs.tensors(),
        logp=log_density,
        signature=_ResponseInputs.signature("(run)"),
        observed=observed.values,
    )


def _discrepancy(noise: Noise, observed: Any, inputs: _ResponseInputs) -> tuple[Discrepancy, Any]:
    """The discrepancy, and the log density of the responses given it (run), both as shares."""
    values = {name: inputs.noise[i] for i, name in enumerate(noise.parameters)}
    residual, scale = (observed - inputs.mean) / inputs.unit, inputs.scale / inputs.unit
    discrepancy = unwhiten_compiled(
        Given(
            theta=inputs.theta,
            inducing=inputs.inducing,
            runs=inputs.runs,
            prior=inputs.prior,
            residual=residual,
            noise=scale**2,
            nu=noise.degrees_of_freedom(values),
            whitened=inputs.whitened,
        )
    )
    error = residual - discrepancy.mean
    density = noise.graph_log_density(values, error, scale, discrepancy.residual_variance)
    return discrepancy, density
