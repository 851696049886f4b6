"""Model discrepancy: two Gaussian processes over (ln N, ln D), wider with distance from the data.

Both have Matern-5/2 covariance over ln(N D)/sqrt(2) and ln(D/N)/sqrt(2), in e-folds from the
data's centre. The long one bends the whole law, and is what widens intervals away from the data.
The local one, larger the further a run lies below the frontier, takes up what only small runs do,
so that it is not extrapolated.

Both are sampled jointly with the law, as weights: their values at inducing points, whitened by the
Cholesky factor of their prior covariance. Up to `inducing.MOST` runs each run is an inducing point,
and that is exact; beyond, the covariance is approximated (FITC: Snelson and Ghahramani 2006;
Quinonero-Candela and Rasmussen 2005), so the cost of a gradient grows as the number of runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    "local_growth": ("real", "growth of its size per e-fold below the frontier, in logs"),
}
# Of the local process, along both. No table of runs tells: sampled, it stayed where its prior was.
LOCAL_LENGTH = np.array([1.5])
# Added to each inducing point's own variance, as a share of it, so that the Cholesky factor exists
# where two runs have the same N and D.
JITTER = 1e-8
_ROOT2 = np.sqrt(2.0)
# Draws conditioned at once, and draws times points: few enough that the arrays between steps stay
# in the processor's cache.
_DRAWS_AT_ONCE, _POINTS_AT_ONCE = 100, 1_000


class Parameters(NamedTuple):
    """The processes' parameters, as in `PARAMETERS`: scalars, or draws as (sample, 1)."""

    amplitude: Any
    length_compute: Any
    length_split: Any
    local_amplitude: Any
    local_growth: Any


class Coordinates(NamedTuple):
    """Where runs lie for the processes: each (..., run).

    `compute` is ln(N D)/sqrt(2) and `split` is ln(D/N)/sqrt(2), of centred N and D; `depth` is how
    far `compute` lies below the frontier, 0 beyond it.
    """

    compute: Any
    split: Any
    depth: Any


def coordinates(params: Any, tokens: Any, frontier: Any, xp: Any) -> Coordinates:
    """Coordinates of runs with centred ln N and ln D (..., run)."""
    compute = (params + tokens) / _ROOT2
    below = frontier - compute
    return Coordinates(compute, (tokens - params) / _ROOT2, (below + xp.abs(below)) / 2)


def covariance(theta: Parameters, left: Coordinates, right: Coordinates, xp: Any) -> Any:
    """Prior covariance between the processes' sum at two sets of runs: (..., left, right)."""
    compute = left.compute[..., :, None] - right.compute[..., None, :]
    split = left.split[..., :, None] - right.split[..., None, :]
    long = _matern(compute, split, theta.length_compute, theta.length_split, xp)
    local = _matern(compute, split, LOCAL_LENGTH, LOCAL_LENGTH, xp)
    by_left, by_right = (local_deviation(theta, runs, xp) for runs in (left, right))
    long_variance = theta.amplitude[..., None] ** 2
    return long_variance * long + by_left[..., :, None] * by_right[..., None, :] * local


def local_deviation(theta: Parameters, runs: Coordinates, xp: Any) -> Any:
    """Prior standard deviation of the local process: (..., run)."""
    return theta.local_amplitude * xp.exp(theta.local_growth * runs.depth)


def variance(theta: Parameters, runs: Coordinates, xp: Any) -> Any:
    """Prior variance of the processes' sum: (..., run)."""
    return theta.amplitude**2 + local_deviation(theta, runs, xp) ** 2


