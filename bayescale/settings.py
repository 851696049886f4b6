"""Settings: how to sample, and how much an interval holds. Light enough for `--help`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bayescale.errors import BayescaleError

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
    """

    draws: int = 3000
    tune: int = 2000
    chains: int = 4
    seed: int = 0
    sampler: Literal["nutpie", "pymc"] = "nutpie"

    def __post_init__(self) -> None:
        for name, least in (("draws", 100), ("tune", 100), ("chains", 2), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise BayescaleError(f"{name}={value}: must be at least {least}")
        if self.sampler not in ("nutpie", "pymc"):
            raise BayescaleError(f"sampler={self.sampler!r}: use nutpie or pymc")
