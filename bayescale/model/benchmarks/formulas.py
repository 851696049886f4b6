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
FLOOR_SD = 0.1
# Where blind guessing scores 0: what models without the capability get all the same, from the form
# of their answers or because the metric gives credit for less. 5 %, from 0.4 to 37 %.
EASY, EASY_SD = -3.0, 1.5
# Share of questions that no model gets right, wrong keys among them: 3 %, from 1.3 to 6.4 %.
LAPSE, LAPSE_SD = -3.5, 0.5
# Medians of standard deviations, in logits: of families' capabilities, of families on one
# benchmark, of models around their family. The spread of each, in logs. Given a model's losses its
# family matters less: they hold most of what its recipe does.
FAMILY_SD, MODEL_SD, SPREAD = {"capability": 0.4, "bias": 0.4}, 0.15, 0.7
GIVEN_LOSSES = 0.15
# Logits an e-fold of parameters, and what an e-fold of tokens counts beside it: about as much
# (Hoffmann et al. 2022), a little less where models have far more than 20 tokens a parameter.
SLOPE, SLOPE_SPREAD, TOKENS, TOKENS_SPREAD = 0.4, 0.8, 0.8, 0.3
# Spread of loadings, in logs.
LOADING_SPREAD = 0.5
# Logit of a score at the data's centre. Where every model is at chance, only the prior tells how
# far away the rise is: so many e-folds of compute more, two decades.
LEVEL, LEVEL_SD, AWAY = -1, 2, 4.6
# Standard deviation of what tuning on instructions adds to a benchmark's logit.
TUNING = 1.0
# Logits that having been trained on a benchmark's questions adds: 0.5, from 0.1 to 2.
CONTAMINATION, CONTAMINATION_SPREAD = 0.5, 0.8
# Beyond the frontier the gain in logits is known up to a factor, whose standard deviation in logs
# has this median and spread. Half of its variance is common to all benchmarks.
BEYOND, BEYOND_SD = 0.2, 0.4
# Standard deviations of the logarithms of the weights of losses on corpora: of what is common to
# all benchmarks, and of each.
WEIGHT, OWN_WEIGHT = 0.7, 1.0
# Squared: gaps between scores that are smaller than this (0.06) are hardly told apart.
ROUNDING = 0.0036


def expit(x: Any, xp: Any) -> Any:
    """The logistic function."""
    return 1 / (1 + xp.exp(-x))


def lognormal(z: Any, median: float, sd: float, xp: Any) -> Any:
    """A positive value with this median, from a standardised one."""
    return xp.exp(log(median) + sd * z)


def family_effects(z: Values, name: str, x: Values, xp: Any) -> Any:
    """A family's effects at its models; 0 of a table with one family."""
    if f"{name}_z" not in z:
        return 0.0
    return (family_sd(z, name, xp) * z[f"{name}_z"]).isel({"family": x["family_index"]})


def family_sd(z: Values, name: str, xp: Any) -> Any:
    """Standard deviation between families."""
    median = FAMILY_SD[name] if "slope_params_z" in z else GIVEN_LOSSES
    return lognormal(z[f"{name}_sd_z"], median, SPREAD, xp)


def by_compute(z: Values, x: Values, xp: Any) -> Any:
    """Logits (run, benchmark) from parameters and tokens.

    A model's capability (factor) grows with ln N and ln D; a benchmark's logit is linear in it. In
    the latent form (arXiv 2412.06540) capabilities differ between families too, and each model's
    has a rest of its own, seen on all benchmarks alike; in the direct form neither.

    Parameters
    ----------
    z : mapping
    x : mapping
        `params`, `tokens` (run), centred logarithms; `tuned` (run); `contaminated` (run,
        benchmark); `family_index` (run);
        `at_chance` (benchmark), 1 where every model is at chance; `benchmarks`, their number; for
        counts that are not stated `tokens_sd` (), `is_unstated` (run) and `unstated_index` (run).
    xp : module
    """
    rest = (loading(z, x, xp) * capability(z, x, xp)).sum("factor")
    rest = rest + family_effects(z, "bias", x, xp) + contamination(z, x["contaminated"], xp)
    if "tuning_z" in z:
        rest = rest + TUNING * z["tuning_z"] * x["tuned"]
    return level(z, x, xp) + reference(z, x, xp)[1] * rest


def contamination(z: Values, contaminated: Any, xp: Any) -> Any:
    """What training on its questions adds to a benchmark's logit, where a model was."""
    if "contamination_z" not in z:
        return 0.0
    added = lognormal(z["contamination_z"], CONTAMINATION, CONTAMINATION_SPREAD, xp)
    return added * contaminated


