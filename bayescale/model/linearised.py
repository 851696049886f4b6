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
from bayescale.model.discrepancy.process import (
    Parameters,
    coordinates,
    covariance,
    local_deviation,
    variance,
)
from bayescale.model.odds import law_at
from bayescale.model.priors import quantile, typical
from bayescale.model.scale import discrepancy_unit, noise_scale, scale_of
from bayescale.model.spec import Spec

# Of the weights of runs far off, and the degrees of freedom that they are taken for.
_REWEIGHTINGS, _DEGREES = 5, 7.0
# Times that least squares are repeated, each with the scale of the residuals of the one before.
_REPEATS = 3
# Places of the prior from which a law that is not centred is tried, if it has no more parameters.
_TRIES, _MOST_TRIED = 6, 60
_MOST_STEPS = 200
# By how many runs it is found, at most: evenly spread ones, of a larger table.
_MOST_RUNS = 400
# Of the numerical slope, in standard deviations of the prior.
_STEP = 1e-4


def constrained(spec: Spec, free: Any, xp: Any) -> dict[str, Any]:
    """The law's parameters by name, each (), from values without bounds (law)."""
    parameters = enumerate(spec.law.parameters)
    return {p.name: formulas.constrained(p.support, free[i], xp) for i, p in parameters}


