"""Rounds: chains are sampled until they converge. The one policy, of fits and of refits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bayescale.base.settings import Settings
from bayescale.sampling.convergence import Convergence

# How far apart the seeds of two rounds are.
_NEXT = 1_000_003

type Draws = tuple[xr.Dataset, xr.Dataset]


@dataclass(frozen=True, eq=False)
class Sampled:
    """What the last chains gave.

    Attributes
    ----------
    posterior, stats : Dataset
    convergence : Convergence
    settings : Settings
        Of these chains: how many, how long.
    failed : list of (Convergence, str)
        For each round before: its verdict, and what was done then.
    """

    posterior: xr.Dataset
    stats: xr.Dataset
    convergence: Convergence
    settings: Settings
    failed: list[tuple[Convergence, str]]


def until_converged(
    sample: Callable[[Settings], Draws],
    verdict: Callable[[xr.Dataset, xr.Dataset], Convergence],
    settings: Settings,
    most: int,
) -> Sampled:
    """Chains that converged, or what `most` rounds gave.

    As many chains join where that may do; otherwise, and before the last round, longer ones take
    their place.

    Parameters
    ----------
    sample : callable
        Posterior and statistics of chains.
    verdict : callable
        How these converged.
    settings : Settings
        Of the first round.
    most : int
    """
    now, drawn = settings, []
    failed: list[tuple[Convergence, str]] = []
    for round_ in range(most):
        drawn.append(sample(replace(now, seed=settings.seed + round_ * _NEXT)))
        posterior, stats = (_joined(parts) for parts in zip(*drawn, strict=True))
        convergence = verdict(posterior, stats)
        if convergence.passed or round_ == most - 1:
            break
        is_first = now.tune == settings.tune
        if convergence.near and not (is_first and round_ == most - 2):
            done = "as many chains joined them"
        else:
            # Longer than at first, not than the last time: the price has a bound.
            now = _longer(replace(settings, target_accept=now.target_accept), convergence)
            drawn = []
            done = f"{now.draws} a chain after {now.tune} were drawn instead"
        failed.append((convergence, done))
    used = replace(now, chains=now.chains * len(drawn))
    return Sampled(posterior, stats, convergence, used, failed)


def _joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """The chains of several rounds, numbered on."""
    if len(parts) == 1:
        return parts[0]
    together = xr.concat(parts, "chain", join="override")
    return together.assign_coords(chain=np.arange(together.sizes["chain"]))


def _longer(settings: Settings, failed: Convergence) -> Settings:
    """How to sample again what did not converge: with smaller steps, and longer.

    Smaller still where any diverged; no longer where nothing else was wrong, as three times the
    draws have three times the chances.
    """
    smaller = 0.995 if failed.divergences else max(0.98, settings.target_accept or 0)
    draws = settings.draws if failed.mixed else 3 * settings.draws
    return replace(settings, draws=draws, tune=2 * settings.tune, target_accept=smaller)
