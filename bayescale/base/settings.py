"""Settings: how to sample, and how much an interval holds. Light enough for `--help`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from bayescale.base.errors import BayescaleError

# The share that an interval holds unless another is asked for.
PROB = 0.9


@dataclass(frozen=True)
class Settings:
    """How to sample. The defaults sample every shipped spec cleanly on its data.

    Attributes
    ----------
    draws, tune, chains : int
        `draws` and `tune` are per chain.
    seed : int
        The same seed gives the same draws.
    sampler : {"nutpie", "pymc"}
        nutpie, or PyMC's own NUTS.
    target_accept : float, optional
        Acceptance rate that the step size aims at; by default .98 with groups, .9 without.
    """

    draws: int = 3000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    sampler: Literal["nutpie", "pymc"] = "nutpie"
    target_accept: float | None = None

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
        return replace(self, **options)

    def __post_init__(self) -> None:
        for name, least in (("draws", 100), ("tune", 100), ("chains", 2), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise BayescaleError(f"{name}={value}: must be at least {least}")
        if self.sampler not in ("nutpie", "pymc"):
            raise BayescaleError(f"sampler={self.sampler!r}: use nutpie or pymc")
        if self.target_accept is not None and not 0.5 <= self.target_accept < 1:
            raise BayescaleError(f"target_accept={self.target_accept:g}: from 0.5 to below 1")


# Of a model without some of its runs; see `Sampler.refit`.
REFIT = Settings(draws=1500, tune=300, chains=2, target_accept=0.9)

# Of a model with a discrepancy: every gradient is dear, and few draws are as good as many.
DISCREPANCY = Settings(draws=750, tune=400, target_accept=0.9)
