"""Joint power law: parameters and tokens limit each other at a corner, above a floor that falls.

It nests Chinchilla's law (corner 1, floor exponent 0, arXiv 2203.15556), the joint law of Kaplan
et al. above a floor (corner equal to beta, arXiv 2001.08361) and, where the floor is all that is
left, a power of compute alone (arXiv 2404.19484). Written at a fixed place, 1e9 parameters and
2e10 tokens, so that one prior serves every table of runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescale.laws.base import Law, Parameter, Values
from bayescale.laws.data_constrained import WORTH, WORTH_UNITS, effective

PARAMS, TOKENS = 1e9, 2e10
PARAMETERS = (
    Parameter("level", "positive", "floor of the response at 1e9 parameters and 2e10 tokens"),
    Parameter("params_ratio", "positive", "what 1e9 parameters leave, as a share of the floor"),
    Parameter("tokens_ratio", "positive", "what 2e10 tokens leave, as a share of the floor"),
    Parameter("alpha", "positive", "exponent of parameters"),
    Parameter("beta", "positive", "exponent of tokens"),
    Parameter("corner", "positive", "1: both terms add up; towards 0: the larger one alone counts"),
    Parameter("floor_exponent", "real", "exponent of compute with which the floor falls"),
    Parameter("vocabulary", "positive", "parameters of the vocabulary, see units"),
)
UNITS = {
    "E": "floor at 1e9 parameters and 2e10 tokens",
    "A": "what 1e9 parameters leave above the floor",
    "B": "what 2e10 tokens leave above the floor",
    "alpha": "exponent of parameters",
    "beta": "exponent of tokens",
    "g": "corner: 1 adds both terms, towards 0 the larger one counts",
    "k": "exponent of N D with which the floor falls",
    "omega": "N counts omega N'^(1/3) parameters of the vocabulary beside its own N'",
    "a": "beta/(alpha+beta): compute-optimal N' grows as C^a",
}
# Parameters that are printed as they are, to their letters.
_NAMES = {
    "alpha": "alpha",
    "beta": "beta",
    "corner": "g",
    "floor_exponent": "k",
    "vocabulary": "omega",
}


def beyond_vocabulary(params: Any, vocabulary: Any, xp: Any) -> Any:
    """Log of N', the parameters beyond the vocabulary's: N = N' + omega N'^(1/3).

    `params` is ln N. The depth of a model grows as its width, so N' as the third power of the
    width and the vocabulary's parameters as the width (Pearce and Song 2024, arXiv 2406.12907).
    """
    third = vocabulary / 3
    z = 0.5 * xp.exp(params) / third**1.5  # N'^(1/3) is a root of a cubic
    root = xp.exp(xp.log(z + (z * z + 1) ** 0.5) / 3)
    return 1.5 * xp.log(third) + 3 * xp.log(root - 1 / root)


def value(params: Any, tokens: Any, theta: Values, xp: Any) -> Any:
    """The response at ln N' and ln D, counts that are effective already."""
    n, d = params - float(np.log(PARAMS)), tokens - float(np.log(TOKENS))
    corner = theta["corner"]
    from_params = xp.exp((xp.log(theta["params_ratio"]) - theta["alpha"] * n) / corner)
    from_tokens = xp.exp((xp.log(theta["tokens_ratio"]) - theta["beta"] * d) / corner)
    floor = xp.exp(-theta["floor_exponent"] * (n + d))
    return theta["level"] * (floor + (from_params + from_tokens) ** corner)


def mean(x: Values, theta: Values, xp: Any) -> Any:
    params = beyond_vocabulary(x["params"], theta["vocabulary"], xp)
    return value(params, x["tokens"], theta, xp)


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    constants = {printed: theta[name] for name, printed in _NAMES.items()}
    return {
        "E": theta["level"],
        "A": theta["level"] * theta["params_ratio"],
        "B": theta["level"] * theta["tokens_ratio"],
        **constants,
        "a": theta["beta"] / (theta["alpha"] + theta["beta"]),
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    return {
        "level": constants["E"],
        "params_ratio": constants["A"] / constants["E"],
        "tokens_ratio": constants["B"] / constants["E"],
        **{name: constants[printed] for name, printed in _NAMES.items()},
    }


def mean_of_repeats(x: Values, theta: Values, xp: Any) -> Any:
    tokens = effective(x["tokens"], x["unique_tokens"], theta["R_D"], xp)
    # Parameters are useful up to the compute-optimal size for the unique tokens.
    alpha, beta, corner = theta["alpha"], theta["beta"], theta["corner"]
    unique = xp.minimum(x["tokens"], x["unique_tokens"]) - float(np.log(TOKENS))
    terms = xp.log(theta["params_ratio"]) - xp.log(theta["tokens_ratio"])
    slopes = corner * (xp.log(alpha) - xp.log(beta))
    optimal = (terms + slopes + beta * unique) / alpha + float(np.log(PARAMS))
    params = beyond_vocabulary(x["params"], theta["vocabulary"], xp)
    return value(effective(params, optimal, theta["R_N"], xp), tokens, theta, xp)


def published_of_repeats(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    return {**published(theta, centre), "R_D": theta["R_D"], "R_N": theta["R_N"]}


def sampled_of_repeats(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    return {**sampled(constants, centre), "R_D": constants["R_D"], "R_N": constants["R_N"]}


_CITATION = (
    "the corner: Kaplan et al. 2020, arXiv 2001.08361; the sum: Hoffmann et al. 2022, "
    "arXiv 2203.15556; compute alone: Guo 2024, arXiv 2404.19484; the vocabulary: Pearce and Song "
    "2024, arXiv 2406.12907"
)

REPEATS = Law(
    name="joint-power-repeats",
    title="Joint power law with repeated data",
    equation="the joint power law of N'' and D'', where D'' = U + U R_D (1 - exp(-(D/U - 1)/R_D)), "
    "N'' likewise of N' with R_N above the compute-optimal N' for U",
    citation=f"{_CITATION}; repeats: Muennighoff et al. 2023, arXiv 2305.16264",
    inputs=("params", "tokens", "unique_tokens"),
    parameters=(
        *PARAMETERS,
        *WORTH,
    ),
    mean=mean_of_repeats,
    published=published_of_repeats,
    sampled=sampled_of_repeats,
    units={
        **UNITS,
        **WORTH_UNITS,
    },
    compute_only=False,
    has_optimum=True,
    centred=False,
    multiplier="level",
)

LAW = Law(
    name="joint-power",
    title="Joint power law",
    equation="y = E (N' D/2e19)^-k + [(A (N'/1e9)^-alpha)^(1/g) + (B (D/2e10)^-beta)^(1/g)]^g,   "
    "N = N' + omega N'^(1/3)",
    citation=_CITATION,
    parameters=PARAMETERS,
    mean=mean,
    published=published,
    sampled=sampled,
    units=UNITS,
    compute_only=False,
    has_optimum=True,
    with_repeats=REPEATS,
    centred=False,
    multiplier="level",
)
