"""Model discrepancy: two Gaussian processes over a law's inputs, wider with distance from the data.

Both have Matern-5/2 covariance over the axes of `axes`, which for parameters and tokens are
ln(N D)/sqrt(2) and ln(D/N)/sqrt(2), in e-folds from the data's centre. The long one bends the whole
law, and is what widens intervals away from the data. The local one, larger the further a run lies
below the frontier of compute, takes up what only small runs do, so that it is not extrapolated.

Both are sampled jointly with the law, as weights: their values at inducing points, whitened by the
Cholesky factor of their prior covariance. Up to `inducing.MOST` runs each run is an inducing point,
and that is exact; beyond, the covariance is approximated (FITC: Snelson and Ghahramani 2006;
Quinonero-Candela and Rasmussen 2005), so the cost of a gradient grows as the number of runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.laws.base import Support
from bayescale.model.discrepancy.axes import COMPUTE, Axis

PREFIX = "discrepancy_"
WEIGHTS = PREFIX + "weights"
# Added to each inducing point's own variance, as a share of it, so that the Cholesky factor exists
# where two runs have the same inputs.
JITTER = 1e-8
# Draws conditioned at once, and draws times points: few enough that the arrays between steps stay
# in the processor's cache.
_DRAWS_AT_ONCE, _POINTS_AT_ONCE = 100, 1_000


def parameters(axes: Sequence[Axis]) -> dict[str, tuple[Support, str]]:
    """Name of each parameter of the processes, to its support and meaning."""
    found: dict[str, tuple[Support, str]] = {
        "amplitude": ("positive", "size of the long process, as a share of the response")
    }
    for axis in axes:
        found[f"length_{axis.name}"] = ("positive", f"its length {axis.unit}")
    found["local_amplitude"] = ("positive", "size of the local process at the frontier, a share")
    if COMPUTE in axes:
        meaning = "growth of its size per e-fold below the frontier, in logs"
        found["local_growth"] = ("real", meaning)
    return found


class Parameters(NamedTuple):
    """The processes' parameters: scalars, or draws as (sample, 1)."""

    amplitude: Any
    local_amplitude: Any
    local_growth: Any
    lengths: tuple[Any, ...]  # an axis each, as are those of the local process, which are fixed
    local_lengths: tuple[Any, ...]

    @classmethod
    def named(
        cls, axes: Sequence[Axis], values: Mapping[str, Any], local_lengths: Sequence[float]
    ) -> Parameters:
        """From values by the names in `parameters`."""
        growth = values["local_growth"] if COMPUTE in axes else np.zeros(1)
        return cls(
            values["amplitude"],
            values["local_amplitude"],
            growth,
            tuple(values[f"length_{axis.name}"] for axis in axes),
            tuple(np.full(1, length) for length in local_lengths),
        )

    def at(self, chunk: Any) -> Parameters:
        """Those of some draws; what is fixed is the same for all."""

        def some(values: Any) -> Any:
            return values[chunk] if np.ndim(values) > 1 else values

        return Parameters(
            some(self.amplitude),
            some(self.local_amplitude),
            some(self.local_growth),
            tuple(map(some, self.lengths)),
            self.local_lengths,
        )


class Coordinates(NamedTuple):
    """Where runs lie for the processes.

    `places` holds each axis' coordinates (..., run); `depth` (..., run) is how far compute lies
    below the frontier, 0 beyond it and where there is no axis of compute.
    """

    places: tuple[Any, ...]
    depth: Any

    def at(self, chunk: Any) -> Coordinates:
        """Some of them, along the first dim."""
        return Coordinates(tuple(place[chunk] for place in self.places), self.depth[chunk])


def coordinates(axes: Sequence[Axis], x: Mapping[Any, Any], frontier: Any, xp: Any) -> Coordinates:
    """Coordinates of runs with these inputs, each (..., run), on its scale and centred."""
    places = tuple(axis.along(x) for axis in axes)
    if COMPUTE not in axes:
        return Coordinates(places, places[0] - places[0])  # with the dims of the runs
    below = frontier - places[0]
    return Coordinates(places, (below + xp.abs(below)) / 2)


def covariance(theta: Parameters, left: Coordinates, right: Coordinates, xp: Any) -> Any:
    """Prior covariance between the processes' sum at two sets of runs: (..., left, right)."""
    pairs = zip(left.places, right.places, strict=True)
    apart = [(a[..., :, None] - b[..., None, :]) ** 2 for a, b in pairs]
    long, local = (_matern(apart, each, xp) for each in (theta.lengths, theta.local_lengths))
    by_left, by_right = (local_deviation(theta, runs, xp) for runs in (left, right))
    long_variance = theta.amplitude[..., None] ** 2
    return long_variance * long + by_left[..., :, None] * by_right[..., None, :] * local


