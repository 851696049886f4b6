"""Settings: how to sample, and how much an interval holds. Light enough for `--help`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any, Literal

from bayescale.base.errors import BayescaleError

# The share that an interval holds unless another is asked for.
PROB = 0.9

# Least and most of each setting: fewer draws say nothing, more do not fit in memory.
_BOUNDS = {
    "draws": (100, 1_000_000),
    "tune": (100, 1_000_000),
    "chains": (2, 1_000),
    "seed": (0, 2**63 - 1),
    "ess": (100, 1_000_000),
}
# Kept draws of all chains together: with a hundred quantities each, 8 GB.
_DRAWS_MOST = 10_000_000


@dataclass(frozen=True)
class Settings:
    """How to sample. The defaults sample every shipped spec cleanly on its data.

    Attributes
    ----------
    draws, tune : int
        Per chain, from 100 to a million.
    ess : int, optional
        Stop before all draws are made, once every quantity has so many effective draws, half as
        many in its tails, and an R-hat of at most 1.01; None makes all draws.
    chains : int
        From 2 to 1,000; all keep at most ten million draws.
    seed : int
        The same seed gives the same draws; below 2**63.
    sampler : {"nutpie", "pymc"}
        nutpie, or PyMC's own NUTS.
    target_accept : float, optional
        Acceptance rate that the step size aims at; by default as the spec and its runs need.
    """

    draws: int = 3000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    sampler: Literal["nutpie", "pymc"] = "nutpie"
    target_accept: float | None = None
    ess: int | None = None

    def replace(self, **options: Any) -> Settings:
        """The same settings but for those named.

        Raises
        ------
        BayescaleError
            If there is no such setting, or its value is none.
        """
        known = [field.name for field in fields(self)]
        for name in options:
            if name not in known:
                raise BayescaleError(f"setting {name!r} is unknown; known: {', '.join(known)}")
        if "draws" in options:  # so many, unless told to stop before
            options = {"ess": None, **options}
        return replace(self, **options)

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value: Any = getattr(self, name)
            if name == "ess" and value is None:
                continue
            if not isinstance(value, Integral):
                raise BayescaleError(f"{name}={value!r}: must be a whole number")
            if not least <= int(value) <= most:
                raise BayescaleError(f"{name}={value}: must lie between {least} and {most}")
        if self.chains * self.draws > _DRAWS_MOST:
            raise BayescaleError(
                f"chains={self.chains}, draws={self.draws}: {self.chains * self.draws} draws in "
                f"all, at most {_DRAWS_MOST} fit in memory; ask for fewer"
            )
        if self.sampler not in ("nutpie", "pymc"):
            raise BayescaleError(f"sampler={self.sampler!r}: use nutpie or pymc")
        if self.target_accept is not None and not 0.5 <= self.target_accept < 1:
            raise BayescaleError(f"target_accept={self.target_accept:g}: from 0.5 to below 1")


# Of a spec on its own table.
USUAL = Settings(ess=1000)

# Of a model with a discrepancy. Most tables take 500 draws a chain; where a run may be an outlier
# or the local process's, the posterior has two modes, and thousands are needed.
DISCREPANCY = Settings(draws=4000, tune=200, ess=1000)

# Of a model without some of its runs; see `Sampler.refit`.
REFIT = Settings(draws=2000, tune=300, chains=2, target_accept=0.9, ess=1000)
REFIT_DISCREPANCY = Settings(draws=4000, tune=200, ess=500)
