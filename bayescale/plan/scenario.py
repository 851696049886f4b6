"""Scenario: what is assumed of data and compute to come, each quantity a distribution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import scipy  # its parts load when first used
import xarray as xr
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.base.toml import validated
from bayescale.plan.regression import trend

# Longest answer; what grows for longer leaves every range.
_YEARS = 100


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quantity(_Strict):
    """A distribution by the interval that its source states; a plain number is a fixed one.

    Attributes
    ----------
    dist : {"LogNormal", "Normal", "Uniform"}
    lower, upper : float
        Ends of the central interval that holds `prob`; of everything, for `Uniform`.
    prob : float
    source : str
        Where it was read, or that it is a judgement.
    """

    dist: Literal["LogNormal", "Normal", "Uniform"]
    lower: float = Field(allow_inf_nan=False)
    upper: float = Field(allow_inf_nan=False)
    prob: float = Field(0.95, ge=0.1, lt=1)
    source: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Quantity:
        if self.lower > self.upper:
            raise ValueError(f"lower={self.lower:g} must not exceed upper={self.upper:g}")
        if self.dist == "LogNormal" and self.lower <= 0:
            raise ValueError(f"lower={self.lower:g} must be above 0 for LogNormal")
        return self

    def draws(self, seed: int, name: str, count: int) -> xr.DataArray:
        """Values (chain, draw) that depend on the seed and on what they are for."""
        uniform = random(seed, name).random((1, count))
        if self.dist == "Uniform":
            values = self.lower + (self.upper - self.lower) * uniform
        else:
            ends = np.array([self.lower, self.upper])
            low, high = np.log(ends) if self.dist == "LogNormal" else ends
            sd = (high - low) / (2 * scipy.stats.norm.ppf(0.5 + self.prob / 2))
            normal = (low + high) / 2 + sd * scipy.stats.norm.ppf(uniform)
            values = np.exp(normal) if self.dist == "LogNormal" else normal
        return xr.DataArray(values, dims=SAMPLE_DIMS)


def _quantity(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"dist": "Uniform", "lower": value, "upper": value}
    if not isinstance(value, Mapping | Quantity):
        raise ValueError(f"{value!r}: give a number, or {{ dist = ..., lower = ..., upper = ... }}")
    return value


def _above_zero(value: Quantity) -> Quantity:
    if value.dist == "Normal" or value.lower <= 0:
        raise ValueError("must lie above 0: use LogNormal, or a Uniform range above 0")
    return value


def _within(least: float, most: float, unit: str) -> AfterValidator:
    """A rule for the ends of a quantity's interval."""

    def check(value: Quantity) -> Quantity:
        for end in (value.lower, value.upper):
            if not least <= end <= most:
                raise ValueError(f"{end:g}: expected {least:g} to {most:g} {unit}")
        return value

    return AfterValidator(check)


AnyQuantity = Annotated[Quantity, BeforeValidator(_quantity)]
PositiveQuantity = Annotated[AnyQuantity, AfterValidator(_above_zero)]
Tokens = Annotated[PositiveQuantity, _within(1e6, 1e24, "tokens")]
Flops = Annotated[PositiveQuantity, _within(1e15, 1e40, "FLOP")]
Decades = Annotated[AnyQuantity, _within(-3, 3, "decades a year")]
Ratio = Annotated[PositiveQuantity, _within(1e-3, 1e6, "times")]


class Stock(_Strict):
    """Text that there is in a year: tokens, the share that is usable, how often each is.

    `growth` is the share by which the stock grows in a year; `repetition` multiplies what is
    usable into what can be trained on at no loss worth speaking of. A draw of `quality` above 1
    counts as 1.
    """

    year: float = Field(ge=1950, le=2200)
    tokens: Tokens
    quality: Annotated[PositiveQuantity, _within(1e-6, 1, "as a share")]
    repetition: Annotated[PositiveQuantity, _within(1, 1e4, "times")]
    growth: Annotated[AnyQuantity, _within(-1, 10, "as a share a year")]


