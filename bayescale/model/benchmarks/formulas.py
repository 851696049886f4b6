"""Equations of both models, written once: for PyMC's graph and, with draws in front, for numpy.

Arrays may have further dims, such as draws, before those that are named.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Spread of a benchmark's floor around chance, in logs: guessing is not blind where answers are
# scored by likelihood, and scores without normalisation by length can lie below chance.
FLOOR_SD = 0.15
# Share of questions that no model gets right, wrong keys among them: 3 %, from 0.8 to 11 %.
LAPSE = (-3.5, 0.8)
# Freedom of Student's t around a score: a model that misses a format is an outlier.
NU = 4
# How uncertain the gain beyond the frontier is, as a factor's standard deviation in logs: a median
# share and its own spread. Half of its variance is common to all benchmarks.
BEYOND = (0.2, 0.4)


def floor(chance: Any, z: Any, xp: Any) -> Any:
    """What a model without the capability scores; `z` is standardised: (..., benchmark)."""
    return chance * xp.exp(FLOOR_SD * z)


def lapse(z: Any, xp: Any) -> Any:
    """Share of questions that no model gets right; `z` is standardised: (..., benchmark)."""
    return expit(LAPSE[0] + LAPSE[1] * z, xp)


def expit(x: Any, xp: Any) -> Any:
    """The logistic function."""
    return 1 / (1 + xp.exp(-x))


def score(logit: Any, low: Any, missed: Any, xp: Any) -> Any:
    """Expected score: floor + (1 - floor - lapse) logistic(logit), (..., run, benchmark)."""
    low, missed = low[..., None, :], missed[..., None, :]
    return low + (1 - low - missed) * expit(logit, xp)


def noise(mean: Any, questions: Any, sd: Any, xp: Any) -> Any:
    """Standard deviation of a score: so many questions, and what else differs from run to run."""
    return xp.sqrt(mean * (1 - mean) / questions + sd[..., None, :] ** 2)


def effects(free: Any, name: str) -> Any:
    """Effects (..., group, label), from standard deviations (label) and standardised values."""
    return free[f"{name}_sd"][..., None, :] * free[f"{name}_z"]


def latent_values(free: Any, anchored: Any, xp: Any) -> dict[str, Any]:
    """What `capability` takes, from the free variables of the graph.

    Parameters
    ----------
    free : mapping
    anchored : (factor, benchmark)
        The loadings of the anchors, whose logits are the factors' units; not a number elsewhere.
    """
    level = free["level"]
    none = xp.zeros_like(level)
    known = ~np.isnan(anchored)
    loading = 0.7 / len(anchored) + 0.5 * free["loading_z"]
    return {
        "slope": free["slope"],
        "level": level,
        "loading": xp.where(known, np.nan_to_num(anchored), loading),
        "tuning": free.get("tuning", none),
        "family": effects(free, "family") if "family_z" in free else free["slope"][..., :1, :] * 0,
        "bias": effects(free, "bias") if "bias_z" in free else none[..., None, :],
        "own": effects(free, "model"),
    }


def capability(x: Any, values: Any, family: Any, tuned: Any) -> Any:
    """Logits by latent capabilities: (..., run, benchmark).

    Parameters
    ----------
    x : (run, 2)
        Centred ln N and ln D.
    values : mapping
        `slope` (input, factor) of the capabilities and `family` (family, factor), its effects;
        `own` (run, factor), what a model has beyond its family; `loading` (factor, benchmark);
        `level` and `tuning` (benchmark); `bias` (family, benchmark).
    family : (run,)
        Positions of the families.
    tuned : (run,)
        1 where a model was tuned on instructions.
    """
    factor = x @ values["slope"] + values["family"][..., family, :] + values["own"]
    logit = values["level"][..., None, :] + factor @ values["loading"]
    shift = values["tuning"][..., None, :] * tuned[:, None]
    return logit + values["bias"][..., family, :] + shift


def loss_values(free: Any, xp: Any) -> dict[str, Any]:
    """What `log_loss` takes, from the free variables of the graph."""
    exponents = {
        name: free[f"common_{name}"][..., None] * xp.exp(0.15 * free[f"{name}_z"])
        for name in ("alpha", "beta")
    }
    return {name: free[name] for name in ("loss_level", "irreducible", "of_params")} | exponents


def log_loss(x: Any, values: Any, xp: Any) -> Any:
    """Logarithm of each loss over that of the data's centre: (..., run, corpus).

    A law with a floor, L/L0 = e^level [E + (1 - E) (a N^-alpha + (1 - a) D^-beta)] with N and D
    over their centres (Hoffmann et al. 2022, arXiv 2203.15556).
    """
    n, d = x[:, 0][:, None], x[:, 1][:, None]
    level, irreducible, share, alpha, beta = (
        values[name][..., None, :]
        for name in ("loss_level", "irreducible", "of_params", "alpha", "beta")
    )
    reducible = share * xp.exp(-n * alpha) + (1 - share) * xp.exp(-d * beta)
    return level + xp.log(irreducible + (1 - irreducible) * reducible)


def two_stage_values(free: Any, xp: Any) -> dict[str, Any]:
    """What `by_loss` takes, from the free variables of the graph."""
    level = free["level"]
    steepness = free["common_steepness"][..., None] * xp.exp(0.4 * free["steepness_z"])
    bias = effects(free, "bias") if "bias_z" in free else xp.zeros_like(level)[..., None, :]
    weight = {"weight": free["weight"]} if "weight" in free else {}
    return {"level": level, "steepness": steepness, "bias": bias, **weight}


def by_loss(log_losses: Any, values: Any, family: Any, xp: Any) -> Any:
    """Logits from losses: (..., run, benchmark).

    Parameters
    ----------
    log_losses : (..., run, corpus)
        Logarithms over the data's centre.
    values : mapping
        `level`, `steepness` (benchmark), `bias` (family, benchmark) and, unless benchmarks have
        losses of their own, `weight` (benchmark, corpus) of each loss.
    family : (run,)
        Positions of the families.
    """
    loss = log_losses
    if "weight" in values:
        loss = log_losses @ xp.swapaxes(values["weight"], -1, -2)
    logit = values["level"][..., None, :] - values["steepness"][..., None, :] * loss
    return logit + values["bias"][..., family, :]