def local_deviation(theta: Parameters, runs: Coordinates, xp: Any) -> Any:
    """Prior standard deviation of the local process: (..., run)."""
    return theta.local_amplitude * xp.exp(theta.local_growth * runs.depth)


def variance(theta: Parameters, runs: Coordinates, xp: Any) -> Any:
    """Prior variance of the processes' sum: (..., run)."""
    return theta.amplitude**2 + local_deviation(theta, runs, xp) ** 2


def _matern(squares_apart: Sequence[Any], lengths: Sequence[Any], xp: Any) -> Any:
    """Matern-5/2 correlation at squared differences (..., left, right), an axis each, for lengths
    () or (..., 1)."""
    squares = 1e-12  # off 0, where the root has no slope
    for square, length in zip(squares_apart, lengths, strict=True):
        squares = squares + square * (5 / length[..., None] ** 2)
    t = xp.sqrt(squares)
    return (1 + t + t * t / 3) * xp.exp(-t)


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The processes given every draw of their weights, at any points.

    Attributes
    ----------
    axes : tuple of Axis
    theta : Parameters
        Each (sample, 1).
    inducing : Coordinates
        Of the inducing points: each (inducing).
    frontier : float
        Largest ln(N D)/sqrt(2) of the design's runs, centred; not a number without such an axis.
    deepest : float
        Largest depth of the runs that were seen: further down the local process, which grows with
        depth, is taken to be as large as there, as no run tells of it.
    inverse : ndarray (sample, inducing, inducing)
        Inverse of the Cholesky factor of the covariance among the inducing points.
    weights : ndarray (sample, inducing)
        Values at the inducing points, whitened by that factor.
    """

    axes: tuple[Axis, ...]
    theta: Parameters
    inducing: Coordinates
    frontier: float
    deepest: float
    inverse: np.ndarray
    weights: np.ndarray

    def at(self, x: Mapping[Any, xr.DataArray], like: xr.DataArray) -> xr.Dataset:
        """Mean and standard deviation of the discrepancy at points, for every draw.

        Parameters
        ----------
        x : mapping
            The law's inputs, centred: (run), or with dims (chain, draw) as well.
        like : DataArray
            (chain, draw, run): the shape of the answer.

        Returns
        -------
        Dataset
            `mean` and `sd` (chain, draw, run), as shares of the response.
        """
        points = self._coordinates(x, like)
        samples, count = len(self.weights), like.sizes["run"]
        mean, sd = np.empty((samples, count)), np.empty((samples, count))
        for chunk, chunk_points in _chunks(points):
            basis = self._basis(chunk, chunk_points)
            mean[chunk] = np.einsum("sip,si->sp", basis, self.weights[chunk])
            left = variance(self.theta.at(chunk), chunk_points, np) - (basis**2).sum(1)
            sd[chunk] = np.sqrt(np.maximum(left, 0))
        shape = like.shape
        return xr.Dataset(
            {
                "mean": like.copy(data=mean.reshape(shape)),
                "sd": like.copy(data=sd.reshape(shape)),
            }
        )

    def at_draws(
        self, draw: np.ndarray, x: Mapping[Any, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the discrepancy, each cell for one draw.

        Parameters
        ----------
        draw : ndarray of int (cell)
            Position of the draw, over all chains.
        x : mapping
            The law's inputs, centred: ndarray (cell).

        Returns
        -------
        mean, sd : ndarray (cell)
            Shares of the response.
        """
        columns = {name: values[:, None] for name, values in x.items()}
        points = self._capped(coordinates(self.axes, columns, self.frontier, np))
        mean, sd = np.empty(len(draw)), np.empty(len(draw))
        for start in range(0, len(draw), _POINTS_AT_ONCE):
            cells = slice(start, start + _POINTS_AT_ONCE)
            theta, here = self.theta.at(draw[cells]), points.at(cells)
            across = covariance(theta, self.inducing, here, np)[..., 0]
            basis = np.einsum("cij,cj->ci", self.inverse[draw[cells]], across)
            mean[cells] = (basis * self.weights[draw[cells]]).sum(1)
            left = variance(theta, here, np)[:, 0] - (basis**2).sum(1)
            sd[cells] = np.sqrt(np.maximum(left, 0))
        return mean, sd

    def joint_log_density(
        self,
        x: Mapping[Any, xr.DataArray],
        residual: xr.DataArray,
        noise: xr.DataArray,
    ) -> xr.DataArray:
        """Joint log density of residuals of new runs, for every draw: (chain, draw), nats.

        Parameters
        ----------
        x : mapping
            The law's inputs, centred: (run), or with dims (chain, draw) as well.
        residual : DataArray
            Response minus law as a share of the response: (chain, draw, run).
        noise : DataArray
            Variance of the observation noise, in squared shares: (chain, draw[, run]).
        """
        points = self._coordinates(x, residual)
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
        x: Mapping[Any, xr.DataArray],
        like: xr.DataArray,
        rng: np.random.Generator,
    ) -> xr.DataArray:
        """The discrepancy at points, drawn for all of them together.

        The cost grows as the third power of the number of points.

        Parameters
        ----------
        x : mapping
            The law's inputs, centred: (run), or with dims (chain, draw) as well.
        like : DataArray
            The shape of the answer: (chain, draw, run).
        rng : Generator

        Returns
        -------
        DataArray (chain, draw, run)
            Shares of the response.
        """
        points = self._coordinates(x, like)
        whitened = rng.standard_normal(points.depth.shape)
        drawn = np.empty_like(whitened)
        jitter = np.sqrt(JITTER) * np.eye(like.sizes["run"])  # points may coincide
        for chunk, chunk_points in _chunks(points):
            mean, joint = self._joint(chunk, chunk_points)
            joint += variance(self.theta.at(chunk), chunk_points, np)[..., None] * jitter
            factor = np.linalg.cholesky(joint)
            drawn[chunk] = mean + np.einsum("sij,sj->si", factor, whitened[chunk])
        return like.copy(data=drawn.reshape(like.shape))

    def _joint(self, chunk: slice, points: Coordinates) -> tuple[np.ndarray, np.ndarray]:
        """Mean (sample, run) and covariance (sample, run, run) at points, given the weights."""
        basis = self._basis(chunk, points)
        mean = np.einsum("sip,si->sp", basis, self.weights[chunk])
        prior = covariance(self.theta.at(chunk), points, points, np)
        return mean, prior - basis.swapaxes(1, 2) @ basis

    def _coordinates(self, x: Mapping[Any, xr.DataArray], like: xr.DataArray) -> Coordinates:
        """Of points, each (sample, run)."""
        names = dict.fromkeys(name for axis in self.axes for name in axis.weights)
        flat = {name: flat_points(x[name], like) for name in names}
        return self._capped(coordinates(self.axes, flat, self.frontier, np))

    def _capped(self, points: Coordinates) -> Coordinates:
        return points._replace(depth=np.minimum(points.depth, self.deepest))

    def _basis(self, chunk: slice, points: Coordinates) -> np.ndarray:
        """Values at points for each weight of 1: (sample, inducing, run)."""
        return self.inverse[chunk] @ covariance(self.theta.at(chunk), self.inducing, points, np)


