"""Kaplan et al.'s joint law of parameters and tokens, eq. 1.5 (arXiv 2001.08361)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import Law, Parameter, Values


def mean(x: Values, theta: Values, xp: Any) -> Any:
    ratio = theta["alpha_N"] / theta["alpha_D"]
    bracket = theta["split"] * xp.exp(-ratio * x["params"]) + (1 - theta["split"]) * xp.exp(
        -x["tokens"]
    )
    return theta["level"] * bracket ** theta["alpha_D"]


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    bracket = theta["level"] ** (1 / theta["alpha_D"])  # its value at the centre
    ratio = theta["alpha_N"] / theta["alpha_D"]
    return {
        "N_c": centre["params"] * (theta["split"] * bracket) ** (1 / ratio),
        "D_c": centre["tokens"] * (1 - theta["split"]) * bracket,
        "alpha_N": theta["alpha_N"],
        "alpha_D": theta["alpha_D"],
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    ratio = constants["alpha_N"] / constants["alpha_D"]
    from_params = (constants["N_c"] / centre["params"]) ** ratio
    from_tokens = constants["D_c"] / centre["tokens"]
    return {
        "level": (from_params + from_tokens) ** constants["alpha_D"],
        "split": from_params / (from_params + from_tokens),
        "alpha_N": constants["alpha_N"],
        "alpha_D": constants["alpha_D"],
    }


LAW = Law(
    name="kaplan",
    title="Kaplan's joint law",
    equation="y = [(N_c/N)^(alpha_N/alpha_D) + D_c/D]^alpha_D",
    citation="Kaplan et al. 2020, Scaling Laws for Neural Language Models, eq. 1.5, "
    "arXiv 2001.08361",
    parameters=(
        Parameter("level", "positive", "response at the data's centre"),
        Parameter("split", "unit", "share of the parameter term in the bracket, at the centre"),
        Parameter("alpha_N", "positive", "exponent of parameters"),
        Parameter("alpha_D", "positive", "exponent of tokens"),
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={
        "N_c": "scale of the parameter term, parameters",
        "D_c": "scale of the token term, tokens",
        "alpha_N": "exponent of parameters",
        "alpha_D": "exponent of tokens",
    },
    compute_only=False,
    has_optimum=True,
)