def tangent(spec: Spec, data: xr.Dataset) -> xr.Dataset:
    """The arrays of a design with the law's tangent where the runs put it.

    As they are, for a spec whose law is sampled as it is.

    Parameters
    ----------
    spec : Spec
    data : Dataset
        The arrays of a design.

    Returns
    -------
    Dataset
        With `law_point` (law): the parameters there, without bounds. With a discrepancy:
        `law_prior_sd` (law): the prior's standard deviation, and `law_offset` (law): how many of
        them its middle is away; `law_slope` (run, law): slope of the curve, as a share of the
        response, a standard deviation of the prior; `run_misfit`, `run_share` (run): see
        `_outlying`; `law_height` () and `law_tilt` (law): see `_height`. Else `law_spread` (law,
        law_other): a root of the covariance that the parameters would have, were the law its
        tangent; and `{parameter}_index` ([corpus]): the position of each parameter along `law`.
    """
    if not spec.follows_runs:
        return data
    law = Linear(spec, data)
    step = -(-data.sizes["run"] // _MOST_RUNS)
    some = Linear(spec, data.isel(run=slice(None, None, step))) if step > 1 else law
    point, scale = some.solved()
    slope = law.slope(point)
    data = data.assign(law_point=("law", law.middle + law.prior_sd * point))
    if spec.discrepancy:
        errors = law.observed - law.predicted(point)
        misfit, share = _outlying(spec, data, law.typical, errors, slope)
        return data.assign(
            law_offset=("law", -point),
            law_prior_sd=("law", law.prior_sd),
            law_slope=(("run", "law"), slope),
            run_misfit=("run", misfit),
            run_share=("run", share),
            **_height(spec, law, point, slope),
        )
    precision = np.eye(len(point)) + slope.T @ slope / scale**2
    root = np.linalg.inv(np.linalg.cholesky(precision)).T
    data = data.assign(law_spread=(("law", "law_other"), law.prior_sd[:, None] * root))
    for name, at in law.places.items():
        by = spec.priors[name].by
        data[f"{name}_index"] = ((by,) if by else (), at)
    return data


class Linear:
    """A law as a function of its parameters without bounds, in the prior's standard deviations.

    Attributes
    ----------
    places : dict
        Each parameter to its position, or positions (corpus), in a vector of all.
    middle, prior_sd : ndarray (law)
        Of the prior, without bounds.
    observed : ndarray (response)
        The responses on the scale of the noise, as shares where the discrepancy is one.
    typical : float
        The middle response.
    """

    def __init__(self, spec: Spec, data: xr.Dataset) -> None:
        self.spec = spec.replace(groups=False)
        corpora = len(spec.corpora)
        self._groups = {p.name: spec.priors[p.name].by for p in spec.law.parameters}
        self.places: dict[str, Any] = {}
        middle, deviation, count = [], [], 0
        for p in spec.law.parameters:
            prior = spec.priors[p.name]
            copies = data.sizes[prior.by] if prior.by else 1
            self.places[p.name] = count + np.arange(copies) if prior.by else np.array(count)
            count += copies
            quantiles = formulas.unconstrained(p.support, quantile(prior, [0.16, 0.5, 0.84]))
            middle += copies * [quantiles[1]]
            deviation += copies * [(quantiles[2] - quantiles[0]) / 2]
        self.middle, self.prior_sd = np.array(middle), np.array(deviation)
        self._x = {str(name): data[name].to_numpy() for name in data.data_vars}
        if corpora:
            inputs = {name: self._x[name][:, None] for name in spec.law.inputs}
            self._x |= inputs
        response = data["response"].to_numpy()
        self.typical = float(np.median(response))
        self._noise = scale_of(spec)
        self._unit = self._noise.unit(self.typical) if spec.law.centred else 1.0
        self._shape = response.shape
        self.observed = np.ravel(self._noise.forward(response, np) / self._unit)

    def predicted(self, standardised: np.ndarray) -> np.ndarray:
        """The curve (response) at parameters, in standard deviations from the prior's middle."""
        free = self.middle + self.prior_sd * standardised
        values = {
            p.name: formulas.constrained(p.support, free[self._at_runs(p.name)], np)
            for p in self.spec.law.parameters
        }
        mean = np.broadcast_to(curve(self.spec, values, self._x, np), self._shape)
        return np.ravel(self._noise.forward(mean, np) / self._unit)

    def _at_runs(self, name: str) -> np.ndarray:
        """Position of a parameter, or of each run's: () or (corpus) or (run)."""
        group = self._groups[name]
        at: np.ndarray = self.places[name]
        if group is None or group == "corpus":
            return at
        at = at[self._x[f"{group}_index"]]
        return at[:, None] if self.spec.corpora else at

    def solved(self) -> tuple[np.ndarray, float]:
        """Where the runs and the prior put the parameters (law), and the scale of the residuals.

        By robust least squares. The height of a centred law is known well enough to start from; any
        other law is tried from some places of its prior.
        """
        starts = [np.zeros(len(self.middle))]
        scale = 0.01
        if self.spec.law.centred:
            level = [p.name for p in self.spec.law.parameters].index("level")
            support = self.spec.law.parameters[level].support
            near = formulas.unconstrained(support, law_at(self.spec, self.typical))
            starts[0][level] = (near - self.middle[level]) / self.prior_sd[level]
        elif len(self.middle) <= _MOST_TRIED:
            scale = 0.3 * float(np.std(self.observed)) + 1e-9
            rng = np.random.default_rng(0)
            starts += list(rng.standard_normal((_TRIES - 1, len(self.middle))))
        tried = [self._least_squares(start, scale) for start in starts]
        point = min(tried, key=lambda found: float(found.cost)).x
        floor = self.spec.noise.floor
        for repeat in range(_REPEATS):
            if repeat:
                point = self._least_squares(point, scale).x
            errors = self._residuals(point, scale)[: len(self.observed)]
            scale = max(scale * max(np.median(np.abs(errors)) / 0.67, 0.01), floor, 1e-6)
        return point, scale

    def slope(self, point: np.ndarray) -> np.ndarray:
        """Slope of the curve (response, law) at a point."""
        steps = _STEP * np.eye(len(point))
        with np.errstate(all="ignore"):
            slopes = [self.predicted(point + s) - self.predicted(point - s) for s in steps]
        return np.nan_to_num(np.transpose(slopes) / (2 * _STEP), posinf=0.0, neginf=0.0)

    def _residuals(self, standardised: np.ndarray, scale: float) -> np.ndarray:
        """Of the runs and of the prior: (response + law)."""
        with np.errstate(all="ignore"):  # far off the curve may be no number
            error = (self.observed - self.predicted(standardised)) / scale
            both = np.concatenate([error, standardised])
        return np.nan_to_num(both, nan=1e6, posinf=1e6, neginf=-1e6)

    def _least_squares(self, start: np.ndarray, scale: float) -> Any:
        return scipy.optimize.least_squares(
            self._residuals, start, loss="soft_l1", args=(scale,), max_nfev=_MOST_STEPS
        )


def _height(spec: Spec, law: Linear, point: np.ndarray, slope: np.ndarray) -> dict[str, Any]:
    """Mean log of the curve over the runs, and its slope along the law's parameters: (), (law).

    Only of a law with a multiplier. Far from the point the curve leaves its tangent, by as much at
    all runs as they lie close together, and there the multiplier follows: see `program`.
    """
    if spec.law.multiplier is None or spec.noise.on != "log":
        return {}
    return {
        "law_height": ((), law.predicted(point).mean()),
        "law_tilt": ("law", slope.mean(axis=0)),
    }


def _outlying(
    spec: Spec, data: xr.Dataset, level: float, errors: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each run lies off, and what the local process alone could take up of it: (run).

    First its misfit from the law and the long process, as a share of the response: by reweighted
    least squares around the tangent, from which the errors are. Then the share of the local
    process's variance that the other runs leave. Processes and noise are typical. The sampler's
    coordinates need both, its density does not: any values leave that exact.
    """
    at_inducing = {name: data[f"inducing_{name}"].values for name in spec.law.inputs}
    at_runs = {name: data[name].values for name in spec.law.inputs}
    runs, inducing = (
        coordinates(spec.axes, x, data["frontier"].values, np) for x in (at_runs, at_inducing)
    )
    theta = typical(spec)

    def basis(theta: Parameters) -> np.ndarray:
        """Value at each run for each weight of 1: (run, inducing)."""
        jitter = 1 + np.eye(data.sizes["inducing"]) * 1e-6
        factor = np.linalg.cholesky(covariance(theta, inducing, inducing, np) * jitter)
        across = covariance(theta, inducing, runs, np)
        return np.asarray(scipy.linalg.solve_triangular(factor, across, lower=True)).T

    middle = {"sigma": float(quantile(spec.priors["sigma"], [0.5])[0]), "level": level}
    noise = float((noise_scale(spec, middle) / discrepancy_unit(spec, middle)) ** 2)
    local = local_deviation(theta, runs, np) ** 2
    long_alone = theta._replace(local_amplitude=np.full(1, 1e-6))
    smooth = np.concatenate([basis(long_alone), slope], 1)
    misfit = errors  # at first the law's own
    for _ in range(_REWEIGHTINGS):
        weight = (1 + 1 / _DEGREES) / (noise + local + misfit**2 / _DEGREES)
        precision = np.eye(smooth.shape[1]) + smooth.T @ (weight[:, None] * smooth)
        misfit = errors - smooth @ np.linalg.solve(precision, smooth.T @ (weight * errors))
    # Each run's variance given all others is 1 over the inverse covariance's diagonal.
    whole = basis(theta)
    alone = noise + np.maximum(variance(theta, runs, np) - (whole**2).sum(1), 0)
    gram = np.eye(whole.shape[1]) + whole.T @ (whole / alone[:, None])
    explained = (whole * np.linalg.solve(gram, whole.T).T).sum(1)
    given_others = 1 / (1 / alone - explained / alone**2)
    return misfit, np.clip((given_others - noise) / local, 0.0, 1.0)
