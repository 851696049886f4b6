"""Discrepancy: what the law misses, as a process over (ln N, ln D) that grows with distance.

Two Gaussian processes with Matern-5/2 covariance over s = ln(N D)/sqrt(2) and
r = ln(D/N)/sqrt(2), in e-folds from the data's centre. A long one bends the whole law, and is
what widens intervals away from the data. A local one, larger the further a run lies below the
frontier, takes up what small runs do for reasons of their own, so that it is not extrapolated.

Both are integrated out: the sampler sees the law's parameters and the processes' alone. Up to
`INDUCING` runs the likelihood is exact; beyond, that many of them stand in for all (FITC: Snelson
and Ghahramani 2006; Quinonero-Candela and Rasmussen 2005), so the cost of a gradient grows as n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.intervals import SAMPLE_DIMS

PREFIX = "discrepancy_"
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
INDUCING = 50
# Used to choose the runs that stand in for all, and for nothing else.
_TYPICAL = {
    "amplitude": 0.05,
    "length_compute": 6.0,
    "length_split": 3.0,
    "local_amplitude": 0.006,
    "local_length_compute": 1.5,
    "local_length_split": 1.5,
    "local_growth": 0.45,
}
_JITTER = 1e-8
_ROOT2 = np.sqrt(2.0)
# Draws that are conditioned at once, to bound memory.
_CHUNK = 100


def places(params: Any, tokens: Any, frontier: Any, xp: Any) -> dict[str, Any]:
    """Where runs lie for the processes: s, r, and depth below the frontier (0 beyond)."""
    s = (params + tokens) / _ROOT2
    below = frontier - s
    return {"s": s, "r": (tokens - params) / _ROOT2, "depth": (below + xp.abs(below)) / 2}


def covariance(theta: Mapping[str, Any], one: Any, other: Any, xp: Any) -> Any:
    """Prior covariance between two sets of places: (..., one, other)."""
    apart = {axis: one[axis][..., :, None] - other[axis][..., None, :] for axis in ("s", "r")}
    long = _matern(theta, "", apart, xp) * theta["amplitude"] ** 2
    grown = [theta["local_amplitude"] * xp.exp(theta["local_growth"] * x["depth"][..., :, None])
             for x in (one, other)]  # fmt: skip
    return long + grown[0] * _across(grown[1]) * _matern(theta, "local_", apart, xp)


def variance(theta: Mapping[str, Any], where: Any, xp: Any) -> Any:
    """Prior variance at places: (..., places)."""
    grown = theta["local_amplitude"] * xp.exp(theta["local_growth"] * where["depth"][..., :, None])
    return theta["amplitude"][..., 0] ** 2 + grown[..., 0] ** 2


def _across(column: Any) -> Any:
    return column.swapaxes(-1, -2) if isinstance(column, np.ndarray) else column.T


def _matern(theta: Mapping[str, Any], kind: str, apart: Mapping[str, Any], xp: Any) -> Any:
    scaled = (apart["s"] / theta[f"{kind}length_compute"]) ** 2
    scaled = scaled + (apart["r"] / theta[f"{kind}length_split"]) ** 2
    t = xp.sqrt(5 * scaled + 1e-12)  # off zero, where the root has no gradient
    return (1 + t + t * t / 3) * xp.exp(-t)


def inducing(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Positions of the runs that stand in for all: pivoted Cholesky of a typical covariance."""
    if len(params) <= INDUCING:
        return np.arange(len(params))
    where = places(params, tokens, ((params + tokens) / _ROOT2).max(), np)
    theta = {name: np.full((1, 1), value) for name, value in _TYPICAL.items()}
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


