"""Tangent: a law near where the runs put it, as a line in its parameters.

With a discrepancy, the runs may hold a law's parameters tightly or hardly at all, depending on its
amplitudes and lengths. The sampler moves them in coordinates that follow: where the runs would put
them, and how uncertain they would be, were the law its tangent and the noise Normal. The density is
that of the law itself.
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

# A parameter without bounds, as PyMC samples it.
_UNCONSTRAINED: dict[Support, Callable[[Any], Any]] = {
    "real": lambda value: value,
    "positive": np.log,
    "unit": lambda value: np.log(value) - np.log1p(-value),
}
# Times that least squares are repeated, each with the scale of the residuals of the one before.
_REPEATS = 3
# Of the numerical slope, in standard deviations of the prior.
_STEP = 1e-4


def constrained(spec: Spec, free: Any, xp: Any) -> dict[str, Any]:
    """The law's parameters by name, each (), from values without bounds (law)."""
    forms: dict[Support, Callable[[Any], Any]] = {
        "real": lambda u: u,
        "positive": xp.exp,
        "unit": lambda u: 1 / (1 + xp.exp(-u)),
    }
    return {p.name: forms[p.support](free[i]) for i, p in enumerate(spec.law.parameters)}


def log_jacobian(support: Support, free: Any, xp: Any) -> Any:
    """Log derivative of `constrained` for one parameter's value without bounds ()."""
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
        With `law_point` (law): the parameters there, without bounds. `law_prior_sd` (law): the
        prior's standard deviation, and `law_offset` (law): how many of them its middle is away.
        `law_nearest` (run): position of the inducing point nearest to each run. `law_runs`
        (inducing): number of runs nearest to each, at least 1. `law_slope` (inducing, law): mean
        slope of these runs' curve, as a share of the response, a standard deviation of the prior.
    """
    if not spec.discrepancy:
        return data
    parameters = spec.law.parameters
    quantiles = [
        _UNCONSTRAINED[p.support](quantile(spec.priors[p.name], [0.16, 0.5, 0.84]))
        for p in parameters
    ]
    low, median, high = np.transpose(quantiles)
    prior_sd = (high - low) / 2
    without_groups = spec.replace(groups=False)
    x = {str(name): data[name] for name in data.data_vars}
    response = data["response"].to_numpy()
    typical = np.median(response)
    on_log = spec.noise.on == "log"
    observed = np.log(response) if on_log else response / typical

    def predicted(standardised: np.ndarray) -> np.ndarray:
        """The curve (run) at parameters so many standard deviations from the prior's middle."""
        values = constrained(spec, median + prior_sd * standardised, np)
        mean = curve(without_groups, values, x, np).to_numpy()
        return np.log(mean) if on_log else mean / typical

    def residuals(standardised: np.ndarray, scale: float) -> np.ndarray:
        """Of the runs and of the prior: (run + law)."""
        with np.errstate(all="ignore"):  # far off the curve may be no number
            error = (observed - predicted(standardised)) / scale
            both = np.concatenate([error, standardised])
        return np.nan_to_num(both, nan=1e6, posinf=1e6, neginf=-1e6)

    point, scale = np.zeros(len(parameters)), 0.01
    level = [p.name for p in parameters].index("level")
    typical_level = _UNCONSTRAINED[parameters[level].support](typical)
    point[level] = (typical_level - median[level]) / prior_sd[level]
    for _ in range(_REPEATS):
        point = scipy.optimize.least_squares(residuals, point, loss="soft_l1", args=(scale,)).x
        errors = residuals(point, scale)[: len(observed)]
        scale *= max(np.median(np.abs(errors)) / 0.67, 0.01)
    steps = _STEP * np.eye(len(point))
    slopes = [(predicted(point + s) - predicted(point - s)) / (2 * _STEP) for s in steps]
    nearest = _nearest(data)
    count = np.bincount(nearest, minlength=data.sizes["inducing"]).clip(1).astype(float)
    sums = [np.bincount(nearest, slope, minlength=len(count)) for slope in slopes]
    return data.assign(
        law_point=("law", median + prior_sd * point),
        law_offset=("law", -point),
        law_prior_sd=("law", prior_sd),
        law_nearest=("run", nearest),
        law_runs=("inducing", count),
        law_slope=(("inducing", "law"), np.transpose(sums / count)),
    )


def _nearest(data: xr.Dataset) -> np.ndarray:
    """Position of the inducing point that is nearest to each run: (run)."""
    sizes = ("params", "tokens")
    tree = scipy.spatial.KDTree(np.stack([data[f"inducing_{size}"] for size in sizes], 1))
    return np.asarray(tree.query(np.stack([data[size] for size in sizes], 1))[1])
