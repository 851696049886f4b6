"""Model: spec + design -> `pm.Model`. The only place that builds one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pymc.dims as pmd
import pytensor.tensor as pt

from bayescale.laws.base import Values
from bayescale.model.curve import centred_tokens, curve
from bayescale.model.design import Design, collapsed
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.discrepancy.law_coordinates import placed
from bayescale.model.discrepancy.weights import weighed
from bayescale.model.linearised import bound, log_steepness, tangent
from bayescale.model.scale import discrepancy_unit as unit
from bayescale.model.scale import noise_scale as deviation
from bayescale.model.spec import Effect, Prior, Spec


def build(spec: Spec, design: Design) -> pm.Model:
    """The joint distribution of parameters, latent token counts and responses.

    Data are registered as `pm.Data`, so that other rows go through the same compiled sampler.
    Group effects are partly centred, the more the more runs a group holds.
    """
    data = tangent(spec, collapsed(spec, design.data))
    law = [parameter.name for parameter in spec.law.parameters]
    coords = {**design.coords, "run": data["run"].to_numpy(), "law": law}
    dims = {name: data[name].dims for name in data.data_vars if data[name].size}
    with pm.Model(coords=coords) as model:
        x = {name: pmd.Data(name, data[name].values, dims=dims[name]) for name in dims}
        elsewhere = law if spec.discrepancy else []
        values: dict[str, Any] = {
            name: _prior(name, prior)
            for name, prior in spec.priors.items()
            if name not in elsewhere
        }
        for effect in spec.effect_list():
            values[effect.name] = _effect(effect, x[f"{effect.group}_runs"])
        stated = x["tokens"]
        if "tokens_sd" in x:
            values["tokens_z"] = pmd.Normal("tokens_z", 0, 1, dims=("latent",))
            x["tokens"] = centred_tokens(values, x)
        if spec.discrepancy:
            _with_discrepancy(spec, values, x, stated)
            return model
        mean, observed = _on_the_noises_scale(spec, curve(spec, values, x, pmd.math), x["response"])
        noise = {name: values[name] for name in spec.noise.parameters}
        noise["sigma"] = deviation(spec, values)
        if spec.collapses:
            given = [mean, noise["sigma"], x["repeats"], x["within"]]
            pm.CustomDist(
                "observed", *(g.values for g in given), logp=_alike, observed=observed.values
            )
        else:
            getattr(pmd, spec.noise.dist)("observed", mu=mean, **noise, observed=observed)
    return model


def _alike(observed: Any, mean: Any, sigma: Any, repeats: Any, within: Any) -> Any:
    """Log density of Normal responses, from the mean of so many and the squares around it."""
    squares = repeats * (observed - mean) ** 2 + within
    return -repeats * pt.log(sigma * np.sqrt(2 * np.pi)) - squares / (2 * sigma**2)


def _on_the_noises_scale(spec: Spec, mean: Any, observed: Any) -> tuple[Any, Any]:
    if spec.noise.on == "log":
        return pmd.math.log(mean), pmd.math.log(observed)
    return mean, observed


def _with_discrepancy(spec: Spec, values: dict[str, Any], x: Values, stated: Any) -> None:
    """The law's parameters, and the responses with what the law misses.

    No named distribution has either. Both are given as tensors, in the order in which they are
    handed over.
    """
    names = [discrepancy.PREFIX + name for name in spec.discrepancy]
    values |= {n: _prior(n, p) for n, p in spec.all_priors().items() if n in names}
    # A latent count lies where its latent value puts it, but does not move the frontier.
    sizes = [x["params"].values, x["tokens"].values]
    frontier = discrepancy.places(sizes[0], stated.values, 0.0, pt)["s"].max()
    few = [x["inducing_params"].values, x["inducing_tokens"].values, frontier]
    theta = [values[name].values for name in names]
    values |= _law(spec, values, x, [*few, *theta])
    _missed(spec, values, x, [*sizes, *few, *theta])


def _law(spec: Spec, values: Values, x: Values, processes: list[Any]) -> dict[str, Any]:
    """The law's parameters, in coordinates that follow what the runs say of them."""
    middle, gap, width, slope, runs = (
        x[f"law_{name}"].values for name in ("middle", "gap", "width", "slope", "runs")
    )
    at = {**values, **{n: pmd.as_xtensor(v) for n, v in bound(spec, middle, pt).items()}}
    scale = pmd.as_xtensor(unit(spec, at))
    mean, observed = _on_the_noises_scale(spec, curve(spec, at, x, pmd.math), x["response"])
    noise = (deviation(spec, values) / scale) ** 2
    share = ((observed - mean) / scale).values
    share = pt.zeros_like(runs)[x["law_nearest"].values].inc(share) / runs - slope @ gap

    def free(z: Any, *inputs: Any) -> tuple[Any, Any]:
        noise, share, middle, gap, width, slope, runs, *few, frontier = inputs[:10]
        moved, volume = placed(
            dict(zip(spec.discrepancy, inputs[10:], strict=True)),
            inducing=discrepancy.places(few[0], few[1], frontier, pt),
            noise=noise,
            runs=runs,
            residual=share,
            slope=slope,
            standard=z,
        )
        return middle + width * (gap + moved), volume

    def logp(z: Any, *inputs: Any) -> Any:
        point, volume = free(z, *inputs)
        said = bound(spec, point, pt)
        for i, parameter in enumerate(spec.law.parameters):
            prior, value = spec.priors[parameter.name], said[parameter.name]
            volume += pm.logp(getattr(pm, prior.dist).dist(**prior.arguments), value)
            volume += log_steepness(parameter.support, point[i], pt)
        return volume

    inputs = [noise.values, share, middle, gap, width, slope, runs, *processes]
    z = pm.CustomDist(
        "law_z",
        *inputs,
        logp=logp,
        support_point=lambda *_: pt.zeros(len(spec.law.parameters)),
        signature=f"(),(m),(k),(k),(k),(m,k),(m),(m),(m),(){',()' * len(spec.discrepancy)}->(k)",
        shape=len(spec.law.parameters),
    )
    point, _ = free(z, *inputs)
    said = bound(spec, point, pt)
    return {name: pmd.as_xtensor(pm.Deterministic(name, value)) for name, value in said.items()}