def capability(z: Values, x: Values, xp: Any) -> Any:
    """Capability (run, factor) of each model."""
    expected = expected_capability(z, x, xp)
    if "model_z" not in z:
        return expected
    return expected + model_sd(z, xp) * z["model_z"]


def model_sd(z: Values, xp: Any) -> Any:
    """Standard deviation (factor) of models around their family."""
    return lognormal(z["model_sd_z"], MODEL_SD, SPREAD, xp)


def expected_capability(z: Values, x: Values, xp: Any) -> Any:
    """Capability (run, factor) that a model's parameters, tokens and family let expect."""
    tokens = x["tokens"]
    if "unstated_z" in z:
        tokens = tokens + x["is_unstated"] * x["tokens_sd"] * z["unstated_z"].isel(
            {"unstated": x["unstated_index"]}
        )
    slope, ratio = slopes(z, xp)
    return slope * (x["params"] + ratio * tokens) + family_effects(z, "capability", x, xp)


def slopes(z: Values, xp: Any) -> tuple[Any, Any]:
    """Capability (factor) an e-fold of parameters, and what an e-fold of tokens counts beside."""
    slope = lognormal(z["slope_params_z"], SLOPE, SLOPE_SPREAD, xp)
    return slope, lognormal(z["slope_tokens_z"], TOKENS, TOKENS_SPREAD, xp)


def loading(z: Values, x: Values, xp: Any) -> Any:
    """What a capability does to each benchmark, (benchmark, factor); its geometric mean is 1."""
    free = z["loading_z"]
    return xp.exp(LOADING_SPREAD * (free - free.sum("benchmark") / x["benchmarks"]))


def reference(z: Values, x: Values, xp: Any) -> tuple[Any, Any]:
    """Logit (benchmark) of the models' mean score, and the unit of what is added to it.

    Floor and lapse bend the whole curve; measured from a score that was observed, in units of the
    score's slope there, what the scores determine hardly moves with them.
    """
    above, below = gaps(x["reference"], z, x, xp)
    return xp.log(above / below), x["reference_slope"] / slope(above, below)


def family_mean(values: Any, x: Values) -> Any:
    """Mean of the models (run) of each family that have a score on a benchmark."""
    return (x["share"] * values.isel({"run": x["member_index"]})).sum("member")


def gaps(observed: Any, z: Values, x: Values, xp: Any) -> tuple[Any, Any]:
    """How far observed scores are above the floor and below the ceiling, kept above 0."""
    low, missed = ends(z, x, xp)
    return rounded(observed - low), rounded(1 - missed - observed)


def slope(above: Any, below: Any) -> Any:
    """A score's slope against its logit, by how far it is from its floor and its ceiling."""
    return above * below / (above + below)


def rounded(gap: Any) -> Any:
    """A gap between scores, kept above 0: by 0.03 where it is 0, and hardly where it is 0.2."""
    return 0.5 * (gap + (gap * gap + ROUNDING) ** 0.5)


def level(z: Values, x: Values, xp: Any) -> Any:
    """Logit (benchmark) of a score at the data's centre."""
    return LEVEL + level_sd(z, x, xp) * z["level_z"]


def level_sd(z: Values, x: Values, xp: Any) -> Any:
    """Standard deviation (benchmark) of the prior of `level`; larger where all are at chance."""
    if "slope_params_z" not in z:
        return LEVEL_SD
    slope, ratio = slopes(z, xp)
    along_compute = 0.5 * slope * (1 + ratio)  # parameters and tokens grow alike
    rise = (loading(z, x, xp) * along_compute).sum("factor")
    return LEVEL_SD + x["at_chance"] * AWAY * rise


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
    """Logits (run, benchmark) from losses (run, corpus); see `along_loss`."""
    rest = family_effects(z, "bias", x, xp) + contamination(z, x["contaminated"], xp)
    return level(z, x, xp) + along_loss(losses, z, x, xp) + rest


def along_loss(losses: Any, z: Values, x: Values, xp: Any) -> Any:
    """What losses add to each benchmark's logit.

    Of a benchmark with a loss of its own that is `own_index` (benchmark); else a mean of all with
    weights that are learnt.
    """
    if "weight_z" in z:
        loss = (weights(z, x, xp) * losses).sum("corpus")
    else:
        loss = losses.isel({"corpus": x["own_index"]})
    steepness = lognormal(z["common_steepness_z"], 5, 0.7, xp) * xp.exp(0.4 * z["steepness_z"])
    return -steepness * loss


def weights(z: Values, x: Values, xp: Any) -> Any:
    """Weights (benchmark, corpus) of the losses; their sum is 1."""
    weight = xp.exp(WEIGHT * z["common_weight_z"] + OWN_WEIGHT * z["weight_z"])
    return weight / weight.sum("corpus")


