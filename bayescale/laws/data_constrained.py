"""Chinchilla's law when tokens are repeated: repeats and spare parameters lose their worth.

Muennighoff et al. 2023 (arXiv 2305.16264), eq. 5 and appendix A. Sampled like Chinchilla's law,
by its value at the data's centre and the shares of its terms; tokens and unique tokens share
one centre, so that their difference is the logarithm of the number of passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescale.laws.base import Law, Parameter, Values

# Of a law that tells new tokens from repeated ones.
WORTH = (
    Parameter("R_D", "positive", "repetitions after which 1/e of a token's worth is left"),
    Parameter("R_N", "positive", "the same for parameters in excess"),
)
WORTH_UNITS = {
    "R_D": "repetitions after which 1/e of a token's worth is left (R_D*)",
    "R_N": "excess of parameters after which 1/e of their worth is left (R_N*)",
}

_CENTRE = {"params": 0.0, "tokens": 0.0, "unique_tokens": 0.0}


def effective(amount: Any, useful: Any, scale: Any, xp: Any) -> Any:
    """Log of U + U R* (1 - exp(-R/R*)): what exceeds `useful` counts less and less.

    All in logs: `amount` is ln(U + U R), `useful` is ln U; `scale` is R*.
    """
    excess = xp.maximum(amount - useful, 0.0)
    # More than e^50 times the useful amount is endless; exp would overflow.
    repeats = xp.expm1(xp.minimum(excess, 50.0))
    return amount - excess + xp.log1p(-scale * xp.expm1(-repeats / scale))


def _terms(x: Values, theta: Values, xp: Any) -> Any:
    """The two falling terms, at the centre 1 if no parameter is spare there."""
    alpha, beta, split = theta["alpha"], theta["beta"], theta["split"]
    tokens = effective(x["tokens"], x["unique_tokens"], theta["R_D"], xp)
    # Parameters are useful up to the compute-optimal size for the unique tokens.
    unique = xp.minimum(x["tokens"], x["unique_tokens"])
    optimal = (xp.log(alpha * split) - xp.log(beta * (1 - split)) + beta * unique) / alpha
    params = effective(x["params"], optimal, theta["R_N"], xp)
    return split * xp.exp(-alpha * params) + (1 - split) * xp.exp(-beta * tokens)


def mean(x: Values, theta: Values, xp: Any) -> Any:
    falling = _terms(x, theta, xp) / _terms(_CENTRE, theta, xp)
    return theta["level"] * (1 - theta["reducible"] + theta["reducible"] * falling)


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    reducible = theta["level"] * theta["reducible"]
    undamped = reducible / _terms(_CENTRE, theta, np)
    return {
        "E": theta["level"] - reducible,
        "A": undamped * theta["split"] * centre["params"] ** theta["alpha"],
        "B": undamped * (1 - theta["split"]) * centre["tokens"] ** theta["beta"],
        "alpha": theta["alpha"],
        "beta": theta["beta"],
        "R_D": theta["R_D"],
        "R_N": theta["R_N"],
        "a": theta["beta"] / (theta["alpha"] + theta["beta"]),
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    from_params = constants["A"] * centre["params"] ** -constants["alpha"]
    from_tokens = constants["B"] * centre["tokens"] ** -constants["beta"]
    undamped = from_params + from_tokens
    theta = {name: constants[name] for name in ("alpha", "beta", "R_D", "R_N")}
    theta["split"] = from_params / undamped
    reducible = undamped * _terms(_CENTRE, theta, np)
    level = constants["E"] + reducible
    return {"level": level, "reducible": reducible / level, **theta}


LAW = Law(
    name="data-constrained",
    title="Chinchilla's law with repeated data",
    equation="y = E + A/N'^alpha + B/D'^beta,   D' = U + U R_D (1 - exp(-(D/U - 1)/R_D)),   "
    "N' likewise with R_N above the compute-optimal N for U",
    citation="Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv 2305.16264",
    inputs=("params", "tokens", "unique_tokens"),
    parameters=(
        Parameter("level", "positive", "response at the data's centre, all tokens new"),
        Parameter("reducible", "unit", "share of the level above the floor, at the centre"),
        Parameter("split", "unit", "share of the parameter term in the reducible part"),
        Parameter("alpha", "positive", "exponent of parameters"),
        Parameter("beta", "positive", "exponent of tokens"),
        *WORTH,
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={
        "E": "irreducible response",
        "A": "coefficient of N'^-alpha, N in parameters",
        "B": "coefficient of D'^-beta, D in tokens",
        "alpha": "exponent of parameters",
        "beta": "exponent of tokens",
        **WORTH_UNITS,
        "a": "beta/(alpha+beta): compute-optimal N grows as C^a while data are new",
    },
    compute_only=False,
    has_optimum=True,
)
