"""Model: spec + design -> `pm.Model`. The only place that builds one."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pymc.dims as pmd

from bayescale.design import Design
from bayescale.predictor import centred_tokens, curve
from bayescale.spec import Effect, Prior, Spec


def build(spec: Spec, design: Design) -> pm.Model:
    """The joint distribution of parameters, hidden token counts and responses.

    Data are registered as `pm.Data`, so that other rows go through the same compiled sampler.
    Group effects and hidden counts are non-centred: most groups hold one to five runs.
    """
    dims = {
        name: design.data[name].dims for name in design.data.data_vars if design.data[name].size
    }
    with pm.Model(coords=design.coords) as model:
        x = {name: pmd.Data(name, design.data[name].values, dims=dims[name]) for name in dims}
        values: dict[str, Any] = {name: _prior(name, prior) for name, prior in spec.priors.items()}
        for effect in spec.effect_list():
            values[effect.name] = _effect(effect)
        if "tokens_sd" in x:
            values["tokens_z"] = pmd.Normal("tokens_z", 0, 1, dims=("hidden",))
            x["tokens"] = centred_tokens(values, x)
        mean = curve(spec, values, x, pmd.math)
        observed = x["response"]
        if spec.noise.on == "log":
            mean, observed = pmd.math.log(mean), pmd.math.log(observed)
        noise = {name: values[name] for name in spec.noise.parameters}
        noise["sigma"] = deviation(spec, values)
        if spec.discrepancy:
            _missed(spec, values, x, observed - mean)
        else:
            getattr(pmd, spec.noise.dist)("observed", mu=mean, **noise, observed=observed)
    return model


def _missed(spec: Spec, values: dict[str, Any], x: dict[str, Any], error: Any) -> None:
    """The likelihood with the discrepancy integrated out, which is no named distribution."""
    theta = {
        name: _prior(discrepancy.PREFIX + name, prior).values[None, None]
        for name, prior in spec.discrepancy.items()
    }
    unit = error_unit(spec, values)
    variance = (deviation(spec, values) / unit) ** 2
    middle = [x[name].values for name in INPUTS]
    # A hidden count is where its latent value puts it; the frontier is not moved by it.
    frontier = discrepancy.places(*middle, 0.0, pt)["s"].max()
    params, tokens = x["params"].values, x["tokens"].values
    stand_in = [x[f"inducing_{name}"].values for name in INPUTS]
    pm.Potential(
        "observed",
        discrepancy.log_likelihood(
            theta,
            discrepancy.places(params, tokens, frontier, pt),
            discrepancy.places(*stand_in, frontier, pt),
            (error / unit).values,
            variance.values if hasattr(variance, "values") else variance,
            pt,
        )
        - observed_volume(error, unit),
    )


def _prior(name: str, prior: Prior) -> Any:
    dims = (prior.by,) if prior.by else ()
    return getattr(pmd, prior.dist)(name, **prior.arguments, dims=dims)


def _effect(effect: Effect) -> Any:
    sd = _prior(effect.sd_name, effect.sd)
    dims = (effect.group, effect.sd.by) if effect.sd.by else (effect.group,)
    return pmd.Deterministic(effect.name, sd * pmd.Normal(f"{effect.name}_z", 0, 1, dims=dims))
