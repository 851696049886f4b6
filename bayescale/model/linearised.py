"""Tangent: a law near where the runs put it, as a line in its parameters.

With a discrepancy, the runs may hold a law's parameters tightly or hardly at all, depending on its
amplitudes and lengths. The sampler moves them in coordinates that follow: where the runs would put
them, and how uncertain they would be, were the law its tangent and the noise Normal. The density is
that of the law itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.laws.base import Support
from bayescale.model.curve import curve
from bayescale.model.density import formulas
from bayescale.model.discrepancy.inducing import TYPICAL
from bayescale.model.discrepancy.process import coordinates, covariance, variance
from bayescale.model.priors import quantile
from bayescale.model.spec import Spec

# Of the weights of runs far off, and the degrees of freedom that they are taken for.
_REWEIGHTINGS, _DEGREES = 5, 7.0
# Times that least squares are repeated, each with the scale of the residuals of the one before.
_REPEATS = 3
# Of the numerical slope, in standard deviations of the prior.
_STEP = 1e-4


def unconstrained(support: Support, value: Any) -> Any:
    """A parameter's value without bounds, as it is sampled."""
    match support:
        case "real":
            return value
        case "positive":
            return np.log(value)
        case "unit":
            return np.log(value) - np.log1p(-value)


def constrained(spec: Spec, free: Any, xp: Any) -> dict[str, Any]:
    """The law's parameters by name, each (), from values without bounds (law)."""
    parameters = enumerate(spec.law.parameters)
    return {p.name: formulas.constrained(p.support, free[i], xp) for i, p in parameters}


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
        `law_slope` (run, law): slope of the curve, as a share of the response, a standard deviation
        of the prior. `run_misfit` (run): see `_misfit`.
    """
    if not spec.discrepancy:
        return data
    parameters = spec.law.parameters
    quantiles = [
        unconstrained(p.support, quantile(spec.priors[p.name], [0.16, 0.5, 0.84]))
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
    typical_level = unconstrained(parameters[level].support, typical)
    point[level] = (typical_level - median[level]) / prior_sd[level]
    for _ in range(_REPEATS):
        point = scipy.optimize.least_squares(residuals, point, loss="soft_l1", args=(scale,)).x
        errors = residuals(point, scale)[: len(observed)]
        scale *= max(np.median(np.abs(errors)) / 0.67, 0.01)
    steps = _STEP * np.eye(len(point))
    slopes = [(predicted(point + s) - predicted(point - s)) / (2 * _STEP) for s in steps]
    slope = np.transpose(slopes)
    return data.assign(
        law_point=("law", median + prior_sd * point),
        law_offset=("law", -point),
        law_prior_sd=("law", prior_sd),
        law_slope=(("run", "law"), slope),
        run_misfit=("run", _misfit(spec, data, observed - predicted(point), slope, point)),
    )


def _misfit(
    spec: Spec, data: xr.Dataset, error: np.ndarray, slope: np.ndarray, point: np.ndarray
) -> np.ndarray:
    """How far each run typically is from law and discrepancy, as a share of the response: (run).

    By reweighted least squares around the tangent, the processes' parameters typical. The sampler's
    coordinates need it, its density does not: any values leave that exact.
    """
    runs, inducing = (
        coordinates(data[params].values, data[tokens].values, data["frontier"].values, np)
        for params, tokens in (("params", "tokens"), ("inducing_params", "inducing_tokens"))
    )
    among = covariance(TYPICAL, inducing, inducing, np) * (1 + np.eye(len(inducing.compute)) * 1e-8)
    basis = scipy.linalg.solve_triangular(
        np.linalg.cholesky(among), covariance(TYPICAL, inducing, runs, np), lower=True
    ).T
    left = np.maximum(variance(TYPICAL, runs, np) - (basis**2).sum(1), 0)
    design = np.concatenate([basis, slope], 1)
    response = error + slope @ point
    scale, misfit = np.median(np.abs(error)) / 0.67, np.zeros(len(error))
    for _ in range(_REWEIGHTINGS):
        noise = left + max(float(scale), 1e-6) ** 2
        weight = (1 + 1 / _DEGREES) / (noise + misfit**2 / _DEGREES)
        precision = np.eye(design.shape[1]) + design.T @ (weight[:, None] * design)
        misfit = response - design @ np.linalg.solve(precision, design.T @ (weight * response))
        scale = np.median(np.abs(misfit)) / 0.67
    return misfit