def _missed(spec: Spec, values: Values, x: Values, where_and_theta: list[Any]) -> None:
    """The responses with what the law misses."""
    mean, observed = _on_the_noises_scale(spec, curve(spec, values, x, pmd.math), x["response"])
    standard = pmd.Normal(discrepancy.PREFIX + "z", 0, 1, dims=("inducing",))
    scale = pmd.as_xtensor(unit(spec, values))
    heavy = [values["nu"]] if spec.noise.dist == "StudentT" else []

    def processes(observed: Any, *inputs: Any) -> tuple[Any, Any, Any]:
        """The processes, what they leave of the residuals, and the squared scale of the noise."""
        deviation, scale, standard, mean, params, tokens, *few, frontier = inputs[:9]
        tails = inputs[9 + len(spec.discrepancy) :]
        residual, noise = (observed - mean) / scale, (deviation / scale) ** 2
        drawn = weighed(
            dict(zip(spec.discrepancy, inputs[9:], strict=False)),
            runs=discrepancy.places(params, tokens, frontier, pt),
            inducing=discrepancy.places(few[0], few[1], frontier, pt),
            residual=residual,
            noise=noise,
            tails=tails[0] if tails else np.inf,
            standard=standard,
        )
        return drawn, residual - drawn.missed, pt.sqrt(drawn.own + noise)

    def logp(observed: Any, *inputs: Any) -> Any:
        drawn, left, spread = processes(observed, *inputs)
        noise = (
            pm.StudentT.dist(nu=inputs[-1], mu=0, sigma=spread)
            if heavy
            else pm.Normal.dist(mu=0, sigma=spread)
        )
        density = pm.logp(noise, left).sum() + drawn.correction
        return density - observed.shape[0] * pt.log(inputs[1])

    first = [value.values for value in (deviation(spec, values), scale, standard, mean)]
    inputs = [*first, *where_and_theta, *(value.values for value in heavy)]
    drawn, _, _ = processes(observed.values, *inputs)
    pm.Deterministic(discrepancy.WEIGHTS, drawn.weights, dims=("inducing",))
    scalars = ",()" * len([*spec.discrepancy, *heavy])
    pm.CustomDist(
        "observed",
        *inputs,
        logp=logp,
        signature=f"(),(),(m),(n),(n),(n),(m),(m),(){scalars}->(n)",
        observed=observed.values,
    )


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
    partly = pmd.Normal(f"{effect.name}_z", 0, sd**weight, dims=dims)
    return pmd.Deterministic(effect.name, sd ** (1 - weight) * partly)
