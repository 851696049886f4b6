"""Tangent: a law near where the runs put it, as a line in its parameters.

With a discrepancy, the runs may hold a law's parameters tightly or hardly at all, as its sizes and
lengths have it. The sampler moves them in coordinates that follow: where the runs would put them,
and how far they would spread, were the law its tangent and the noise Normal. The density is that
of the law itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.laws.base import Support
from bayescale.model.curve import curve
from bayescale.model.priors import quantile
from bayescale.model.spec import Spec

# Without bounds, as PyMC samples them.
_FREED: dict[Support, Callable[[Any], Any]] = {
    "real": lambda value: value,
    "positive": np.log,
    "unit": lambda value: np.log(value) - np.log1p(-value),
}
# Rounds of least squares, each with the scale of the residuals of the one before.
_ROUNDS = 3
_STEP = 1e-4


def bound(spec: Spec, free: Any, xp: Any) -> dict[str, Any]:
    """The law's parameters from values without bounds (law)."""
    forms: dict[Support, Callable[[Any], Any]] = {
        "real": lambda u: u,
        "positive": xp.exp,
        "unit": lambda u: 1 / (1 + xp.exp(-u)),
    }
    return {p.name: forms[p.support](free[i]) for i, p in enumerate(spec.law.parameters)}


def log_steepness(support: Support, free: Any, xp: Any) -> Any:
    """Log of the slope of `bound` for one parameter."""
    match support:
        case "real":
            return 0.0
        case "positive":
            return free
        case "unit":
            return -free - 2 * xp.log1p(xp.exp(-free))


def tangent(spec: Spec, data: xr.Dataset) -> xr.Dataset:
    """The arrays of a design with the law's tangent where the runs put it.

    As they are, for a spec without a discrepancy.

    Parameters
    ----------
    spec : Spec
    data : Dataset
        The arrays of a design.

    Returns
    -------
    Dataset
        With `law_middle` (law): the parameters there, without bounds. `law_width` (law): the
        prior's standard deviation, and `law_gap` (law) how many of them its middle is away.
        `law_nearest` (run): the nearest of the inducing points. `law_runs`
        (inducing): how many are nearest to each, at least 1. `law_slope` (inducing, law): their
        curve's mean slope, as a share of the response, a standard deviation of the prior.
    """
    if not spec.discrepancy:
        return data
    parameters = spec.law.parameters
    quantiles = [
        _FREED[p.support](quantile(spec.priors[p.name], [0.16, 0.5, 0.84])) for p in parameters
    ]
    low, centre, high = np.transpose(quantiles)
    width = (high - low) / 2
    plain = spec.replace(groups=False)
    x = {str(name): data[name] for name in data.data_vars}
    response = data["response"].to_numpy()
    typical = np.median(response)
    on_log = spec.noise.on == "log"
    seen = np.log(response) if on_log else response / typical

    def share(point: np.ndarray) -> np.ndarray:
        mean = curve(plain, bound(spec, centre + width * point, np), x, np).to_numpy()
        return np.log(mean) if on_log else mean / typical

    def off(point: np.ndarray, scale: float) -> np.ndarray:
        with np.errstate(all="ignore"):  # far off the curve may be no number
            both = np.concatenate([(seen - share(point)) / scale, point])
        return np.nan_to_num(both, nan=1e6, posinf=1e6, neginf=-1e6)

    point, scale = np.zeros(len(parameters)), 0.01
    level = [p.name for p in parameters].index("level")
    point[level] = (_FREED[parameters[level].support](typical) - centre[level]) / width[level]
    for _ in range(_ROUNDS):
        point = scipy.optimize.least_squares(off, point, loss="soft_l1", args=(scale,)).x
        scale *= max(np.median(np.abs(off(point, scale)[: len(seen)])) / 0.67, 0.01)
    steps = _STEP * np.eye(len(point))
    slopes = [(share(point + step) - share(point - step)) / (2 * _STEP) for step in steps]
    nearest = _nearest(data)
    count = np.bincount(nearest, minlength=data.sizes["inducing"]).clip(1).astype(float)
    sums = [np.bincount(nearest, slope, minlength=len(count)) for slope in slopes]
    return data.assign(
        law_middle=("law", centre + width * point),
        law_gap=("law", -point),
        law_width=("law", width),
        law_nearest=("run", nearest),
        law_runs=("inducing", count),
        law_slope=(("inducing", "law"), np.transpose(sums / count)),
    )


def _nearest(data: xr.Dataset) -> np.ndarray:
    """Position of the inducing point that is nearest to each run."""
    sizes = ("params", "tokens")
    tree = scipy.spatial.KDTree(np.stack([data[f"inducing_{size}"] for size in sizes], 1))
    return np.asarray(tree.query(np.stack([data[size] for size in sizes], 1))[1])
