"""The response falls linearly in the log of compute, whatever the split (arXiv 2404.19484)."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

from bayescale.laws.base import Law, Parameter, Values

# The paper counts N in billions and D in trillions, and writes C for their product.
_UNIT = log(1e9) + log(1e12)


def mean(x: Values, theta: Values, xp: Any) -> Any:
    return theta["level"] + theta["slope"] * (x["params"] + x["tokens"])


def published(theta: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    offset = log(centre["params"]) + log(centre["tokens"]) - _UNIT
    return {
        "slope_per_decade": theta["slope"] * log(10),
        "intercept": theta["level"] - theta["slope"] * offset,
    }


def sampled(constants: Values, centre: Mapping[str, float]) -> dict[str, Any]:
    offset = log(centre["params"]) + log(centre["tokens"]) - _UNIT
    slope = constants["slope_per_decade"] / log(10)
    return {"level": constants["intercept"] + slope * offset, "slope": slope}


LAW = Law(
    name="compute-linear",
    title="Linear in log compute",
    equation="y = intercept + slope ln(N D)   (N in billions, D in trillions)",
    citation="Guo 2024, More Compute Is What You Need, arXiv 2404.19484",
    parameters=(
        Parameter("level", "real", "response at the data's centre"),
        Parameter("slope", "real", "change of the response per e-fold of compute N D"),
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={
        "slope_per_decade": "change of the response per tenfold compute",
        "intercept": "response at N = 1e9 parameters and D = 1e12 tokens",
    },
    compute_only=True,
    has_optimum=False,
)
