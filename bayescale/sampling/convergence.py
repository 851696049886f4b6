"""Convergence: whether the chains agree, and what to say where they do not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note
from bayescale.sampling.diagnostics import diagnostics

R_HAT_MOST, R_HAT_NEAR = 1.01, 1.02
ESS_LEAST = 400
# Share of draws whose trajectory was cut at the largest tree depth.
SATURATED_MOST = 0.05
# Below this the energy moves too slowly for the tails (Betancourt, arXiv 1604.00695).
BFMI_LEAST = 0.3
# By nutpie's and by PyMC's name.
_DEPTH_REACHED = ("maxdepth_reached", "reached_max_treedepth")
# In place of an R-hat that is infinite or undefined: chains stuck at different values. JSON has no
# infinity.
_R_HAT_STUCK = 1e6


@dataclass(frozen=True)
class Convergence:
    """Whether the chains agree, over everything that was sampled or derived.

    Attributes
    ----------
    r_hat : float
        Largest rank-normalised split R-hat; 1e6 where it is infinite or undefined.
    ess_bulk, ess_tail : float
        Smallest effective sample sizes.
    divergences : int
    worst : str
        The quantity with the smallest bulk ESS.
    saturated : float, optional
        Share of draws whose trajectory was cut at the largest tree depth.
    bfmi : float, optional
        Smallest Bayesian fraction of missing information of a chain.
    """

    r_hat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    worst: str
    saturated: float | None = None
    bfmi: float | None = None

    @property
    def passed(self) -> bool:
        """True if the numbers may be used."""
        return self.mixed and self.divergences == 0

    @property
    def mixed(self) -> bool:
        """True if the chains agree and hold enough effective draws."""
        return self.r_hat <= R_HAT_MOST and min(self.ess_bulk, self.ess_tail) >= ESS_LEAST

    @property
    def near(self) -> bool:
        """True if twice as many chains may do: each explores, but they do not yet agree."""
        effective = min(self.ess_bulk, self.ess_tail)
        return self.divergences == 0 and self.r_hat <= R_HAT_NEAR and effective >= ESS_LEAST / 2

    def to_dict(self) -> dict[str, Any]:
        """The fields and the verdict, as plain values."""
        return {**asdict(self), "passed": self.passed}

    def notes(self) -> list[Note]:
        """What failed or is doubtful, if anything."""
        notes = []
        if not self.mixed:
            notes.append(
                Note(
                    "unconverged",
                    "failure",
                    f"R-hat {self.r_hat:.3f} (at most {R_HAT_MOST}), effective draws "
                    f"{self.ess_bulk:.0f} bulk and {self.ess_tail:.0f} tail "
                    f"(at least {ESS_LEAST}), worst {self.worst}",
                    "do not use the numbers; draw more, or simplify the spec",
                )
            )
        if self.divergences:
            notes.append(
                Note(
                    "divergences",
                    "failure",
                    f"{self.divergences} divergent transitions",
                    "tune longer, or use a tighter prior on the standard deviation that is small",
                )
            )
        if self.saturated is not None and self.saturated > SATURATED_MOST:
            notes.append(
                Note(
                    "tree-depth",
                    "warning",
                    f"{self.saturated:.0%} of the draws ended at the largest tree depth, so "
                    "neighbouring draws are more alike than they could be",
                    "the draws are valid; tune longer, or use tighter priors",
                )
            )
        if self.bfmi is not None and self.bfmi < BFMI_LEAST:
            notes.append(
                Note(
                    "low-bfmi",
                    "warning",
                    f"Bayesian fraction of missing information {self.bfmi:.2f} (at least "
                    f"{BFMI_LEAST}): the tails may not be explored",
                    "draw more, or use tighter priors on the standard deviations",
                )
            )
        return notes


def effective(posterior: xr.Dataset) -> tuple[float, bool]:
    """Effective draws of the quantity that has the fewest, and whether all R-hats are in order.

    The bulk ESS, or twice the tail ESS where that is smaller.
    """
    found = diagnostics(_varying(posterior)[1])
    effective_draws = min(found.ess_bulk.min(), 2 * found.ess_tail.min())
    return float(effective_draws), bool(found.r_hat.max() <= R_HAT_MOST)


def judge(posterior: xr.Dataset, sample_stats: xr.Dataset) -> Convergence:
    """Convergence of all variables in a posterior; constants have none and are passed over.

    Parameters
    ----------
    posterior : Dataset
        (chain, draw, ...).
    sample_stats : Dataset
        nutpie's or PyMC's: (chain, draw).
    """
    import arviz_stats  # takes a second to load, and a prediction does without

    names, draws = _varying(posterior)
    found = diagnostics(draws)
    r_hat = np.where(found.r_hat < _R_HAT_STUCK, found.r_hat, _R_HAT_STUCK)
    bulk, tail = np.nan_to_num(found.ess_bulk), np.nan_to_num(found.ess_tail)
    reached = [name for name in _DEPTH_REACHED if name in sample_stats]
    return Convergence(
        r_hat=float(r_hat.max()),
        ess_bulk=float(bulk.min()),
        ess_tail=float(tail.min()),
        divergences=int(sample_stats["diverging"].sum()),
        worst=names[int(bulk.argmin())],
        saturated=float(sample_stats[reached[0]].mean()) if reached else None,
        bfmi=float(arviz_stats.bfmi(sample_stats)["energy"].min()),
    )


def _varying(posterior: xr.Dataset) -> tuple[list[str], np.ndarray]:
    """Names of all scalars of a posterior but constants, and draws (quantity, chain, draw)."""
    names: list[str] = []
    rows: list[np.ndarray] = []
    for name, variable in posterior.data_vars.items():
        draws = variable.transpose(..., *SAMPLE_DIMS)
        inner = draws.dims[:-2]
        for where in np.ndindex(draws.shape[:-2]):
            each = draws.values[where]
            if each.max() != each.min():  # not a number: varies
                labels = [str(draws[dim].values[i]) for dim, i in zip(inner, where, strict=True)]
                names.append(f"{name}[{', '.join(labels)}]" if labels else str(name))
                rows.append(each)
    return names, np.array(rows)


def draws_needed(made: int, found: float, *, agree: bool, ess: int) -> float:
    """Draws of a chain that would have `ess` effective ones, going by those made.

    Parameters
    ----------
    made : int
        Draws of each chain.
    found, agree
        As `effective` gives them of these draws.
    ess : int
        Effective draws asked for.
    """
    if found >= ess and agree:
        return made
    missing = 1.1 * ess / max(found, 1.0)
    return made * float(np.clip(missing, 1.0 if agree else 1.3, 3.0))