def _chunks(points: Coordinates) -> Iterator[tuple[slice, Coordinates]]:
    """Samples of points (sample, run), some at a time."""
    samples, count = points.depth.shape
    step = min(_DRAWS_AT_ONCE, max(1, _POINTS_AT_ONCE // count))
    for start in range(0, samples, step):
        chunk = slice(start, start + step)
        yield chunk, points.at(chunk)


def flat_points(values: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Values as (sample, run) in the order of `like`: (chain, draw, run)."""
    whole = values.broadcast_like(like).transpose(*like.dims).to_numpy()
    return whole.reshape(-1, like.sizes["run"])


def condition(
    draws: xr.Dataset,
    *,
    axes: Sequence[Axis],
    local_lengths: Sequence[float],
    inducing: Mapping[str, np.ndarray],
    frontier: float,
    deepest: float = np.inf,
) -> Conditioned:
    """The processes given every draw of their parameters and weights.

    Parameters
    ----------
    draws : Dataset
        With the processes' parameters (chain, draw) and weights (chain, draw, inducing).
    axes : sequence of Axis
    local_lengths : sequence of float
        Of the local process, along each.
    inducing : mapping
        The law's inputs at the inducing points, centred: (inducing).
    frontier : float
        Largest ln(N D)/sqrt(2) of the design's runs, centred.
    deepest : float
        Largest depth below the frontier of the runs that the draws saw.
    """
    named = {
        name: draws[PREFIX + name].transpose(*SAMPLE_DIMS).to_numpy().reshape(-1, 1)
        for name in parameters(axes)
    }
    theta = Parameters.named(axes, named, local_lengths)
    points = coordinates(axes, inducing, frontier, np)
    weights = draws[WEIGHTS].transpose(*SAMPLE_DIMS, "inducing").to_numpy()
    weights = weights.reshape(-1, weights.shape[-1])
    samples, count = weights.shape
    inverse = np.empty((samples, count, count))
    for start in range(0, samples, _DRAWS_AT_ONCE):
        chunk = slice(start, start + _DRAWS_AT_ONCE)
        prior = covariance(theta.at(chunk), points, points, np) * (1 + np.eye(count) * JITTER)
        inverse[chunk] = np.linalg.inv(np.linalg.cholesky(prior))
    return Conditioned(tuple(axes), theta, points, frontier, deepest, inverse, weights)
