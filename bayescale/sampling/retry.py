"""Retry policy: chains are sampled until they converge. The one policy, of fits and of refits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr

from bayescale.base.settings import Settings
from bayescale.sampling.convergence import Convergence

# How far apart the seeds of two attempts are.
_SEED_STEP = 1_000_003

type Draws = tuple[xr.Dataset, xr.Dataset]


@dataclass(frozen=True)
class Retry:
    """What was done about chains that did not converge.

    Attributes
    ----------
    convergence : Convergence
        Of these chains.
    action : {"joined", "replaced"}
        Whether the next chains joined them, so that all count together, or replaced them.
    settings : Settings
        Of the next chains.
    """

    convergence: Convergence
    action: Literal["joined", "replaced"]
    settings: Settings

    def __str__(self) -> str:
        if self.action == "joined":
            return "as many chains joined them, and all count together"
        draws, tune = self.settings.draws, self.settings.tune
        return f"chains of {draws} draws after {tune} of tuning replaced them"


@dataclass(frozen=True, eq=False)
class Sampled:
    """The chains that count.

    Attributes
    ----------
    posterior, stats : Dataset
        With dims (chain, draw, ...).
    convergence : Convergence
    settings : Settings
        Of these chains: how many, how long.
    retries : tuple of Retry
        One for each attempt but the last.
    """

    posterior: xr.Dataset
    stats: xr.Dataset
    convergence: Convergence
    settings: Settings
    retries: tuple[Retry, ...]


def until_converged(
    sample: Callable[[Settings], Draws],
    verdict: Callable[[xr.Dataset, xr.Dataset], Convergence],
    settings: Settings,
    attempts: int,
) -> Sampled:
    """Chains that converged, or what so many attempts gave.

    Where the chains are near, as many join them. Otherwise, and in the last attempt if it would be
    the first with them, longer chains with smaller steps replace them.

    Parameters
    ----------
    sample : callable
        Posterior and statistics of chains.
    verdict : callable
        How these converged.
    settings : Settings
        Of the first attempt.
    attempts : int
        At most.
    """
    current = settings
    chains: list[Draws] = []
    retries: list[Retry] = []
    while True:
        chains.append(sample(replace(current, seed=settings.seed + len(retries) * _SEED_STEP)))
        posterior, stats = (_joined(parts) for parts in zip(*chains, strict=True))
        convergence = verdict(posterior, stats)
        left = attempts - len(retries) - 1
        if convergence.passed or left == 0:
            used = replace(current, chains=current.chains * len(chains))
            return Sampled(posterior, stats, convergence, used, tuple(retries))
        if convergence.near and not (current == settings and left == 1):
            retries.append(Retry(convergence, "joined", current))
        else:
            # Longer than at first, not than the last time: the price has a bound.
            current = _longer(replace(settings, target_accept=current.target_accept), convergence)
            chains = []
            retries.append(Retry(convergence, "replaced", current))


def _joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """The chains of several attempts, numbered on and as long as the shortest."""
    if len(parts) == 1:
        return parts[0]
    least = min(part.sizes["draw"] for part in parts)
    cut = [part.isel(draw=slice(least)) for part in parts]
    together = xr.concat(cut, "chain", join="override")
    return together.assign_coords(chain=np.arange(together.sizes["chain"]))


def _longer(settings: Settings, convergence: Convergence) -> Settings:
    """How to sample again what did not converge: with smaller steps, and longer.

    Smaller still where any diverged; no longer where nothing else was wrong, as three times the
    draws have three times the chances.
    """
    smaller = 0.995 if convergence.divergences else max(0.98, settings.target_accept or 0)
    longer = 3 if settings.ess is None else 2  # those that stop by themselves are long already
    draws = settings.draws if convergence.mixed else longer * settings.draws
    return replace(settings, draws=draws, tune=2 * settings.tune, target_accept=smaller)
