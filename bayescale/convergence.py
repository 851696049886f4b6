"""Convergence: whether the chains agree, and what to say where they do not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from bayescale.notes import Note

R_HAT_MOST = 1.01
ESS_LEAST = 400


@dataclass(frozen=True)
class Convergence:
    """Whether the chains agree, over everything that was sampled or derived.

    Attributes
    ----------
    r_hat : float
        Largest rank-normalised split R-hat.
    ess_bulk, ess_tail : float
        Smallest effective sample sizes.
    divergences : int
    worst : str
        The quantity with the smallest bulk ESS.
    """

    r_hat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    worst: str

    @property
    def passed(self) -> bool:
        """True if the numbers may be used."""
        return self.mixed and self.divergences == 0

    @property
    def mixed(self) -> bool:
        """True if the chains agree and hold enough effective draws."""
        return self.r_hat <= R_HAT_MOST and min(self.ess_bulk, self.ess_tail) >= ESS_LEAST

    def to_dict(self) -> dict[str, Any]:
        """The fields and the verdict, as plain values."""
        return {**asdict(self), "passed": self.passed}

    def notes(self) -> list[Note]:
        """What failed, if anything."""
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
        return notes


def judge(posterior: xr.Dataset, sample_stats: xr.Dataset) -> Convergence:
    """Convergence of all variables in a posterior."""
    r_hat = _each(arviz_stats.rhat(posterior))
    bulk = _each(arviz_stats.ess(posterior, method="bulk"))
    tail = _each(arviz_stats.ess(posterior, method="tail"))
    worst = min(bulk, key=lambda name: bulk[name])
    return Convergence(
        r_hat=max(r_hat.values()),
        ess_bulk=bulk[worst],
        ess_tail=min(tail.values()),
        divergences=int(sample_stats["diverging"].sum()),
        worst=worst,
    )


def _each(diagnostic: xr.Dataset) -> dict[str, float]:
    """Every value by the label of its quantity; a constant has none."""
    said = {}
    for name, values in diagnostic.data_vars.items():
        for where in np.ndindex(values.shape):
            labels = [str(values[dim].values[i]) for dim, i in zip(values.dims, where, strict=True)]
            label = f"{name}[{', '.join(labels)}]" if labels else str(name)
            if np.isfinite(values.values[where]):
                said[label] = float(values.values[where])
    return said
