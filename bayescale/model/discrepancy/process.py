"""Discrepancy: what the law misses, as a process over (ln N, ln D) that grows with distance.

Two Gaussian processes with Matern-5/2 covariance over s = ln(N D)/sqrt(2) and
r = ln(D/N)/sqrt(2), in e-folds from the data's centre. A long one bends the whole law, and is
what widens intervals away from the data. A local one, larger the further a run lies below the
frontier, takes up what small runs do for reasons of their own, so that it is not extrapolated.

Both are sampled jointly with the law, as weights: their values at the runs, whitened. Up to
`INDUCING` runs that is exact; beyond, that many of them stand in for all (FITC: Snelson and
Ghahramani 2006; Quinonero-Candela and Rasmussen 2005), so the cost of a gradient grows as n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS

PREFIX = "discrepancy_"
WEIGHTS = PREFIX + "weights"
# Name of each parameter to its support and meaning.
PARAMETERS = {
    "amplitude": ("positive", "size of the long process, as a share of the response"),
    "length_compute": ("positive", "its length along ln(N D), in e-folds over sqrt(2)"),
    "length_split": ("positive", "its length along ln(D / N), in e-folds over sqrt(2)"),
    "local_amplitude": ("positive", "size of the local process at the frontier, a share"),
    "local_length_compute": ("positive", "its length along ln(N D)"),
    "local_length_split": ("positive", "its length along ln(D / N)"),
    "local_growth": ("real", "growth of its size per e-fold below the frontier, in logs"),
}
INDUCING = 40
# Used to choose the inducing points, and for nothing else.
_TYPICAL = {
    "amplitude": 0.05,
    "length_compute": 6.0,
    "length_split": 3.0,
    "local_amplitude": 0.006,
    "local_length_compute": 1.5,
    "local_length_split": 1.5,
    "local_growth": 0.45,
}
# What places have of their own, as a share of their variance, so that two can be one place.
JITTER = 1e-8
# e-folds between places that know of nothing.
_NOWHERE = 1000.0
_ROOT2 = np.sqrt(2.0)
# Draws that are conditioned at once, and places over all of them: few, so that the arrays between
# steps stay in the processor's cache.
_CHUNK, _PLACES_MOST = 100, 1_000


def places(params: Any, tokens: Any, frontier: Any, xp: Any) -> dict[str, Any]:
    """Where runs lie for the processes: s, r, and depth below the frontier (0 beyond)."""
    s = (params + tokens) / _ROOT2
    below = frontier - s
    return {"s": s, "r": (tokens - params) / _ROOT2, "depth": (below + xp.abs(below)) / 2}


def covariance(theta: Mapping[str, Any], one: Any, other: Any, xp: Any) -> Any:
    """Prior covariance between two sets of places: (..., one, other).

    `theta` holds scalars, or draws as (..., 1), here and below.
    """
    apart = {axis: one[axis][..., :, None] - other[axis][..., None, :] for axis in ("s", "r")}
    here, there = (local_deviation(theta, where, xp) for where in (one, other))
    long = theta["amplitude"][..., None] ** 2 * _matern(theta, "", apart, xp)
    return long + here[..., :, None] * there[..., None, :] * _matern(theta, "local_", apart, xp)


def local_deviation(theta: Mapping[str, Any], where: Any, xp: Any) -> Any:
    """Prior standard deviation of the local process at places: (..., places)."""
    return theta["local_amplitude"] * xp.exp(theta["local_growth"] * where["depth"])


def variance(theta: Mapping[str, Any], where: Any, xp: Any) -> Any:
    """Prior variance at places: (..., places)."""
    return theta["amplitude"] ** 2 + local_deviation(theta, where, xp) ** 2


def _matern(theta: Mapping[str, Any], kind: str, apart: Mapping[str, Any], xp: Any) -> Any:
    lengths = (theta[f"{kind}length_{axis}"][..., None] for axis in ("compute", "split"))
    s, r = (5 / length**2 for length in lengths)
    t = xp.sqrt(apart["s"] ** 2 * s + apart["r"] ** 2 * r + 1e-12)  # off 0: the root has a slope
    return (1 + t + t * t / 3) * xp.exp(-t)


def weigh(
    theta: Mapping[str, Any],
    *,
    runs: Mapping[str, Any],
    inducing: Mapping[str, Any],
    residual: Any,
    noise: Any,
    tails: Any,
    standard: Any,
    xp: Any,
) -> tuple[Any, Any, Any, Any]:
    """The processes where the sampler's standard coordinates put them.

    The coordinates are centred and scaled by what the runs would say if the noise were Normal,
    each run's variance widened by how far off it lies (one step of reweighting). Normal noise
    leaves them standard Normal, heavier tails nearly so; the density is exact either way.

    Parameters
    ----------
    theta : mapping
        The processes' parameters, scalars.
    runs, inducing : mapping
        Places of the runs and of those that stand in for all.
    residual : array (run)
        Response minus law, in units in which the amplitude is a share.
    noise : array ()
        Squared scale of single runs.
    tails : array ()
        Degrees of freedom of the noise; infinite if it is Normal.
    standard : array (inducing)
    xp : module
        With `linalg`: numpy, or one that follows it.

    Returns
    -------
    weights : array (inducing)
        Values at the inducing points, whitened: standard Normal before the runs are seen.
    missed, own : array (run)
        Value at each run, given the weights, and the variance of it that they leave.
    correction : array ()
        What to add to the log density, as the sampler moves in `standard`, not in the weights.
    """
    theta = {name: value[None] for name, value in theta.items()}
    count = inducing["s"].shape[0]
    unit = xp.eye(count)
    among = covariance(theta, inducing, inducing, xp) * (1 + unit * JITTER)
    low = xp.linalg.solve(xp.linalg.cholesky(among), covariance(theta, inducing, runs, xp))
    own = xp.maximum(variance(theta, runs, xp) - (low**2).sum(0), 0)

    def known(each: Any) -> tuple[Any, Any]:
        """Root of the weights' precision, and their mean."""
        precision = unit + (low / each) @ low.T
        return xp.linalg.cholesky(precision), xp.linalg.solve(precision, low @ (residual / each))

    each = own + noise
    _, middle = known(each)
    off = residual - middle @ low
    widened = xp.where(xp.isinf(tails), each, (each + off**2 / tails) / (1 + 1 / tails))
    inner, middle = known(widened)
    weights = middle + xp.linalg.solve(inner.T, standard)
    volume = xp.log(xp.diagonal(inner)).sum()
    correction = ((standard**2).sum() - (weights**2).sum()) / 2 - volume
    return weights, weights @ low, own, correction


