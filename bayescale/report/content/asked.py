"""Asked of a report: what a budget buys, and how likely a target is."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.plan import allocation
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.curve import Curve
from bayescale.predictive.points import Points
from bayescale.report.content import forecasts


def probabilities(fit: Fit, points: Points, target: float) -> list[float]:
    """Probability of each point that one new run there reaches the target."""
    return [float(p) for p in fit.predict(points, "run").probability_of_reaching(target)]


def bought(fit: Fit, flops: float, target: float | None) -> dict[str, Any]:
    """The best split of a budget, for new groups, and one new run of that size.

    Where the law has no best split, the one that is usual in the data.

    Raises
    ------
    BayescaleError
        If the fit has several corpora, whose best sizes would differ.
    """
    if fit.spec.corpora:
        raise BayescaleError(
            f"budget={flops:g}: {fit.spec.name} has several corpora, each with a best size of its "
            "own; fit one response"
        )
    curve = Curve.of_fit(fit)
    best = allocation.answer(curve, flops, PROB).content
    if best["params"] is None:
        pairs = np.log(flops / FLOP_PER_PARAM_TOKEN)
        params = float(np.exp(curve.usual_split(pairs)["params"]))
    else:
        params = best["params"]["median"]
    size = {"params": params, "tokens": flops / FLOP_PER_PARAM_TOKEN / params}
    point = [{**size, **fit.usual_inputs}]
    (row,) = forecasts.predictions(fit, point)["rows"]
    keys = ("params", "tokens", "params_low", "params_high")
    return {
        "flops": flops,
        "best": None if best["params"] is None else {key: best[key] for key in keys},
        "forecast": row,
        "target": target,
        "probability": None if target is None else probabilities(fit, point, target)[0],
    }
