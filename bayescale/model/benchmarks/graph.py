"""Graph: the two models of benchmark scores as `pm.Model`.

Standard deviations between groups have log-normal priors, and effects are non-centred: most
families have a handful of models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design


def build(form: str, design: Design) -> pm.Model:
    """The joint distribution of parameters and scores."""
    with pm.Model(coords=design.coords) as model:
        logit = _latent(design) if form == "latent" else _two_stage(design)
        _scores(design, logit)
    return model


def _latent(design: Design) -> Any:
    """Logits by a latent capability that grows with ln N and ln D (arXiv 2412.06540)."""
    free = {
        "slope": pm.Normal("slope", 0.4, 0.3, dims=("input", "factor")),
        "level": pm.Normal("level", -1, 2, dims="benchmark"),
        "loading_z": pm.Normal("loading_z", dims=("factor", "benchmark")),
        **_effects("model", 0.15, ("run", "factor")),
    }
    if design.has_families:
        free |= _effects("family", 0.4, ("family", "factor"))
        free |= _effects("bias", 0.2, ("family", "benchmark"))
    if design.data["tuned"].any():
        free["tuning"] = pm.Normal("tuning", 0, 0.5, dims="benchmark")
    values = formulas.latent_values(free, design.anchored, pt)
    tuned = design.data["tuned"].values
    return formulas.capability(_inputs(design), values, _family(design), tuned)


def _two_stage(design: Design) -> Any:
    """Losses from N and D where all models state them, and logits from losses."""
    loss = _losses(design) if design.has_law else _known_losses(design)
    free = {
        "level": pm.Normal("level", -1, 2, dims="benchmark"),
        "common_steepness": pm.LogNormal("common_steepness", np.log(5), 0.7),
        "steepness_z": pm.Normal("steepness_z", dims="benchmark"),
    }
    if design.has_families:
        free |= _effects("bias", 0.2, ("family", "benchmark"))
    if not design.own:
        shares = np.ones(design.data.sizes["corpus"])
        free["weight"] = pm.Dirichlet("weight", shares, dims=("benchmark", "corpus"))
    return formulas.by_loss(loss, formulas.two_stage_values(free, pt), _family(design), pt)


def _losses(design: Design) -> Any:
    """The law of each loss; its exponents are near those of the other losses."""
    data = design.data
    free = {
        "loss_level": pm.Normal("loss_level", 0, 0.1, dims="corpus"),
        "irreducible": pm.Beta("irreducible", 3, 2.5, dims="corpus"),
        "of_params": pm.Beta("of_params", 4, 4, dims="corpus"),
    }
    for name in ("alpha", "beta"):
        free[f"common_{name}"] = pm.LogNormal(f"common_{name}", np.log(0.3), 0.3)
        free[f"{name}_z"] = pm.Normal(f"{name}_z", dims="corpus")
    loss = formulas.log_loss(data["x"].values, formulas.loss_values(free, pt), pt)
    sd = pm.LogNormal("loss_sd", np.log(0.015), 0.5, dims="corpus")
    z = (_observed("log_loss", data["log_loss"]) - loss) / sd
    _add("losses", "log_loss", -0.5 * z**2 - pt.log(sd))
    return loss


def _known_losses(design: Design) -> Any:
    """The losses as measured; one that is missing is near what the model's others say."""
    values = design.data["log_loss"].values
    run, corpus = np.nonzero(~np.isfinite(values))
    filled = np.nan_to_num(values)
    if not len(run):
        return filled
    guess, spread = design.filled_losses()
    place = np.zeros((*values.shape, len(run)))
    place[run, corpus, np.arange(len(run))] = 1
    z = pm.Normal("loss_z", shape=len(run))
    return filled + place @ (guess[run, corpus] + spread[corpus] * z)


def _scores(design: Design, logit: Any) -> None:
    """Scores around their expectation, with Student's t: a missed format is an outlier."""
    data = design.data
    low = formulas.floor(data["chance"].values, pm.Normal("floor_z", dims="benchmark"), pt)
    missed = formulas.lapse(pm.Normal("lapse_z", dims="benchmark"), pt)
    sd = pm.LogNormal("score_sd", np.log(0.015), 0.7, dims="benchmark")
    mean = formulas.score(logit, low, missed, pt)
    spread = formulas.noise(mean, data["questions"].values, sd, pt)
    z = (_observed("score", data["score"]) - mean) / spread
    nu = formulas.NU
    _add("scores", "score", -0.5 * (nu + 1) * pt.log1p(z**2 / nu) - pt.log(spread))


def _observed(name: str, values: xr.DataArray) -> Any:
    """What was measured, as data; and which of it counts, so that a refit compiles nothing."""
    dims = tuple(map(str, values.dims))
    pm.Data(f"{name}_used", np.isfinite(values.values).astype(float), dims=dims)
    return pm.Data(f"{name}_observed", np.nan_to_num(values.values), dims=dims)


def _add(name: str, of: str, density: Any) -> None:
    """Add log densities of the cells that count."""
    pm.Potential(name, (pm.modelcontext(None)[f"{of}_used"] * density).sum())


def _effects(name: str, sd: float, dims: tuple[str, str]) -> dict[str, Any]:
    """The free variables of non-centred effects, with a standard deviation by the last dim."""
    scale = pm.LogNormal(f"{name}_sd", np.log(sd), 0.5, dims=dims[-1])
    return {f"{name}_sd": scale, f"{name}_z": pm.Normal(f"{name}_z", dims=dims)}


def _inputs(design: Design) -> Any:
    """Centred ln N and ln D; one that is not stated is like those of the other models."""
    data = design.data
    run, column = np.nonzero(~data["stated"].values)
    if not len(run):
        return pt.as_tensor(data["x"].values)
    place = np.zeros((*data["x"].shape, len(run)))
    place[run, column, np.arange(len(run))] = 1
    spread = data["x"].where(data["stated"]).std("run").values[column]
    return data["x"].values + place @ (spread * pm.Normal("count_z", shape=len(run)))


def _family(design: Design) -> np.ndarray:
    return design.data["family_index"].values