def ends(z: Values, x: Values, xp: Any) -> tuple[Any, Any]:
    """Floor and lapse of each benchmark: what guessing scores, and what no model gets right."""
    guessed = x["chance"] * xp.exp(FLOOR_SD * z["floor_z"])
    easy = x["no_chance"] * expit(EASY + EASY_SD * z["floor_z"], xp)
    return guessed + easy, expit(LAPSE + LAPSE_SD * z["lapse_z"], xp)


def score(logit: Any, z: Values, x: Values, xp: Any) -> Any:
    """Expected score (run, benchmark): floor + (1 - floor - lapse) logistic(logit)."""
    low, missed = ends(z, x, xp)
    return low + (1 - low - missed) * expit(logit, xp)


def variance(mean: Any, z: Values, x: Values, xp: Any) -> Any:
    """Squared scale of a score: that of so many questions, and what else differs between runs."""
    sd = score_sd(z, xp)
    return mean * (1 - mean) / x["questions"] + sd * sd


def score_sd(z: Values, xp: Any) -> Any:
    """Standard deviation (benchmark) of what else differs between runs, as a share."""
    return lognormal(z["score_sd_z"], 0.015, 0.7, xp)


def standardised(free: Values, x: Values, xp: Any) -> tuple[dict[str, Any], list[Any]]:
    """Standard normal values from those that are sampled, and the density's change.

    The sampler moves what the scores determine: a model's capability, a family's logit on a
    benchmark, a benchmark's logit at the models' mean score; not what these are in standard
    deviations around values that move too. The distribution is the same.

    Returns
    -------
    z : dict
    change : list
        What to add to the density of `free` as standard normal values, by cell.
    """
    z, change = dict(free), []

    def moved(name: str, at: Any, log_scale: Any) -> None:
        raw = free[name]
        z[name] = at + xp.exp(log_scale) * raw
        change.append(0.5 * raw * raw - 0.5 * z[name] * z[name] + log_scale)

    def moved_bias(others: Any, unit: Any) -> None:
        # A family's mean score on a benchmark measures its effect with some precision, near the
        # floor with little. Were the logit linear in the score, what is sampled would be standard
        # normal, whatever the standard deviations are.
        above, below = gaps(x["family_reference"], z, x, xp)
        sd = unit * family_sd(z, "bias", xp)
        steepness = slope(above, below) / (1 + ROUNDING / (above * above))
        noise = score_sd(z, xp) ** 2 + x["sampling"]
        precision = x["family_scored"] * (sd * steepness) ** 2 / noise
        measured = (xp.log(above / below) - level(z, x, xp) - unit * others) / sd
        moved("bias_z", precision / (1 + precision) * measured, -0.5 * xp.log(1 + precision))

    if "capability_sd_z" in z:
        moved("capability_z", 0.0, -SPREAD * z["capability_sd_z"])
    at, unit = reference(z, x, xp)
    prior_sd = level_sd(z, x, xp)
    moved("level_z", (at - LEVEL) / prior_sd, xp.log(unit / prior_sd))
    if "model_z" in z:
        sd = model_sd(z, xp)
        usual = SLOPE * (x["params"] + TOKENS * x["tokens"])
        rest = (usual - expected_capability(z, x, xp)) / sd
        moved("model_z", x["told"] * rest, x["told"] * xp.log(SLOPE / sd))
    if "bias_z" in z and "slope_params_z" in z:
        mean = family_mean(capability(z, x, xp), x)
        others = (loading(z, x, xp) * mean).sum("factor")
        if "tuning_z" in z:
            others = others + TUNING * z["tuning_z"] * x["family_tuned"]
        moved_bias(others + contamination(z, x["family_contaminated"], xp), unit)
    elif "bias_z" in z:
        losses = log_loss(z, x, xp) if "loss_sd_z" in z else measured_loss(z, x)
        others = along_loss(family_mean(losses, x), z, x, xp)
        moved_bias(others + contamination(z, x["family_contaminated"], xp), 1.0)
    return z, change


def log_density(free: Values, x: Values, xp: Any) -> Any:
    """Log density of what was measured, up to a constant: by cell, to be summed.

    Parameters
    ----------
    free : mapping
        Values as they are sampled; see `standardised`.

    Returns
    -------
    list
        Of the scores (run, benchmark), of the losses (run, corpus) where they have a law, and the
        change that `standardised` makes.
    """
    z, parts = standardised(free, x, xp)
    if "slope_params_z" in z:
        logit = by_compute(z, x, xp)
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
    normal = -0.5 * (error * error / squared + xp.log(squared))
    return [x["score_used"] * normal, *parts]
