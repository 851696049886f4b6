"""The response falls linearly in ln N and in ln D, with a slope for each.

It holds the compute law (arXiv 2404.19484) as the case of equal slopes, so the posterior of their
difference is the direct test of "the split does not matter".
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

from bayescale.laws.base import Law, Parameter, Values

_DECADE = log(10)


def mean(x: Values, theta: Values, xp: Any) -> Any:
    return (
        theta["level"] + theta["slope_params"] * x["params"] + theta["slope_tokens"] * x["tokens"]
    )


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    params, tokens = theta["slope_params"], theta["slope_tokens"]
    at_billion = log(1e9) - log(centre["params"])
    at_trillion = log(1e12) - log(centre["tokens"])
    return {
        "intercept": theta["level"] + params * at_billion + tokens * at_trillion,
        "params_per_decade": params * _DECADE,
        "tokens_per_decade": tokens * _DECADE,
        "difference_per_decade": (params - tokens) * _DECADE,
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    params = constants["params_per_decade"] / _DECADE
    tokens = constants["tokens_per_decade"] / _DECADE
    from_billion = log(centre["params"]) - log(1e9)
    from_trillion = log(centre["tokens"]) - log(1e12)
    return {
        "level": constants["intercept"] + params * from_billion + tokens * from_trillion,
        "slope_params": params,
        "slope_tokens": tokens,
    }


LAW = Law(
    name="separate-linear",
    title="Separate slopes",
    equation="y = intercept + s_N ln(N / 1e9) + s_D ln(D / 1e12)",
    citation="the compute law of arXiv 2404.19484 with one slope for N and another for D",
    parameters=(
        Parameter("level", "real", "response at the data's centre"),
        Parameter("slope_params", "real", "change of the response per e-fold of N"),
        Parameter("slope_tokens", "real", "change of the response per e-fold of D"),
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={
        "intercept": "response at N = 1e9 parameters and D = 1e12 tokens",
        "params_per_decade": "change per tenfold N",
        "tokens_per_decade": "change per tenfold D",
        "difference_per_decade": "change per tenfold N minus change per tenfold D; 0 if only "
        "their product counts",
    },
    compute_only=False,
    has_optimum=False,
    slopes=("params_per_decade", "tokens_per_decade", "difference_per_decade"),
)
