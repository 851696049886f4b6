"""A spec with Normal noise, with group effects and latent counts integrated out.

Given the law's parameters and all standard deviations, levels, group effects and latent counts are
Normal, and their effect on the response is nearly linear: their integral is one Normal density of
all responses. Laplace's approximation is made of the ten to fifteen numbers that are left. That
takes seconds where the sampler takes minutes, and checks it where both were run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from bayescale import Runs, Spec
from bayescale.model.density import formulas
from bayescale.model.design import inputs_of
from bayescale.model.parts import Prior
from bayescale.model.priors import quantile

_STEP = 1e-3
_DRAWS = 400


@dataclass(frozen=True)
class Rows:
    """What the law and the groups see of some runs, and their responses."""

    inputs: dict[str, np.ndarray]
    labels: pd.DataFrame
    tokens_sd: np.ndarray
    latent: np.ndarray
    response: np.ndarray

    @classmethod
    def of(cls, spec: Spec, runs: Runs) -> Rows:
        found, table = inputs_of(spec, runs), runs.table
        return cls(
            {name: found[name].to_numpy() for name in spec.law.inputs},
            table[list(spec.groups)].reset_index(drop=True),
            found["tokens_sd"].sum("latent").to_numpy(),
            table["checkpoint"].to_numpy(object),
            table[spec.response].to_numpy(float),
        )


@dataclass(frozen=True)
class Pair:
    """Rows and columns of a covariance, and which of them share a label or a latent count."""

    rows: Rows
    columns: Rows
    same: dict[str, np.ndarray]
    same_count: np.ndarray

    @classmethod
    def of(cls, rows: Rows, columns: Rows) -> Pair:
        def alike(a: Any, b: Any) -> np.ndarray:
            codes = pd.factorize(np.concatenate([a, b]))[0]
            return np.equal.outer(codes[: len(a)], codes[len(a) :]).astype(float)

        same = {
            str(group): alike(
                rows.labels[group].to_numpy(object), columns.labels[group].to_numpy(object)
            )
            for group in rows.labels
        }
        return cls(rows, columns, same, alike(rows.latent, columns.latent))


@dataclass(frozen=True)
class Approximation:
    """Draws of the free parameters by Laplace's approximation, and what they imply.

    Attributes
    ----------
    spec : Spec
    rows : Rows
    draws : dict of str to ndarray (draw)
        Of the law's parameters and of all standard deviations.
    """

    spec: Spec
    rows: Rows
    draws: dict[str, np.ndarray]

    def posterior(self) -> xr.Dataset:
        """The draws as a fit has them."""
        return xr.Dataset({n: (("chain", "draw"), v[None]) for n, v in self.draws.items()})

    def predict(self, new: Rows, rng: np.random.Generator) -> np.ndarray:
        """Responses of new runs (draw, run); a label that no run has is a new one."""
        old, drawn = self.rows, []
        known, cross, fresh = Pair.of(old, old), Pair.of(new, old), Pair.of(new, new)
        for i in range(_DRAWS):
            at = {name: values[i] for name, values in self.draws.items()}
            mean, covariance = _moments(self.spec, at, known)
            there, across = _moments(self.spec, at, cross)
            _, among = _moments(self.spec, at, fresh)
            noise = at["sigma"] ** 2 + self.spec.noise.floor**2
            factor = cho_factor(covariance + noise * np.eye(len(mean)), lower=True)
            middle = there + across @ cho_solve(factor, old.response - mean)
            spread = among - across @ cho_solve(factor, across.T) + noise * np.eye(len(there))
            drawn.append(rng.multivariate_normal(middle, spread, method="eigh"))
        return np.array(drawn)

    def effects(self, parameter: str, group: str, rng: np.random.Generator) -> pd.DataFrame:
        """Draws of a group's effects on a parameter: a column a label."""
        rows, pair = self.rows, Pair.of(self.rows, self.rows)
        effect = next(
            e for e in self.spec.effect_list() if (e.parameter, e.group) == (parameter, group)
        )
        indicators = pd.get_dummies(rows.labels[group]).astype(float)
        drawn = []
        for i in range(_DRAWS):
            at = {name: values[i] for name, values in self.draws.items()}
            mean, covariance = _moments(self.spec, at, pair)
            noise = at["sigma"] ** 2 + self.spec.noise.floor**2
            factor = cho_factor(covariance + noise * np.eye(len(mean)), lower=True)
            variance = at[effect.sd_name] ** 2
            slope = _slope(self.spec, _theta(self.spec, at), rows, parameter)
            across = variance * (indicators.to_numpy() * slope[:, None]).T
            middle = across @ cho_solve(factor, rows.response - mean)
            spread = variance * np.eye(len(across)) - across @ cho_solve(factor, across.T)
            drawn.append(rng.multivariate_normal(middle, spread, method="eigh"))
        return pd.DataFrame(drawn, columns=indicators.columns)