def log_likelihood(
    theta: Mapping[str, Any], *, runs: Any, stand_in: Any, residual: Any, noise: Any, pt: Any
) -> Any:
    """Log density of residuals with the processes integrated out, as a PyTensor graph.

    Parameters
    ----------
    theta : mapping
        The processes' parameters, scalars as (1, 1).
    runs, stand_in : mapping
        Places of the runs and of those that stand in for all.
    residual : tensor (run)
        Response minus law, in units in which the amplitude is a share.
    noise : tensor ()
        Variance of single runs.
    pt : module
        `pytensor.tensor`.
    """
    count = stand_in["s"].shape[0]
    among = covariance(theta, stand_in, stand_in, pt)
    size = theta["amplitude"][0, 0] ** 2
    root = pt.linalg.cholesky(among + pt.eye(count) * size * _JITTER)
    low = pt.linalg.solve_triangular(root, covariance(theta, stand_in, runs, pt), lower=True)
    own = variance(theta, runs, pt) - (low**2).sum(0)
    each = pt.maximum(own, 0) + noise
    weighted = low / each
    inner = pt.linalg.cholesky(pt.eye(count) + weighted @ low.T)
    fitted = pt.linalg.solve_triangular(inner, weighted @ residual, lower=True)
    explained = (residual**2 / each).sum() - (fitted**2).sum()
    volume = pt.log(each).sum() + 2 * pt.log(pt.diagonal(inner)).sum()
    return -0.5 * (explained + volume + residual.shape[0] * np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The processes given a fit's runs, for every draw; places are looked up as needed.

    Attributes
    ----------
    theta : dict
        Parameters, each (sample, 1, 1).
    stand_in : dict
        Places (inducing).
    frontier : float
    root : ndarray (sample, inducing, inducing)
        Cholesky factor of the covariance among the stand-ins.
    inner : ndarray (sample, inducing, inducing)
        Cholesky factor of the posterior precision in that factor's coordinates.
    weights : ndarray (sample, inducing)
        Posterior mean in those coordinates.
    """

    theta: dict[str, np.ndarray]
    stand_in: dict[str, np.ndarray]
    frontier: float
    root: np.ndarray
    inner: np.ndarray
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
            low, known = self._coordinates(some, here)
            mean[some] = np.einsum("sip,si->sp", low, self.weights[some])
            prior = variance(self._some(some), here, np)
            left = prior - (low**2).sum(1) + (known**2).sum(1)
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
        """Log density (chain, draw) of residuals at points, jointly, new noise included."""
        where = self._places(params, tokens, residual)
        values = residual.to_numpy().reshape(where["s"].shape)
        variances = noise.transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1, 1)
        total, count = len(values), residual.sizes["run"]
        density = np.empty(total)
        for some, here in self._chunks(where):
            low, known = self._coordinates(some, here)
            joint = covariance(self._some(some), here, here, np) + np.eye(count) * variances[some]
            joint += known.swapaxes(1, 2) @ known - low.swapaxes(1, 2) @ low
            root = np.linalg.cholesky(joint)
            away = values[some] - np.einsum("sip,si->sp", low, self.weights[some])
            white = np.linalg.solve(root, away[..., None])[..., 0]
            volume = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
            density[some] = -0.5 * (white**2).sum(1) - volume - count / 2 * np.log(2 * np.pi)
        return noise.transpose(*SAMPLE_DIMS).copy(data=density.reshape(noise.shape))

    def leave_one_out(
        self,
        params: xr.DataArray,
        tokens: xr.DataArray,
        residual: xr.DataArray,
        noise: xr.DataArray,
    ) -> xr.Dataset:
        """Mean and standard deviation of the discrepancy at each run, given all the others.

        The runs are those conditioned on; arguments as for `joint_log_density`, the answer has
        the shape of `residual`.
        """
        where = self._places(params, tokens, residual)
        values = residual.to_numpy().reshape(where["s"].shape)
        variances = noise.transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1)
        means, spreads = np.empty(values.shape), np.empty(values.shape)
        for some, here in self._chunks(where):
            low, known = self._coordinates(some, here)
            own = np.maximum(variance(self._some(some), here, np) - (low**2).sum(1), 0)
            around = own + variances[some]
            # Take one run's own observation out of its posterior: precisions subtract.
            with_it = (known**2).sum(1)
            without = 1 / np.maximum(1 / with_it - 1 / around, 1e-300)
            mean = np.einsum("sip,si->sp", low, self.weights[some])
            means[some] = without * (mean / with_it - values[some] / around)
            spreads[some] = np.sqrt(without + own)
        shape = residual.shape
        return xr.Dataset(
            {
                "mean": residual.copy(data=means.reshape(shape)),
                "sd": residual.copy(data=spreads.reshape(shape)),
            }
        )

    def _places(
        self, params: xr.DataArray, tokens: xr.DataArray, like: xr.DataArray
    ) -> dict[str, np.ndarray]:
        return places(flat_points(params, like), flat_points(tokens, like), self.frontier, np)

    def _chunks(
        self, where: dict[str, np.ndarray]
    ) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        for start in range(0, len(where["s"]), _CHUNK):
            some = slice(start, start + _CHUNK)
            yield some, {axis: values[some] for axis, values in where.items()}

    def _some(self, some: slice) -> dict[str, np.ndarray]:
        return {name: value[some] for name, value in self.theta.items()}

    def _coordinates(
        self, some: slice, here: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points in the stand-ins' coordinates, and in those of their posterior."""
        across = covariance(self._some(some), self.stand_in, here, np)
        low = np.linalg.solve(self.root[some], across)
        return low, np.linalg.solve(self.inner[some], low)


def flat_points(values: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Values as (sample, run) in the order of `like`."""
    whole = values.broadcast_like(like).transpose(*like.dims).to_numpy()
    return whole.reshape(-1, like.sizes["run"])


def condition(
    draws: xr.Dataset,
    *,
    runs: Mapping[str, xr.DataArray],
    stand_in: Mapping[str, np.ndarray],
    residual: xr.DataArray,
    noise: xr.DataArray,
    frontier: float,
) -> Conditioned:
    """The processes given runs, for every draw of the parameters.

    Parameters
    ----------
    draws : Dataset
        With the processes' parameters (chain, draw).
    runs : mapping
        `params` and `tokens` of the runs: centred logs, (run) or (chain, draw, run).
    stand_in : mapping
        The same of those that stand in for all.
    residual : DataArray
        (chain, draw, run), as for `log_likelihood`.
    noise : DataArray
        (chain, draw): variance of single runs, in the residual's unit.
    frontier : float
        Largest s of the runs.
    """
    theta = {
        name: draws[PREFIX + name].transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1, 1)
        for name in PARAMETERS
    }
    middle = places(stand_in["params"], stand_in["tokens"], frontier, np)
    params, tokens = (flat_points(runs[name], residual) for name in ("params", "tokens"))
    where = places(params, tokens, frontier, np)
    residuals = residual.to_numpy().reshape(where["s"].shape)
    variances = noise.transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1)
    count, total = len(middle["s"]), len(residuals)
    root, inner = np.empty((total, count, count)), np.empty((total, count, count))
    weights = np.empty((total, count))
    identity = np.eye(count)
    for start in range(0, total, _CHUNK):
        some = slice(start, start + _CHUNK)
        one = {name: value[some] for name, value in theta.items()}
        here = {axis: values[some] for axis, values in where.items()}
        among = covariance(one, middle, middle, np)
        root[some] = np.linalg.cholesky(among + identity * one["amplitude"] ** 2 * _JITTER)
        low = np.linalg.solve(root[some], covariance(one, middle, here, np))
        own = np.maximum(variance(one, here, np) - (low**2).sum(1), 0) + variances[some]
        weighted = low / own[:, None, :]
        precision = identity + weighted @ low.swapaxes(1, 2)
        inner[some] = np.linalg.cholesky(precision)
        pulled = np.einsum("sir,sr->si", weighted, residuals[some])
        weights[some] = np.linalg.solve(precision, pulled[..., None])[..., 0]
    return Conditioned(theta, middle, frontier, root, inner, weights)