def inducing_points(params: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Centred ln N and ln D of the inducing points, `INDUCING` in number.

    Fewer runs are filled up with places so far off that they know of nothing, which makes every
    table one shape, and so one compiled sampler.
    """
    chosen = inducing(params, tokens)
    nowhere = _NOWHERE * np.arange(1, INDUCING - len(chosen) + 1)
    return {
        "params": np.concatenate([params[chosen], nowhere]),
        "tokens": np.concatenate([tokens[chosen], nowhere]),
    }


def inducing(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Positions of the inducing points: pivoted Cholesky of a typical covariance."""
    if len(params) <= INDUCING:
        return np.arange(len(params))
    where = places(params, tokens, ((params + tokens) / _ROOT2).max(), np)
    theta = {name: np.float64(value) for name, value in _TYPICAL.items()}
    left = variance(theta, where, np).copy()
    factor = np.zeros((INDUCING, len(params)))
    chosen: list[int] = []
    for i in range(INDUCING):
        pivot = int(left.argmax())
        if left[pivot] < 1e-10:
            break
        one = {axis: values[[pivot]] for axis, values in where.items()}
        row = covariance(theta, one, where, np)[0]
        factor[i] = (row - factor[:i, pivot] @ factor[:i]) / np.sqrt(left[pivot])
        left = np.maximum(left - factor[i] ** 2, 0)
        chosen.append(pivot)
        left[chosen] = 0
    return np.sort(chosen)


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The processes for every draw of their weights; places are looked up as needed.

    Attributes
    ----------
    theta : dict
        Parameters, each (sample, 1).
    inducing : dict
        Places (inducing).
    frontier : float
    inverse : ndarray (sample, inducing, inducing)
        Of the Cholesky factor of the covariance among the inducing points.
    weights : ndarray (sample, inducing)
        Values at the inducing points in that factor's coordinates.
    """

    theta: dict[str, np.ndarray]
    inducing: dict[str, np.ndarray]
    frontier: float
    inverse: np.ndarray
    weights: np.ndarray

    def at(self, params: xr.DataArray, tokens: xr.DataArray, like: xr.DataArray) -> xr.Dataset:
        """Mean and standard deviation of the discrepancy at points, for every draw.

        Parameters
        ----------
        params, tokens : DataArray
            Centred ln N and ln D: (run), or with dims (chain, draw) as well.
        like : DataArray
            (chain, draw, run): the shape of the answer.
        """
        where = self._places(params, tokens, like)
        total, count = len(self.weights), like.sizes["run"]
        mean, spread = np.empty((total, count)), np.empty((total, count))
        for some, here in self._chunks(where):
            low = self._coordinates(some, here)
            mean[some] = np.einsum("sip,si->sp", low, self.weights[some])
            left = variance(self._some(some), here, np) - (low**2).sum(1)
            spread[some] = np.sqrt(np.maximum(left, 0))
        shape = like.shape
        return xr.Dataset(
            {
                "mean": like.copy(data=mean.reshape(shape)),
                "sd": like.copy(data=spread.reshape(shape)),
            }
        )

    def joint_log_density(
        self,
        params: xr.DataArray,
        tokens: xr.DataArray,
        residual: xr.DataArray,
        noise: xr.DataArray,
    ) -> xr.DataArray:
        """Log density (chain, draw) of residuals at points, jointly, new noise included.

        `noise` is its variance: (chain, draw, run).
        """
        where = self._places(params, tokens, residual)
        values = residual.to_numpy().reshape(where["s"].shape)
        variances = flat_points(noise, residual)
        total, count = len(values), residual.sizes["run"]
        density = np.empty(total)
        for some, here in self._chunks(where):
            low = self._coordinates(some, here)
            joint = covariance(self._some(some), here, here, np) - low.swapaxes(1, 2) @ low
            joint += np.eye(count) * variances[some][:, None, :]
            root = np.linalg.cholesky(joint)
            away = values[some] - np.einsum("sip,si->sp", low, self.weights[some])
            white = np.linalg.solve(root, away[..., None])[..., 0]
            volume = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
            density[some] = -0.5 * (white**2).sum(1) - volume - count / 2 * np.log(2 * np.pi)
        one = residual.isel(run=0, drop=True)
        return one.copy(data=density.reshape(one.shape))

    def _places(
        self, params: xr.DataArray, tokens: xr.DataArray, like: xr.DataArray
    ) -> dict[str, np.ndarray]:
        return places(flat_points(params, like), flat_points(tokens, like), self.frontier, np)

    def _chunks(
        self, where: dict[str, np.ndarray]
    ) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        total, count = where["s"].shape
        step = min(_CHUNK, max(1, _PLACES_MOST // count))
        for start in range(0, total, step):
            some = slice(start, start + step)
            yield some, {axis: values[some] for axis, values in where.items()}

    def _some(self, some: slice) -> dict[str, np.ndarray]:
        return {name: value[some] for name, value in self.theta.items()}

    def _coordinates(self, some: slice, here: dict[str, np.ndarray]) -> np.ndarray:
        """Points in the inducing points' coordinates: (sample, inducing, run)."""
        across = covariance(self._some(some), self.inducing, here, np)
        return self.inverse[some] @ across


def flat_points(values: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Values as (sample, run) in the order of `like`."""
    whole = values.broadcast_like(like).transpose(*like.dims).to_numpy()
    return whole.reshape(-1, like.sizes["run"])


def condition(
    draws: xr.Dataset, *, inducing: Mapping[str, np.ndarray], frontier: float
) -> Conditioned:
    """The processes for every draw of their parameters and weights.

    Parameters
    ----------
    draws : Dataset
        With the processes' parameters (chain, draw) and weights (chain, draw, inducing).
    inducing : mapping
        `params` and `tokens` of the inducing points: centred logs.
    frontier : float
        Largest s of the runs that were seen.
    """
    theta = {
        name: draws[PREFIX + name].transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1)
        for name in PARAMETERS
    }
    middle = places(inducing["params"], inducing["tokens"], frontier, np)
    weights = draws[WEIGHTS].transpose(*SAMPLE_DIMS, "inducing").to_numpy()
    weights = weights.reshape(-1, weights.shape[-1])
    total, count = weights.shape
    inverse = np.empty((total, count, count))
    for start in range(0, total, _CHUNK):
        some = slice(start, start + _CHUNK)
        one = {name: value[some] for name, value in theta.items()}
        among = covariance(one, middle, middle, np) * (1 + np.eye(count) * JITTER)
        inverse[some] = np.linalg.inv(np.linalg.cholesky(among))
    return Conditioned(theta, middle, frontier, inverse, weights)
