"""Forecast: the predictive distribution of losses along a run, given what has been seen of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.intervals import check_prob
from bayescale.base.settings import PROB
from bayescale.model.curves.arrays import CurveArrays, Extent, points
from bayescale.model.curves.density import CurveDensity
from bayescale.model.curves.kernel import Places, between, covariance, noise_variance
from bayescale.runs.curves.curve import Curve
from bayescale.sampling.curves import SetupDraws


@dataclass(frozen=True)
class Forecast:
    """Losses that a run's checkpoints will have: law, discrepancy, wandering and noise.

    Attributes
    ----------
    run : str
    mean, sd : DataArray
        Of ln loss given each draw of the coordinates, dims (sample, position).
    draws : DataArray
        Losses, dims (sample, position); along a sample they are one possible curve.
    """

    run: str
    mean: xr.DataArray
    sd: xr.DataArray
    draws: xr.DataArray

    @property
    def end(self) -> xr.DataArray:
        """The last loss, dim sample."""
        return self.draws.isel(position=-1)

    def table(self, prob: float = PROB) -> pd.DataFrame:
        """Median and equal-tailed interval at each position."""
        tail = (1 - check_prob(prob)) / 2
        lower, median, upper = self.draws.quantile([tail, 0.5, 1 - tail], dim="sample").to_numpy()
        return pd.DataFrame(
            {
                "position": self.draws.coords["position"].to_numpy(),
                "median": median,
                "lower": lower,
                "upper": upper,
            }
        )

    def log_density(self, loss: np.ndarray) -> np.ndarray:
        """Log density of losses at the positions, in nats per unit of loss."""
        each = scipy.stats.norm.logpdf(np.log(loss), self.mean.to_numpy(), self.sd.to_numpy())
        return np.asarray(scipy.special.logsumexp(each, axis=0) - np.log(len(each)) - np.log(loss))

    def tail_probability(self, loss: np.ndarray) -> np.ndarray:
        """Probability of a loss at most as high, at each position."""
        each = scipy.stats.norm.cdf(np.log(loss), self.mean.to_numpy(), self.sd.to_numpy())
        return np.asarray(each.mean(axis=0))

    def probability_below(self, target: float) -> float:
        """Probability that the last loss is at most a target."""
        return float((self.end <= target).mean())


def forecast(
    density: CurveDensity,
    drawn: SetupDraws,
    *,
    setup: int,
    curve: Curve,
    index: int,
    positions: np.ndarray,
    extent: Extent,
    rng: np.random.Generator,
) -> Forecast:
    """Condition on all points of the run's setup, draw by draw.

    Parameters
    ----------
    density : CurveDensity
    drawn : SetupDraws
    setup : int
    curve : Curve
        Its schedule says what the learning rate will be.
    index : int
        Which of the setup's runs it is; another number for one that was not seen.
    positions : (point,) array
    extent : Extent
        Of the setup.
    rng : Generator
    """
    z, count = drawn.draws, len(drawn.draws)
    seen = density.of(setup, count)
    x, rate = points(curve, density.law, positions, extent)
    shape = (count, len(positions))

    def repeated(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, (count, *values.shape))

    data = CurveArrays(
        np.zeros(shape),
        np.ones(shape),
        np.full(shape, index),
        {name: repeated(values) for name, values in x.items()},
        repeated(rate),
    )
    here = Places(
        data.x["position"],
        data.rate,
        data.run,
        seen.places.slope,
        np.broadcast_to(density.varying(_single(data)), shape),
    )
    h = z[:, density.of_law :]
    inverse = np.linalg.inv(covariance(h, seen.places, seen.data.real))
    across = between(h, here, seen.places)
    gain = across @ inverse
    mean = density.curve(z, data) + np.einsum("stn,sn->st", gain, seen.residual(z))
    full = between(h, here, here) - gain @ across.transpose(0, 2, 1)
    diagonal = np.arange(len(positions))
    full[:, diagonal, diagonal] += noise_variance(h)[:, None] + 1e-9
    sd = np.sqrt(np.maximum(full[:, diagonal, diagonal], 1e-12))
    normal = rng.standard_normal(shape)
    paths = np.einsum("stk,sk->st", _root(full), normal)
    dims, coords = ("sample", "position"), {"position": positions}
    return Forecast(
        curve.run,
        xr.DataArray(mean, dims=dims, coords=coords),
        xr.DataArray(sd, dims=dims, coords=coords),
        xr.DataArray(np.exp(mean + paths), dims=dims, coords=coords),
    )


def _single(data: CurveArrays) -> CurveArrays:
    """The first repeat alone: places do not depend on the draw."""
    return CurveArrays(
        data.loss[:1],
        data.real[:1],
        data.run[:1],
        {name: values[:1] for name, values in data.x.items()},
        data.rate[:1],
    )


def _root(full: np.ndarray) -> np.ndarray:
    """A square root of each covariance, which rounding may have made indefinite."""
    values, vectors = np.linalg.eigh(full)
    return vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