def approximated(spec: Spec, runs: Runs, seed: int = 0) -> Approximation:
    """Laplace's approximation of a spec's posterior given runs."""
    rows, free = Rows.of(spec, runs), _free(spec)
    pair = Pair.of(rows, rows)
    start = np.array(
        [formulas.unconstrained(p.support, float(quantile(p, [0.5])[0])) for p in free.values()]
    )

    def negative(at: np.ndarray) -> float:
        values = {
            name: float(formulas.constrained(prior.support, x, np))
            for (name, prior), x in zip(free.items(), at, strict=True)
        }
        mean, covariance = _moments(spec, values, pair)
        noise = values["sigma"] ** 2 + spec.noise.floor**2
        factor = cho_factor(covariance + noise * np.eye(len(mean)), lower=True)
        error = rows.response - mean
        density = -0.5 * error @ cho_solve(factor, error) - np.log(np.diag(factor[0])).sum()
        for (name, prior), x in zip(free.items(), at, strict=True):
            density += formulas.log_density(prior.dist, prior.arguments, values[name], np)
            density += formulas.log_jacobian(prior.support, x, np)
        return -float(density)

    found = minimize(negative, start, method="L-BFGS-B").x
    root = np.linalg.cholesky(np.linalg.inv(_curvature(negative, found)))
    rng = np.random.default_rng(seed)
    drawn = found + rng.standard_normal((_DRAWS, len(found))) @ root.T
    draws = {
        name: np.asarray(formulas.constrained(prior.support, drawn[:, i], np))
        for i, (name, prior) in enumerate(free.items())
    }
    return Approximation(spec, rows, draws)


def _free(spec: Spec) -> dict[str, Prior]:
    """What is not integrated out: all but the levels by label, which are Normal."""
    return {n: p for n, p in spec.all_priors().items() if n not in spec.by_label}


def _moments(spec: Spec, values: dict[str, float], pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the rows' responses, and their covariance with the columns', less noise.

    Effects move the response by the slope of the curve in the parameter that they are on.
    """
    theta = _theta(spec, values)
    sds = [
        (name, group, spec.priors[name].arguments["sigma"]) for name, group in spec.by_label.items()
    ]
    sds += [(e.parameter, e.group, values[e.sd_name]) for e in spec.effect_list()]
    slopes = {
        name: [_slope(spec, theta, each, name) for each in (pair.rows, pair.columns)]
        for name in {"tokens", *(name for name, _, _ in sds)}
    }
    of_rows, of_columns = slopes["tokens"]
    counts = np.outer(pair.rows.tokens_sd * of_rows, pair.columns.tokens_sd * of_columns)
    covariance = counts * pair.same_count
    for name, group, sd in sds:
        covariance += sd**2 * np.outer(*slopes[name]) * pair.same[group]
    return _mean(spec, theta, pair.rows), covariance


def _theta(spec: Spec, values: dict[str, float]) -> dict[str, float]:
    """The law's parameters; levels by label, which are integrated out, at their prior's mean."""
    theta = {p.name: values.get(p.name, 0.0) for p in spec.law.parameters}
    return theta | {name: spec.priors[name].arguments["mu"] for name in spec.by_label}


def _mean(spec: Spec, theta: dict[str, float], rows: Rows, **moved: float) -> np.ndarray:
    """The curve, with parameters or inputs moved by so much."""
    theta = {name: value + moved.get(name, 0.0) for name, value in theta.items()}
    inputs = {name: value + moved.get(name, 0.0) for name, value in rows.inputs.items()}
    return np.asarray(spec.law.mean(inputs, theta, np))


def _slope(spec: Spec, theta: dict[str, float], rows: Rows, name: str) -> np.ndarray:
    """Slope of the curve in a parameter or in an input on its scale."""
    ends = (_mean(spec, theta, rows, **{name: sign * _STEP}) for sign in (1, -1))
    return np.subtract(*ends) / (2 * _STEP)


def _curvature(function: Any, at: np.ndarray) -> np.ndarray:
    """Second derivatives by central differences."""
    steps = np.diag(_STEP * np.maximum(np.abs(at), 0.03))
    count = len(at)
    found = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            corners = [function(at + a * steps[i] + b * steps[j]) for a in (1, -1) for b in (1, -1)]
            second = corners[0] - corners[1] - corners[2] + corners[3]
            found[i, j] = found[j, i] = second / (4 * steps[i, i] * steps[j, j])
    return found
