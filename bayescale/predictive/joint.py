"""Joint moments of the curve at many rows, and how much noise a run adds there.

What a run at one place would tell of the curve at another is in their covariance over the
posterior: that of the curves of the draws, and what each draw leaves open of the discrepancy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.model.curve import curve
from bayescale.model.discrepancy import process
from bayescale.model.scale import Scale, discrepancy_unit, noise_scale
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.predictive import Predictive

type Distribution = Predictive | Mixture

# Draws whose discrepancy's covariance is averaged: it varies between draws far less than the curve.
_DRAWS = 40


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the curve at rows, on the scale of the noise; of the response where members differ in it.

    Attributes
    ----------
    mean : ndarray (row)
    covariance : ndarray (row, row)
    noise : ndarray (row)
        Variance that a run's response adds: of the Normal that tells as much as the noise does,
        and of a run's own effect.
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray


def moments(of: Distribution, corpus: str | None = None) -> Moments:
    """Joint moments of the curve at all rows of a predictive distribution, or of a mixture.

    Parameters
    ----------
    of : Predictive or Mixture
    corpus : str, optional
        Whose response counts; by default the mean over all.

    Notes
    -----
    Of a mixture, members differ in their means, and that is covariance too. A Student's t noise
    with nu degrees of freedom and scale s tells of its middle as much as a Normal of variance
    s^2 (nu + 3) / (nu + 1) does (its Fisher information).
    """
    if isinstance(of, Predictive):
        return _of_one(of, corpus)
    members = each_moments(of, corpus)
    shares = np.array(of.weights)
    mean = np.tensordot(shares, np.array([member.mean for member in members]), 1)
    covariance = sum(
        share * (member.covariance + np.outer(member.mean - mean, member.mean - mean))
        for share, member in zip(shares, members, strict=True)
    )
    noise = np.tensordot(shares, np.array([member.noise for member in members]), 1)
    return Moments(mean, np.asarray(covariance), noise)


def each_moments(of: Mixture, corpus: str | None = None) -> list[Moments]:
    """Moments of each member of a mixture, of the response where their scales differ."""
    found = [_of_one(member, corpus) for member in of.members]
    if one_scale(of):
        return found
    return [_of_response(one, member.scale) for one, member in zip(found, of.members, strict=True)]


def one_scale(of: Distribution) -> bool:
    """True if noise is on one scale in all members of a mixture."""
    if isinstance(of, Predictive):
        return True
    return len({(type(one.scale), one.scale.low, one.scale.high) for one in of.members}) == 1


def _of_response(one: Moments, scale: Scale) -> Moments:
    """The same of the response itself, to first order."""
    mean = np.asarray(scale.back(xr.DataArray(one.mean, dims="run")))
    slope = np.asarray(scale.slope(xr.DataArray(mean, dims="run")))
    return Moments(mean, one.covariance * np.outer(slope, slope), one.noise * slope**2)


def _of_one(of: Predictive, corpus: str | None) -> Moments:
    def one(values: xr.DataArray) -> xr.DataArray:
        if "corpus" not in values.dims:
            return values
        return values.mean("corpus") if corpus is None else values.sel(corpus=corpus)

    law = curve(of.spec, of.values, of.inputs, np, without=("run",))
    law = of.scale.forward(law.transpose(*SAMPLE_DIMS, "run", ...), np)
    of_runs = one(of.scale.forward(of.law, np) - law)
    law = one(law)
    nu = of.noise.degrees_of_freedom(of.values)
    scale = noise_scale(of.spec, of.values) ** 2 * (1 + 3 / nu) / (1 + 1 / nu)
    noise = (scale + of_runs**2).mean(SAMPLE_DIMS)
    if "corpus" in noise.dims:
        noise = one(noise)
    noise = noise.broadcast_like(law.isel(chain=0, draw=0, drop=True)).to_numpy()
    left: np.ndarray | float = 0.0
    if of.conditioned is not None:
        unit = discrepancy_unit(of.spec, of.values)
        shares = of.conditioned.at(of.inputs, law)
        law = law + shares["mean"] * unit
        left = _left_open(of, law) * float(np.mean(unit**2))
    flat = law.transpose(*SAMPLE_DIMS, "run").to_numpy().reshape(-1, law.sizes["run"])
    return Moments(flat.mean(0), np.atleast_2d(np.cov(flat.T, ddof=0)) + left, noise)


def _left_open(of: Predictive, like: xr.DataArray) -> np.ndarray:
    """Covariance (row, row) of the discrepancy given its weights, the mean over draws."""
    given = of.conditioned
    assert given is not None
    names = dict.fromkeys(name for axis in given.axes for name in axis.weights)
    flat = {name: process.flat_points(of.inputs[name], like) for name in names}
    samples, count = next(iter(flat.values())).shape
    picked = np.unique(np.linspace(0, samples - 1, _DRAWS).astype(int))
    total = np.zeros((count, count))
    for draw in picked:
        here = slice(draw, draw + 1)
        points = process.coordinates(
            given.axes, {name: values[here] for name, values in flat.items()}, given.frontier, np
        )
        points = points._replace(depth=np.minimum(points.depth, given.deepest))
        theta = given.theta.at(here)
        basis = given.inverse[here] @ process.covariance(theta, given.inducing, points, np)
        total += (process.covariance(theta, points, points, np) - basis.swapaxes(1, 2) @ basis)[0]
    return total / len(picked)


def some_draws(of: Predictive, kept: np.ndarray) -> Predictive:
    """The same distribution by some of its draws, whose positions over all chains are `kept`."""

    def picked(values: xr.DataArray) -> xr.DataArray:
        if "draw" not in values.dims:
            return values
        stacked = (
            values.stack(sample=SAMPLE_DIMS)
            .isel(sample=kept)
            .drop_vars(["sample", *SAMPLE_DIMS], errors="ignore")
        )
        return stacked.rename(sample="draw").expand_dims(chain=1)

    given = of.conditioned
    if given is not None:
        given = replace(
            given,
            theta=given.theta.at(kept),
            inverse=given.inverse[kept],
            weights=given.weights[kept],
        )
    return replace(
        of,
        values=xr.Dataset({str(n): picked(v) for n, v in of.values.items()}),
        inputs={n: picked(v) for n, v in of.inputs.items()},
        conditioned=given,
    )


def some_rows(of: Distribution, rows: np.ndarray) -> Distribution:
    """The same distribution at some of its rows, by their positions."""
    if isinstance(of, Mixture):
        return _each(of, lambda member: some_rows(member, rows))
    inputs = {n: v.isel(run=rows) if "run" in v.dims else v for n, v in of.inputs.items()}
    return replace(of, inputs=inputs)


def thinned(of: Distribution, most: int) -> Distribution:
    """The same distribution by at most so many draws, of all chains alike."""
    if isinstance(of, Mixture):
        return _each(of, lambda member: thinned(member, most))
    sizes = xr.Dataset(dict(of.values)).sizes
    count = sizes["chain"] * sizes["draw"]
    if count <= most:
        return of
    return some_draws(of, np.linspace(0, count - 1, most).astype(int))


def _each(of: Mixture, change: Callable[[Predictive], Distribution]) -> Mixture:
    members = [change(member) for member in of.members]
    return replace(of, members=tuple(one for one in members if isinstance(one, Predictive)))