def _matern(compute: Any, split: Any, length_compute: Any, length_split: Any, xp: Any) -> Any:
    """Matern-5/2 correlation at differences (..., left, right), for lengths () or (..., 1)."""
    squares = (
        compute**2 * (5 / length_compute[..., None] ** 2)
        + split**2 * (5 / length_split[..., None] ** 2)
    )  # fmt: skip
    t = xp.sqrt(squares + 1e-12)  # off 0, where the root has no slope
    return (1 + t + t * t / 3) * xp.exp(-t)


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The processes given every draw of their weights, at any points.

    Attributes
    ----------
    theta : Parameters
        Each (sample, 1).
    inducing : Coordinates
        Of the inducing points: each (inducing).
    frontier : float
        Largest ln(N D)/sqrt(2) of the design's runs, centred.
    deepest : float
        Largest depth of the runs that were seen: further down the local process, which grows with
        depth, is taken to be as large as there, as no run tells of it.
    inverse : ndarray (sample, inducing, inducing)
        Inverse of the Cholesky factor of the covariance among the inducing points.
    weights : ndarray (sample, inducing)
        Values at the inducing points, whitened by that factor.
    """

    theta: Parameters
    inducing: Coordinates
    frontier: float
    deepest: float
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

        Returns
        -------
        Dataset
            `mean` and `sd` (chain, draw, run), as shares of the response.
        """
        points = self._coordinates(params, tokens, like)
        samples, count = len(self.weights), like.sizes["run"]
        mean, sd = np.empty((samples, count)), np.empty((samples, count))
        for chunk, chunk_points in _chunks(points):
            basis = self._basis(chunk, chunk_points)
            mean[chunk] = np.einsum("sip,si->sp", basis, self.weights[chunk])
            left = variance(_at(self.theta, chunk), chunk_points, np) - (basis**2).sum(1)
            sd[chunk] = np.sqrt(np.maximum(left, 0))
        shape = like.shape
        return xr.Dataset(
            {
                "mean": like.copy(data=mean.reshape(shape)),
                "sd": like.copy(data=sd.reshape(shape)),
            }
        )

    def at_draws(
        self, draw: np.ndarray, params: np.ndarray, tokens: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the discrepancy, each cell for one draw.

        Parameters
        ----------
        draw : ndarray of int (cell)
            Position of the draw, over all chains.
        params, tokens : ndarray (cell)
            Centred ln N and ln D.

        Returns
        -------
        mean, sd : ndarray (cell)
            Shares of the response.
        """
        points = self._capped(coordinates(params[:, None], tokens[:, None], self.frontier, np))
        mean, sd = np.empty(len(draw)), np.empty(len(draw))
        for start in range(0, len(draw), _POINTS_AT_ONCE):
            cells = slice(start, start + _POINTS_AT_ONCE)
            theta = Parameters(*(values[draw[cells]] for values in self.theta))
            here = Coordinates(*(values[cells] for values in points))
            across = covariance(theta, self.inducing, here, np)[..., 0]
            basis = np.einsum("cij,cj->ci", self.inverse[draw[cells]], across)
            mean[cells] = (basis * self.weights[draw[cells]]).sum(1)
            left = variance(theta, here, np)[:, 0] - (basis**2).sum(1)
            sd[cells] = np.sqrt(np.maximum(left, 0))
        return mean, sd

    def joint_log_density(
        self,
        params: xr.DataArray,
        tokens: xr.DataArray,
        residual: xr.DataArray,
        noise: xr.DataArray,
    ) -> xr.DataArray:
        """Joint log density of residuals of new runs, for every draw: (chain, draw), nats.

        Parameters
        ----------
        params, tokens : DataArray
            Centred ln N and ln D: (run), or with dims (chain, draw) as well.
        residual : DataArray
            Response minus law as a share of the response: (chain, draw, run).
        noise : DataArray
            Variance of the observation noise, in squared shares: (chain, draw[, run]).
        """
        points = self._coordinates(params, tokens, residual)
        values, variances = flat_points(residual, residual), flat_points(noise, residual)
        samples, count = values.shape
        density = np.empty(samples)
        for chunk, chunk_points in _chunks(points):
            mean, joint = self._joint(chunk, chunk_points)
            joint += np.eye(count) * variances[chunk][:, None, :]
            factor = np.linalg.cholesky(joint)
            error = values[chunk] - mean
            whitened = np.linalg.solve(factor, error[..., None])[..., 0]
            log_volume = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
            constant = count / 2 * np.log(2 * np.pi)
            density[chunk] = -0.5 * (whitened**2).sum(1) - log_volume - constant
        one_run = residual.isel(run=0, drop=True)
        return one_run.copy(data=density.reshape(one_run.shape))

    def joint_draws(
        self,
        params: xr.DataArray,
        tokens: xr.DataArray,
        like: xr.DataArray,
        rng: np.random.Generator,
    ) -> xr.DataArray:
        """The discrepancy at points, drawn for all of them together.

        The cost grows as the third power of the number of points.

        Parameters
        ----------
        params, tokens : DataArray
            Centred ln N and ln D: (run), or with dims (chain, draw) as well.
        like : DataArray
            The shape of the answer: (chain, draw, run).
        rng : Generator

        Returns
        -------
        DataArray (chain, draw, run)
            Shares of the response.
        """
        points = self._coordinates(params, tokens, like)
        whitened = rng.standard_normal(points.compute.shape)
        drawn = np.empty_like(whitened)
        jitter = np.sqrt(JITTER) * np.eye(like.sizes["run"])  # points may coincide
        for chunk, chunk_points in _chunks(points):
            mean, joint = self._joint(chunk, chunk_points)
            joint += variance(_at(self.theta, chunk), chunk_points, np)[..., None] * jitter
            factor = np.linalg.cholesky(joint)
            drawn[chunk] = mean + np.einsum("sij,sj->si", factor, whitened[chunk])
        return like.copy(data=drawn.reshape(like.shape))

    def _joint(self, chunk: slice, points: Coordinates) -> tuple[np.ndarray, np.ndarray]:
        """Mean (sample, run) and covariance (sample, run, run) at points, given the weights."""
        basis = self._basis(chunk, points)
        mean = np.einsum("sip,si->sp", basis, self.weights[chunk])
        prior = covariance(_at(self.theta, chunk), points, points, np)
        return mean, prior - basis.swapaxes(1, 2) @ basis

    def _coordinates(
        self, params: xr.DataArray, tokens: xr.DataArray, like: xr.DataArray
    ) -> Coordinates:
        """Of points, each (sample, run)."""
        flat = flat_points(params, like), flat_points(tokens, like)
        return self._capped(coordinates(*flat, self.frontier, np))

    def _capped(self, points: Coordinates) -> Coordinates:
        return points._replace(depth=np.minimum(points.depth, self.deepest))

    def _basis(self, chunk: slice, points: Coordinates) -> np.ndarray:
        """Values at points for each weight of 1: (sample, inducing, run)."""
        return self.inverse[chunk] @ covariance(_at(self.theta, chunk), self.inducing, points, np)


def _chunks(points: Coordinates) -> Iterator[tuple[slice, Coordinates]]:
    """Samples of points (sample, run), some at a time."""
    samples, count = points.compute.shape
    step = min(_DRAWS_AT_ONCE, max(1, _POINTS_AT_ONCE // count))
    for start in range(0, samples, step):
        chunk = slice(start, start + step)
        yield chunk, Coordinates(*(values[chunk] for values in points))


def _at(theta: Parameters, chunk: slice) -> Parameters:
    return Parameters(*(values[chunk] for values in theta))


def flat_points(values: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Values as (sample, run) in the order of `like`: (chain, draw, run)."""
    whole = values.broadcast_like(like).transpose(*like.dims).to_numpy()
    return whole.reshape(-1, like.sizes["run"])


def condition(
    draws: xr.Dataset,
    *,
    inducing: Mapping[str, np.ndarray],
    frontier: float,
    deepest: float = np.inf,
) -> Conditioned:
    """The processes given every draw of their parameters and weights.

    Parameters
    ----------
    draws : Dataset
        With the processes' parameters (chain, draw) and weights (chain, draw, inducing).
    inducing : mapping
        `params` and `tokens` of the inducing points: centred ln N and ln D (inducing).
    frontier : float
        Largest ln(N D)/sqrt(2) of the design's runs, centred.
    deepest : float
        Largest depth below the frontier of the runs that the draws saw.
    """
    theta = Parameters(
        **{
            name: draws[PREFIX + name].transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1)
            for name in PARAMETERS
        }
    )
    points = coordinates(inducing["params"], inducing["tokens"], frontier, np)
    weights = draws[WEIGHTS].transpose(*SAMPLE_DIMS, "inducing").to_numpy()
    weights = weights.reshape(-1, weights.shape[-1])
    samples, count = weights.shape
    inverse = np.empty((samples, count, count))
    for start in range(0, samples, _DRAWS_AT_ONCE):
        chunk = slice(start, start + _DRAWS_AT_ONCE)
        prior = covariance(_at(theta, chunk), points, points, np) * (1 + np.eye(count) * JITTER)
        inverse[chunk] = np.linalg.inv(np.linalg.cholesky(prior))
    return Conditioned(theta, points, frontier, deepest, inverse, weights)
