"""Chinchilla's law: a floor, a term of parameters and a term of tokens (arXiv 2203.15556).

Sampled by its value at the data's centre and the shares of its three terms there, because
ln A and alpha (ln B and beta) correlate at .999 in published units (arXiv 2404.10102).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws import data_constrained
from bayescale.laws.base import Law, Parameter, Values


def mean(x: Values, theta: Values, xp: Any) -> Any:
    from_params = theta["split"] * xp.exp(-theta["alpha"] * x["params"])
    from_tokens = (1 - theta["split"]) * xp.exp(-theta["beta"] * x["tokens"])
    reducible = theta["reducible"]
    return theta["level"] * (1 - reducible + reducible * (from_params + from_tokens))


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    reducible = theta["level"] * theta["reducible"]
    return {
        "E": theta["level"] - reducible,
        "A": reducible * theta["split"] * centre["params"] ** theta["alpha"],
        "B": reducible * (1 - theta["split"]) * centre["tokens"] ** theta["beta"],
        "alpha": theta["alpha"],
        "beta": theta["beta"],
        "a": theta["beta"] / (theta["alpha"] + theta["beta"]),
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    from_params = constants["A"] * centre["params"] ** -constants["alpha"]
    from_tokens = constants["B"] * centre["tokens"] ** -constants["beta"]
    level = constants["E"] + from_params + from_tokens
    return {
        "level": level,
        "reducible": (from_params + from_tokens) / level,
        "split": from_params / (from_params + from_tokens),
        "alpha": constants["alpha"],
        "beta": constants["beta"],
    }


LAW = Law(
    name="chinchilla",
    title="Chinchilla's law",
    equation="y = E + A/N^alpha + B/D^beta",
    citation="Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, "
    "arXiv 2203.15556",
    parameters=(
        Parameter("level", "positive", "response at the data's centre"),
        Parameter("reducible", "unit", "share of the level above the floor, at the centre"),
        Parameter("split", "unit", "share of the parameter term in the reducible part"),
        Parameter("alpha", "positive", "exponent of parameters"),
        Parameter("beta", "positive", "exponent of tokens"),
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={
        "E": "irreducible response",
        "A": "coefficient of N^-alpha, N in parameters",
        "B": "coefficient of D^-beta, D in tokens",
        "alpha": "exponent of parameters",
        "beta": "exponent of tokens",
        "a": "beta/(alpha+beta): compute-optimal N grows as C^a",
    },
    compute_only=False,
    has_optimum=True,
    with_repeats=data_constrained.LAW,
)
