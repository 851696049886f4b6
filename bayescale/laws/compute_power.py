"""A power law in compute above an irreducible floor: compute alone counts, and it saturates.

The form of Kaplan et al.'s L(C) (arXiv 2001.08361) with the floor of Hoffmann et al.
(arXiv 2203.15556); the alternative to a line, which would cross zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import Law, Parameter, Values


def mean(x: Values, theta: Values, xp: Any) -> Any:
    falling = xp.exp(-theta["gamma"] * (x["params"] + x["tokens"]))
    return theta["level"] * (1 - theta["reducible"] + theta["reducible"] * falling)


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    compute = centre["params"] * centre["tokens"]
    return {
        "E": theta["level"] * (1 - theta["reducible"]),
        "K": theta["level"] * theta["reducible"] * compute ** theta["gamma"],
        "gamma": theta["gamma"],
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    compute = centre["params"] * centre["tokens"]
    reducible = constants["K"] * compute ** -constants["gamma"]
    level = constants["E"] + reducible
    return {"level": level, "reducible": reducible / level, "gamma": constants["gamma"]}


LAW = Law(
    name="compute-power",
    title="Power law in compute above a floor",
    equation="y = E + K (N D)^-gamma",
    citation="form of L(C) in Kaplan et al. 2020, arXiv 2001.08361, with a floor as in "
    "Hoffmann et al. 2022, arXiv 2203.15556",
    parameters=(
        Parameter("level", "positive", "response at the data's centre"),
        Parameter("reducible", "unit", "share of the level that compute can still remove"),
        Parameter("gamma", "positive", "exponent of compute"),
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={
        "E": "irreducible response",
        "K": "coefficient of (N D)^-gamma, N in parameters, D in tokens",
        "gamma": "exponent of compute",
    },
    compute_only=True,
    has_optimum=False,
)
