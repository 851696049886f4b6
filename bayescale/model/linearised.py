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

from bayescale.model.curve import curve
from bayescale.model.density import formulas
from bayescale.model.discrepancy.inducing import TYPICAL
from bayescale.model.discrepancy.process import (
    Parameters,
    coordinates,
    covariance,
    local_deviation,
    variance,
)
from bayescale.model.odds import law_at
from bayescale.model.priors import quantile
from bayescale.model.scale import discrepancy_unit, noise_scale, scale_of
from bayescale.model.spec import Spec

# Of the weights of runs far off, and the degrees of freedom that they are taken for.
_REWEIGHTINGS, _DEGREES = 5, 7.0
# Times that least squares are repeated, each with the scale of the residuals of the one before.
_REPEATS = 3
# Of the numerical slope, in standard deviations of the prior.
_STEP = 1e-4


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
        of the prior. `run_misfit`, `run_share` (run): see `_outlying`.
    """
    if not spec.discrepancy:
        return data
    parameters = spec.law.parameters
    quantiles = [
        formulas.unconstrained(p.support, quantile(spec.priors[p.name], [0.16, 0.5, 0.84]))
        for p in parameters
    ]
    low, median, high = np.transpose(quantiles)
    prior_sd = (high - low) / 2
    without_groups = spec.replace(groups=False)
    x = {str(name): data[name].to_numpy() for name in data.data_vars}
    response = data["response"].to_numpy()
    typical = np.median(response)
    noise = scale_of(spec)
    unit = noise.unit(typical)
    observed = noise.forward(response, np) / unit

    def predicted(standardised: np.ndarray) -> np.ndarray:
        """The curve (run) at parameters so many standard deviations from the prior's middle."""
        values = constrained(spec, median + prior_sd * standardised, np)
        mean = np.broadcast_to(curve(without_groups, values, x, np), observed.shape)
        return np.asarray(noise.forward(mean, np) / unit)

    def residuals(standardised: np.ndarray, scale: float) -> np.ndarray:
        """Of the runs and of the prior: (run + law)."""
        with np.errstate(all="ignore"):  # far off the curve may be no number
            error = (observed - predicted(standardised)) / scale
            both = np.concatenate([error, standardised])
        return np.nan_to_num(both, nan=1e6, posinf=1e6, neginf=-1e6)

    point, scale = np.zeros(len(parameters)), 0.01
    level = [p.name for p in parameters].index("level")
    typical_level = formulas.unconstrained(parameters[level].support, law_at(spec, typical))
    point[level] = (typical_level - median[level]) / prior_sd[level]
    for _ in range(_REPEATS):
        point = scipy.optimize.least_squares(residuals, point, loss="soft_l1", args=(scale,)).x
        errors = residuals(point, scale)[: len(observed)]
        scale *= max(np.median(np.abs(errors)) / 0.67, 0.01)
    steps = _STEP * np.eye(len(point))
    slopes = [(predicted(point + s) - predicted(point - s)) / (2 * _STEP) for s in steps]
    slope = np.transpose(slopes)
    errors = observed - predicted(point)
    misfit, share = _outlying(spec, data, float(typical), errors, slope)
    return data.assign(
        law_point=("law", median + prior_sd * point),
        law_offset=("law", -point),
        law_prior_sd=("law", prior_sd),
        law_slope=(("run", "law"), slope),
        run_misfit=("run", misfit),
        run_share=("run", share),
    )


def _outlying(
    spec: Spec, data: xr.Dataset, level: float, errors: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each run lies off, and what the local process alone could take up of it: (run).

    First its misfit from the law and the long process, as a share of the response: by reweighted
    least squares around the tangent, from which the errors are. Then the share of the local
    process's variance that the other runs leave. Processes and noise are typical. The sampler's
    coordinates need both, its density does not: any values leave that exact.
    """
    runs, inducing = (
        coordinates(data[params].values, data[tokens].values, data["frontier"].values, np)
        for params, tokens in (("params", "tokens"), ("inducing_params", "inducing_tokens"))
    )

    def basis(theta: Parameters) -> np.ndarray:
        """Value at each run for each weight of 1: (run, inducing)."""
        jitter = 1 + np.eye(len(inducing.compute)) * 1e-6
        factor = np.linalg.cholesky(covariance(theta, inducing, inducing, np) * jitter)
        across = covariance(theta, inducing, runs, np)
        return np.asarray(scipy.linalg.solve_triangular(factor, across, lower=True)).T

    middle = {"sigma": float(quantile(spec.priors["sigma"], [0.5])[0]), "level": level}
    noise = float((noise_scale(spec, middle) / discrepancy_unit(spec, middle)) ** 2)
    local = local_deviation(TYPICAL, runs, np) ** 2
    smooth = np.concatenate([basis(TYPICAL._replace(local_amplitude=np.float64(1e-6))), slope], 1)
    misfit = errors  # at first the law's own
    for _ in range(_REWEIGHTINGS):
        weight = (1 + 1 / _DEGREES) / (noise + local + misfit**2 / _DEGREES)
        precision = np.eye(smooth.shape[1]) + smooth.T @ (weight[:, None] * smooth)
        misfit = errors - smooth @ np.linalg.solve(precision, smooth.T @ (weight * errors))
    # Each run's variance given all others is 1 over the inverse covariance's diagonal.
    whole = basis(TYPICAL)
    alone = noise + np.maximum(variance(TYPICAL, runs, np) - (whole**2).sum(1), 0)
    gram = np.eye(whole.shape[1]) + whole.T @ (whole / alone[:, None])
    explained = (whole * np.linalg.solve(gram, whole.T).T).sum(1)
    given_others = 1 / (1 / alone - explained / alone**2)
    return misfit, np.clip((given_others - noise) / local, 0.0, 1.0)
