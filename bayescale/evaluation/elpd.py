"""Elpd: log predictive density of runs that were left out, and its Monte Carlo error.

Draws do not know the effect of a group of which they saw no run, nor a latent token count of a run
that they did not see: both follow their priors. Their density given one value each per draw is a
noisy mean, as most values lie where the density is almost 0. So each draw gets many, spread evenly
by quasi-Monte Carlo, and the mean is taken over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import arviz_stats
import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.model.spec import Spec

# Values of each unknown effect that a draw gets, a power of 2 for Sobol's points. On the bundled
# table left out by family, more than 16 lessen the error of no family by a tenth.
VALUES = 32
# Values at once: arrays of draws are small, and each step with them takes longer than its numbers.
_AT_ONCE = 8


def log_mean(density: xr.DataArray, log_weights: xr.DataArray | None = None) -> xr.Dataset:
    """Log of the mean density over draws.

    Parameters
    ----------
    density : DataArray (chain, draw[, value][, run])
        Log density, nats; `value` are those of what a draw does not know, see `redrawn`.
    log_weights : DataArray (chain, draw[, run]), optional
        Importance weights of the draws, to any constant; by default all count alike.

    Returns
    -------
    Dataset
        `elpd` ([run]): the log of the mean, nats. `mcse` (): Monte Carlo standard error of its sum
        over runs, which have the draws in common; by the delta method and the draws' effective
        number.
    """
    others = [dim for dim in density.dims if dim == "value"]
    highest = density.max([*SAMPLE_DIMS, *others])
    relative = xr.apply_ufunc(np.exp, density - highest).mean(others)
    if log_weights is None:
        log_weights = xr.zeros_like(relative)
    weights = xr.apply_ufunc(np.exp, log_weights - log_weights.max(SAMPLE_DIMS))
    weights = weights / weights.sum(SAMPLE_DIMS)
    mean = (weights * relative).sum(SAMPLE_DIMS)
    error = weights * (relative / mean - 1)
    error = error.sum([dim for dim in error.dims if dim not in SAMPLE_DIMS])
    effective = arviz_stats.ess(error.transpose(*SAMPLE_DIMS), method="mean")
    variance = (error**2).sum() * error.size / effective
    return xr.Dataset({"elpd": highest + np.log(mean), "mcse": np.sqrt(variance)})


def by_weight(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Positions (count) of draws, each as often as its weight says: systematic resampling."""
    positions = (rng.random() + np.arange(count)) / count
    chosen = np.searchsorted(np.cumsum(weights / weights.sum()), positions)
    return np.minimum(chosen, weights.size - 1)


@dataclass(frozen=True)
class _Unknown:
    """What a posterior has of some left-out runs alone: entries of one variable along one dim."""

    name: str
    dim: str
    entries: np.ndarray
    sd: Any

    def replaced(self, draws: xr.Dataset, whitened: np.ndarray) -> xr.DataArray:
        """The variable with entries `whitened` (value, chain, draw, entry) times their sd."""
        variable = draws[self.name].transpose(*SAMPLE_DIMS, self.dim, ...)
        variable = variable.expand_dims(value=len(whitened)).copy()
        block = variable[{self.dim: self.entries}]
        block = self.sd * block.copy(data=whitened.reshape(block.shape))
        variable[{self.dim: self.entries}] = block.transpose(*variable.dims)
        return variable

    def count(self, draws: xr.Dataset) -> int:
        """How many numbers these are in each draw."""
        others = [n for dim, n in draws[self.name].sizes.items() if dim not in SAMPLE_DIMS]
        return len(self.entries) * int(np.prod(others)) // draws.sizes[self.dim]


def _unknowns(
    spec: Spec, draws: xr.Dataset, data: xr.Dataset, out: np.ndarray, kept: np.ndarray
) -> Iterator[_Unknown]:
    for effect in spec.effect_list():
        index = data[f"{effect.group}_index"].to_numpy()
        entries = np.setdiff1d(index[out], index[kept])
        yield _Unknown(effect.name, effect.group, entries, draws[effect.sd_name])
    if "tokens_z" in draws:
        of_run = data["tokens_sd"].transpose("run", "latent").to_numpy() > 0
        entries = np.flatnonzero(of_run[out].any(0) & ~of_run[kept].any(0))
        yield _Unknown("tokens_z", "latent", entries, 1.0)


def redrawn(
    spec: Spec,
    draws: xr.Dataset,
    data: xr.Dataset,
    *,
    out: np.ndarray,
    kept: np.ndarray,
    seed: int,
    values: int = VALUES,
) -> Iterator[xr.Dataset]:
    """The draws again and again, with other values of what they do not know of left-out runs.

    Parameters
    ----------
    spec : Spec
    draws : Dataset
        Draws of everything in the model (chain, draw, ...), given the runs in `kept`.
    data : Dataset
        The arrays of a design, of all its runs.
    out, kept : ndarray of bool (run)
    seed : int
        Of the values.
    values : int
        How many each draw gets: a randomly shifted Sobol sequence.

    Yields
    ------
    Dataset
        As `draws`; once, and unchanged, where they know all that the left-out runs depend on.
        Otherwise with several values at once, along the dim `value`; but one after another where a
        discrepancy is conditioned on each.
    """
    unknowns = list(_unknowns(spec, draws, data, out, kept))
    ends = np.cumsum([unknown.count(draws) for unknown in unknowns])
    if not len(ends) or not ends[-1]:
        yield draws
        return
    rng = np.random.default_rng(seed)
    points = scipy.stats.qmc.Sobol(int(ends[-1]), rng=rng).random(values)
    shift = rng.random((draws.sizes["chain"], draws.sizes["draw"], int(ends[-1])))
    at_once = 1 if spec.discrepancy else _AT_ONCE
    for start in range(0, values, at_once):
        some = points[start : start + at_once, None, None]
        normal = scipy.stats.norm.ppf((some + shift) % 1)
        parts = zip(unknowns, np.split(normal, ends[:-1], axis=-1), strict=True)
        again = draws.assign({u.name: u.replaced(draws, part) for u, part in parts if part.size})
        yield again if at_once > 1 else again.isel(value=0)
