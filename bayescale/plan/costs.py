"""Costs of training and serving a model, in FLOP or in money.

Sardana & Frankle 2023 (arXiv 2401.00448): training costs 6 N D FLOP, serving 2 N for each token
read or written. With a price and a utilisation for each, the same in money.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.base.toml import validated
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN, FLOP_PER_SERVED_TOKEN

# What there is to pay, by key, as people read it.
COSTS = {"training": "training", "serving": "serving", "total": "both"}


class Use(BaseModel):
    """A kind of work: what an hour of the hardware costs, and how much of it is put to use.

    Attributes
    ----------
    dollars_per_hour : float
        Of one accelerator.
    flops_per_second : float
        Its peak, in the precision used.
    utilisation : float
        Share of the peak that is reached.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dollars_per_hour: float = Field(gt=0, allow_inf_nan=False)
    flops_per_second: float = Field(gt=0, allow_inf_nan=False)
    utilisation: float = Field(gt=0, le=1)

    @property
    def per_flop(self) -> float:
        """Dollars for one FLOP."""
        return self.dollars_per_hour / (3600 * self.flops_per_second * self.utilisation)


class Prices(BaseModel):
    """What training, reading a prompt and writing an answer cost; a file in `models/prices/`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    training: Use
    prompt: Use
    generation: Use

    @classmethod
    def load(cls, source: str | Path) -> Prices:
        """Read prices: shipped ones by name, or a TOML file by its path.

        Raises
        ------
        BayescaleError
            If the file cannot be read or a number in it is impossible.
        """
        return validated(cls, bundled.read_input("prices", source), source)


@dataclass(frozen=True)
class Costs:
    """Cost of a parameter: for each token trained on, and for all tokens served.

    Attributes
    ----------
    unit : {"FLOP", "dollars"}
    training, serving : float
    """

    unit: str
    training: float
    serving: float

    @classmethod
    def of(
        cls, prices: Prices | None, prompt_tokens: float = 0.0, generated_tokens: float = 0.0
    ) -> Costs:
        """Costs with these tokens read and written over the model's lifetime.

        Raises
        ------
        BayescaleError
            If a number of tokens is negative or not finite.
        """
        served = {"prompt_tokens": prompt_tokens, "generated_tokens": generated_tokens}
        for name, value in served.items():
            if not (np.isfinite(value) and value >= 0):
                raise BayescaleError(f"{name}={value:g}: must be 0 or a positive number")
        if prices is None:
            flops = FLOP_PER_SERVED_TOKEN * (prompt_tokens + generated_tokens)
            return cls("FLOP", FLOP_PER_PARAM_TOKEN, flops)
        money = (
            prompt_tokens * prices.prompt.per_flop + generated_tokens * prices.generation.per_flop
        )
        return cls(
            "dollars",
            FLOP_PER_PARAM_TOKEN * prices.training.per_flop,
            FLOP_PER_SERVED_TOKEN * money,
        )

    def __call__(self, params: Any, tokens: Any) -> Any:
        """Cost of training a model on these tokens, and of serving it."""
        return params * (self.training * tokens + self.serving)
