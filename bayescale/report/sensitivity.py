"""Sensitivity: how much of each constant and each forecast the priors decide, by power-scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.intervals import flat
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.priors import log_density

# Above this share of the precision the prior gives more of it than the runs.
PRECISION_MOST = 0.5
# Interval widths by which a median may move when the prior is taken twice.
WIDTHS_MOST = 0.25


@dataclass(frozen=True)
class Sensitivity:
    """What the priors decide of a constant or of a forecast.

    Attributes
    ----------
    name : str
    precision : float
        The prior's share of the posterior precision: 0 where the runs alone decide the width of
        the interval, 1 where the prior does.
    shift : float
        How far the median moves if the prior is taken twice, in widths of the interval.
    """

    name: str
    precision: float
    shift: float

    @property
    def high(self) -> bool:
        """True if the prior decides more than the runs, or moves the interval far."""
        return self.precision > PRECISION_MOST or self.shift > WIDTHS_MOST


def sensitivities(fit: Fit) -> list[Sensitivity]:
    """What the priors decide of each published constant, most first.

    Raising the prior to a power changes the mean of a quantity at a rate that is its covariance
    with the log prior (Kallioinen et al., arXiv 2107.14054). The variance of a Normal posterior
    changes at a rate that is, relative to it, minus the prior's share of the precision. Constants
    are rank-normalised first, so neither their units nor their tails matter. Group effects and
    other values whose distribution has parameters of its own are not scaled.
    """
    density = _log_prior(fit)
    return sorted(
        (
            _scaled(f"{name}{label}", draws, density)
            for name in fit.spec.law.units
            for label, draws in _cells(flat(fit.posterior[name]))
        ),
        key=_most,
        reverse=True,
    )


def of_forecasts(fit: Fit, curve: xr.DataArray) -> list[Sensitivity]:
    """What the priors decide of the curve at each point (and corpus), in their order.

    Parameters
    ----------
    fit : Fit
    curve : DataArray (chain, draw, run[, corpus])
        Draws of the curve, as `Fit.predict` gives them.
    """
    density = _log_prior(fit)
    draws = flat(curve).transpose("run", ..., "sample")
    names = np.broadcast_to(
        draws["run"].to_numpy().reshape(-1, *[1] * (draws.ndim - 2)), draws.shape[:-1]
    )
    each = draws.to_numpy().reshape(-1, draws.sizes["sample"])
    return [_scaled(str(n), d, density) for n, d in zip(names.ravel(), each, strict=True)]


def _log_prior(fit: Fit) -> np.ndarray:
    """Log density of each draw (sample) under the priors that the spec states."""
    priors = fit.spec.all_priors()
    each = [log_density(prior, flat(fit.posterior[name])) for name, prior in priors.items()]
    return np.asarray(sum(d.sum(set(d.dims) - {"sample"}).to_numpy() for d in each))


def _scaled(name: str, draws: np.ndarray, density: np.ndarray) -> Sensitivity:
    """Of draws (sample), given the log density of the priors at each."""
    normal = scipy.stats.norm.ppf((scipy.stats.rankdata(draws) - 0.375) / (len(draws) + 0.25))
    precision = -np.cov(normal**2, density)[0, 1]
    shift = abs(np.cov(normal, density)[0, 1]) / (2 * scipy.stats.norm.ppf((1 + PROB) / 2))
    return Sensitivity(name, float(precision), float(shift))


def _most(of: Sensitivity) -> float:
    """The larger of the two, each relative to what it may be."""
    return max(of.precision / PRECISION_MOST, of.shift / WIDTHS_MOST)


def _cells(values: xr.DataArray) -> list[tuple[str, np.ndarray]]:
    """Draws of each value with its label in brackets, as `Fit.summary` names it."""
    if values.dims == ("sample",):
        return [("", values.to_numpy())]
    (dim,) = (dim for dim in values.dims if dim != "sample")
    return [(f"[{v}]", values.sel({dim: v}).to_numpy()) for v in values[dim].to_numpy()]