class _Growing(_Strict):
    """A level in a year and decades of growth a year: stated, or the trend of a table of runs."""

    year: float = Field(ge=1950, le=2200)
    growth: Decades | None = None
    trend: str | None = None

    @property
    def level(self) -> Quantity | None:
        """The stated level."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _stated_or_fitted(self) -> Self:
        stated = [self.level is not None, self.growth is not None]
        if not (all(stated) if self.trend is None else not any(stated)):
            raise ValueError("give a level and its growth, or a table of runs as trend")
        return self


class Compute(_Growing):
    """FLOP of the largest training run."""

    flops: Flops | None = None

    @property
    def level(self) -> Quantity | None:
        """The stated level."""
        return self.flops


class Datasets(_Growing):
    """Tokens of the largest data set."""

    tokens: Tokens | None = None

    @property
    def level(self) -> Quantity | None:
        """The stated level."""
        return self.tokens


class Repeats(_Strict):
    """Repetitions (R_D) and excess of parameters (R_N) after which 1/e of their worth is left."""

    R_D: Ratio
    R_N: Ratio


class Scenario(_Strict):
    """What a file in `models/scenarios/` says.

    Attributes
    ----------
    name, title, source : str
    start, end : int
        Calendar years of the answers.
    prob : float
        That the answers' intervals hold.
    draws, seed : int
    trend_share : float
        Probability that demand follows the trend in data sets; else it follows compute.
    tokens_per_param : float
        Of demand that follows compute: D = sqrt(ratio C/6).
    overtraining : float
        Multiplies that ratio; above 1, more tokens than compute-optimal.
    stock, compute, datasets, repeats
        See their classes.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    title: str
    source: str
    start: int = Field(ge=1950, le=2200)
    end: int = Field(ge=1950, le=2200)
    prob: float = Field(gt=0, lt=1)
    draws: int = Field(10_000, ge=100, le=100_000)
    seed: int = Field(0, ge=0)
    trend_share: float = Field(ge=0, le=1)
    tokens_per_param: Ratio
    overtraining: Ratio
    stock: Stock
    compute: Compute
    datasets: Datasets
    repeats: Repeats

    @classmethod
    def load(cls, source: str | Path) -> Scenario:
        """Read a scenario: a shipped one by name, or a TOML file by its path.

        Raises
        ------
        BayescaleError
            If the file cannot be read, or a quantity in it is impossible.
        """
        return validated(cls, bundled.read_input("scenarios", source), source)

    @model_validator(mode="after")
    def _in_order(self) -> Scenario:
        if not self.start < self.end <= self.start + _YEARS:
            raise ValueError(
                f"start={self.start} must come before end={self.end}, by {_YEARS} years at most"
            )
        return self

    @property
    def years(self) -> list[int]:
        """Calendar years from start to end."""
        return list(range(self.start, self.end + 1))

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Every stated quantity, by its name with a dot: `stock.tokens`."""
        return {
            f"{prefix}{name}": value
            for prefix, part in self._parts().items()
            for name, value in part
            if isinstance(value, Quantity)
        }

    @property
    def trends(self) -> dict[str, str]:
        """Tables of runs to whose records growth is fitted, by `compute` and `datasets`."""
        growing = {"compute": self.compute, "datasets": self.datasets}
        return {name: part.trend for name, part in growing.items() if part.trend is not None}

    def sample(self) -> xr.Dataset:
        """Draws (chain, draw) of every quantity, by its name with a dot: `stock.tokens`.

        Raises
        ------
        BayescaleError
            If a year can lose all of the stock, or a table has no trend.
        """
        drawn = {
            name: quantity.draws(self.seed, name, self.draws)
            for name, quantity in self.quantities.items()
        }
        for name, table in self.trends.items():
            level = "flops" if name == "compute" else "tokens"
            year = getattr(self, name).year
            fitted = trend(table, level, year, self.seed, self.draws)
            drawn |= {f"{name}.{level}": fitted["level"], f"{name}.growth": fitted["growth"]}
        if (least := float(drawn["stock.growth"].min())) <= -1:
            raise BayescaleError(
                f"{self.name}: stock.growth: its draws reach {least:.3g}, and a year cannot lose "
                "all; use a narrower interval, or a Uniform one above -1"
            )
        drawn["stock.quality"] = drawn["stock.quality"].clip(max=1)
        on_trend = random(self.seed, "trend").random((1, self.draws)) < self.trend_share
        return xr.Dataset(drawn | {"on_trend": (SAMPLE_DIMS, on_trend)})

    def _parts(self) -> dict[str, BaseModel]:
        named = ("stock", "compute", "datasets", "repeats")
        return {"": self, **{f"{name}.": getattr(self, name) for name in named}}
