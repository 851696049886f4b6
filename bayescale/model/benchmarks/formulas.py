"""Equations of both models, written once over named dims.

They serve PyMC's graph (`xp` is `pymc.dims.math`), the compiled density (a recorder) and prediction
(numpy, on DataArrays with draws). Everything that is sampled is standardised: a mapping `z` of
standard normal values, from which the equations make what they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

Values = Mapping[str, Any]

# A floor's spread around chance, in logs: guessing is not blind where answers are scored by their
# likelihood, and scores without normalisation by length can lie below chance.
FLOOR_SD = 0.15
# Share of questions that no model gets right, wrong keys among them: 3 %, from 0.8 to 11 %.
LAPSE, LAPSE_SD = -3.5, 0.8
# Degrees of freedom around a score: a model that misses the format is an outlier.
NU = 4
# Beyond the frontier the gain in logits is known up to a factor, whose standard deviation in logs
# has this median and spread. Half of its variance is common to all benchmarks.
BEYOND, BEYOND_SD = 0.2, 0.4


def expit(x: Any, xp: Any) -> Any:
    """The logistic function."""
    return 1 / (1 + xp.exp(-x))


def lognormal(z: Any, median: float, sd: float, xp: Any) -> Any:
    """A positive value with this median, from a standardised one."""
    return xp.exp(log(median) + sd * z)


def family_effects(z: Values, name: str, median: float, x: Values, xp: Any) -> Any:
    """A family's effects at its models; 0 of a table with one family."""
    if f"{name}_z" not in z:
        return 0.0
    sd = lognormal(z[f"{name}_sd_z"], median, 0.5, xp)
    return (sd * z[f"{name}_z"]).isel({"family": x["family_index"]})


def latent(z: Values, x: Values, xp: Any) -> Any:
    """Logits (run, benchmark) by latent capabilities (arXiv 2412.06540).

    A model's capabilities (factor) grow with ln N and ln D, differ between families and have a
    rest of their own; a benchmark's logit is linear in them.

    Parameters
    ----------
    z : mapping
    x : mapping
        `params`, `tokens` (run), centred logarithms; `tuned` (run); `family_index` (run);
        `anchored` and `free` (benchmark, factor): the anchors' loadings, and 1 where a loading is
        free; `factors`, their number; for counts that are not stated `tokens_sd` (), `is_unstated`
        (run) and `unstated_index` (run).
    xp : module
    """
    tokens = x["tokens"]
    if "unstated_z" in z:
        tokens = tokens + x["is_unstated"] * x["tokens_sd"] * z["unstated_z"].isel(
            {"unstated": x["unstated_index"]}
        )
    capability = (
        (0.4 + 0.3 * z["slope_params_z"]) * x["params"]
        + (0.4 + 0.3 * z["slope_tokens_z"]) * tokens
        + family_effects(z, "capability", 0.4, x, xp)
        + lognormal(z["model_sd_z"], 0.15, 0.5, xp) * z["model_z"]
    )
    loading = x["anchored"] + x["free"] * (0.7 / x["factors"] + 0.5 * z["loading_z"])
    logit = level(z) + (loading * capability).sum("factor")
    if "tuning_z" in z:
        logit = logit + 0.5 * z["tuning_z"] * x["tuned"]
    return logit + family_effects(z, "bias", 0.2, x, xp)


def level(z: Values) -> Any:
    """Logit (benchmark) of a score at the data's centre."""
    return -1 + 2 * z["level_z"]


def log_loss(z: Values, x: Values, xp: Any) -> Any:
    """Logarithm of each loss over the data's mean, (run, corpus).

    A law with a floor, L/L0 = e^level [E + (1 - E) (a N^-alpha + (1 - a) D^-beta)] with N and D
    over their means (Hoffmann et al. 2022, arXiv 2203.15556). Exponents are near those of the
    other losses.
    """
    irreducible = expit(0.2 + 0.85 * z["irreducible_z"], xp)
    share = expit(0.7 * z["of_params_z"], xp)
    by_params, by_tokens = (
        xp.exp(-lognormal(z[f"common_{name}_z"], 0.3, 0.3, xp) * xp.exp(0.15 * z[f"{name}_z"]) * at)
        for name, at in (("alpha", x["params"]), ("beta", x["tokens"]))
    )
    reducible = share * by_params + (1 - share) * by_tokens
    return 0.1 * z["loss_level_z"] + xp.log(irreducible + (1 - irreducible) * reducible)


def loss_sd(z: Values, xp: Any) -> Any:
    """Standard deviation (corpus) of a loss around its law, in logs."""
    return lognormal(z["loss_sd_z"], 0.015, 0.5, xp)


def measured_loss(z: Values, x: Values) -> Any:
    """Losses (run, corpus) as measured; a missing one is near what the model's others say."""
    if "absent_z" not in z:
        return x["log_loss"]
    missing = z["absent_z"].isel({"absent": x["absent_index"]})
    return x["log_loss"] + x["absent_sd"] * missing


def by_loss(losses: Any, z: Values, x: Values, xp: Any) -> Any:
    """Logits (run, benchmark) from losses (run, corpus).

    Of a benchmark with a loss of its own that is `own_index` (benchmark); else a mean of all with
    weights that are learnt.
    """
    if "weight_z" in z:
        weight = xp.exp(z["weight_z"])
        loss = (weight * losses).sum("corpus") / weight.sum("corpus")
    else:
        loss = losses.isel({"corpus": x["own_index"]})
    steepness = lognormal(z["common_steepness_z"], 5, 0.7, xp) * xp.exp(0.4 * z["steepness_z"])
    return level(z) - steepness * loss + family_effects(z, "bias", 0.2, x, xp)


def ends(z: Values, x: Values, xp: Any) -> tuple[Any, Any]:
    """Floor and lapse of each benchmark: what guessing scores, and what no model gets right."""
    return x["chance"] * xp.exp(FLOOR_SD * z["floor_z"]), expit(LAPSE + LAPSE_SD * z["lapse_z"], xp)


def score(logit: Any, z: Values, x: Values, xp: Any) -> Any:
    """Expected score (run, benchmark): floor + (1 - floor - lapse) logistic(logit)."""
    low, missed = ends(z, x, xp)
    return low + (1 - low - missed) * expit(logit, xp)


def variance(mean: Any, z: Values, x: Values, xp: Any) -> Any:
    """Squared scale of a score: that of so many questions, and what else differs between runs."""
    sd = lognormal(z["score_sd_z"], 0.015, 0.7, xp)
    return mean * (1 - mean) / x["questions"] + sd * sd


def log_density(z: Values, x: Values, xp: Any) -> Any:
    """Log density of what was measured, up to a constant: by cell, to be summed.

    Returns
    -------
    list
        Of the scores (run, benchmark) and, where they have a law, of the losses (run, corpus).
    """
    parts = []
    if "slope_params_z" in z:
        logit = latent(z, x, xp)
    elif "loss_sd_z" in z:
        losses, sd = log_loss(z, x, xp), loss_sd(z, xp)
        error = (x["log_loss"] - losses) / sd
        parts.append(x["log_loss_used"] * (-0.5 * error * error - xp.log(sd)))
        logit = by_loss(losses, z, x, xp)
    else:
        logit = by_loss(measured_loss(z, x), z, x, xp)
    mean = score(logit, z, x, xp)
    squared = variance(mean, z, x, xp)
    error = x["score"] - mean
    t = -0.5 * (NU + 1) * xp.log1p(error * error / (NU * squared)) - 0.5 * xp.log(squared)
    return [x["score_used"] * t, *parts]
