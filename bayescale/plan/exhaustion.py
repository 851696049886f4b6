"""Data exhaustion: when training uses up the stock of text, and what is lost from then on.

After Villalobos et al. 2024 (arXiv 2211.04325v2): stock and demand grow exponentially, demand by
the trend in data sets or by the compute-optimal tokens of growing budgets. What data are worth
is a law's to say, and laws differ: under one of compute alone, tokens can be made up for by
parameters without end; under Chinchilla's they cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.laws import LAWS
from bayescale.plan.allocation import FLOP_PER_PARAM_TOKEN, best_split
from bayescale.plan.curve import Curve
from bayescale.plan.mixture import Mixture, as_curve
from bayescale.plan.scenario import Scenario
from bayescale.plan.solve import Given, exp, log, root

# Draws on which laws are evaluated; the dates use all of the scenario's.
_DRAWS = 1000
# Levels beyond this many decades are no numbers of anything, and products of them no numbers.
_DECADES = 100


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a law says of the years to come; DataArrays (year, chain, draw).

    Attributes
    ----------
    curve : Curve
    unlimited : DataArray
        Best reachable response if every token could be new.
    unrepeated : DataArray
        If each usable token is trained on once at most.
    repeated : DataArray or None
        If tokens are repeated, worth less each time; None where the law cannot tell.
    params : DataArray
        N of the unlimited optimum.
    extra_params : DataArray
        Parameters over those, to reach the unlimited response on the usable tokens, each once;
        infinite where no number does.
    """

    curve: Curve
    unlimited: xr.DataArray
    unrepeated: xr.DataArray
    repeated: xr.DataArray | None
    params: xr.DataArray
    extra_params: xr.DataArray


@dataclass(frozen=True, eq=False)
class Exhaustion:
    """When the stock is used up, and what the laws make of it.

    Attributes
    ----------
    scenario : Scenario
    year : DataArray
        (chain, draw): when demand meets the stock, as a decimal year; infinite for never.
    demanded, available : DataArray
        (year, chain, draw): tokens of the largest training run, and those that can be trained on.
    flops : DataArray
        (year, chain, draw): budget of the largest training run.
    outlooks : list of Outlook
        One a law.
    """

    scenario: Scenario
    year: xr.DataArray
    demanded: xr.DataArray
    available: xr.DataArray
    flops: xr.DataArray
    outlooks: list[Outlook]

    def probability_by(self, years: Sequence[int] | None = None) -> xr.DataArray:
        """Probability (year) that the stock is used up by the end of each year."""
        ends = xr.DataArray(years or self.scenario.years, dims="year")
        ends = ends.assign_coords(year=ends.values)
        return (self.year < ends + 1).mean(SAMPLE_DIMS)

    @property
    def never(self) -> float:
        """Probability that demand never meets the stock."""
        return float(np.isinf(self.year).mean())


def exhaust(scenario: Scenario, sources: Sequence[Curve | Fit | Stack] = ()) -> Exhaustion:
    """The year in which a scenario's demand meets its stock, and what laws say of it.

    Parameters
    ----------
    scenario : Scenario
    sources : sequence of Curve, Fit or Stack
        Laws to compare.
    """
    drawn = scenario.sample()
    stock = _Line.of(
        scenario.stock.year,
        drawn["stock.tokens"] * drawn["stock.quality"] * drawn["stock.repetition"],
        log(1 + drawn["stock.growth"]) / np.log(10),
    )
    compute = _Line.of(scenario.compute.year, drawn["compute.flops"], drawn["compute.growth"])
    trend = _Line.of(scenario.datasets.year, drawn["datasets.tokens"], drawn["datasets.growth"])
    ratio = drawn["tokens_per_param"] * drawn["overtraining"]
    optimal = _Line(
        compute.year,
        (compute.level + log(ratio / FLOP_PER_PARAM_TOKEN) / np.log(10)) / 2,
        compute.growth / 2,
    )
    demand = trend.where(drawn["on_trend"], optimal)
    years = xr.DataArray(scenario.years, dims="year", coords={"year": scenario.years})
    unique = stock.at(years) / drawn["stock.repetition"]
    flops = compute.at(years)
    assumed = {"flops": flops, "unique": unique, "ratio": ratio}
    assumed |= {name: drawn[f"repeats.{name}"] for name in ("R_D", "R_N")}
    few = xr.Dataset(assumed).isel(draw=slice(0, _DRAWS))
    return Exhaustion(
        scenario=scenario,
        year=demand.meets(stock),
        demanded=demand.at(years),
        available=stock.at(years),
        flops=flops,
        outlooks=[
            _outlook(_paired(as_curve(source), few.sizes["draw"], scenario.seed), few)
            for source in sources
        ],
    )


@dataclass(frozen=True)
class _Line:
    """Exponential growth: log10 of the level in a year, and decades a year."""

    year: xr.DataArray
    level: xr.DataArray
    growth: xr.DataArray

    @classmethod
    def of(cls, year: float, value: xr.DataArray, growth: xr.DataArray) -> _Line:
        return cls(xr.DataArray(year), log(value) / np.log(10), growth)

    def at(self, year: Any) -> xr.DataArray:
        logs = self.level + self.growth * (year - self.year)
        return 10 ** logs.clip(-_DECADES, _DECADES)

    def where(self, condition: xr.DataArray, other: _Line) -> _Line:
        pairs = ((getattr(self, name), getattr(other, name)) for name in vars(self))
        return _Line(*(mine.where(condition, theirs) for mine, theirs in pairs))

    def meets(self, other: _Line) -> xr.DataArray:
        """The year in which this line, from below, reaches the other; infinite for never."""
        gap = other.level + other.growth * (self.year - other.year) - self.level
        faster = self.growth - other.growth
        wait = gap / faster.where(faster > 0)
        already = (gap <= 0) & ~(faster > 0)
        return (self.year + wait).where(faster > 0, np.inf).where(~already, self.year)


def _outlook(curve: Curve, assumed: xr.Dataset) -> Outlook:
    """A law under `flops`, `unique` tokens and their `ratio` to parameters, and decay of worth."""
    if isinstance(curve, Mixture):
        return _mixed(curve, [_outlook(part, assumed) for part in curve.parts])
    pairs, stock = log(assumed["flops"] / FLOP_PER_PARAM_TOKEN), log(assumed["unique"])
    law = _with_repeats(curve, assumed)

    def loss_at(params: Any, g: Given) -> Any:
        x = {"params": params, "tokens": g["pairs"] - params, "unique_tokens": g["unique"]}
        return law.loss(x, g)

    endless = {**law.theta, "pairs": pairs, "unique": np.inf}
    scarce = {**law.theta, "pairs": pairs, "unique": stock}
    # Where no split is best, runs want the scenario's tokens per parameter.
    wanted = (pairs - log(assumed["ratio"])) / 2
    free = best_split(endless, loss_at) if law.law.has_optimum else wanted
    unlimited = xr.DataArray(loss_at(free, endless))
    # Where the data do not suffice, the rest of the budget goes into parameters.
    unrepeated = xr.DataArray(loss_at(np.maximum(free, pairs - stock), endless))
    repeated = unlimited if law.law.compute_only else None
    if "unique_tokens" in law.law.inputs:
        repeated = xr.DataArray(loss_at(best_split(scarce, loss_at), scarce))

    def missing(extra: Any, g: Given) -> Any:
        x = {"params": g["from"] + extra, "tokens": g["tokens"]}
        return law.loss(x, g) - g["target"]

    short = pairs - free > stock
    limited = {**law.theta, "target": unlimited, "tokens": stock, "from": free}
    extra = exp(root(missing, 0.0, 60.0, limited)).fillna(np.inf).where(short, 1.0)
    return Outlook(curve, unlimited, unrepeated, repeated, exp(free), extra)


def _mixed(curve: Mixture, parts: Sequence[Outlook]) -> Outlook:
    """What a stack says: each draw what its own law says."""

    def mixed(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if any(value is None for value in values) else curve.mixed(values)

    names = ("unlimited", "unrepeated", "repeated", "params", "extra_params")
    return Outlook(curve, **{name: mixed(name) for name in names})


def _paired(curve: Curve, count: int, seed: int) -> Curve:
    """The curve with as many draws as the scenario, each picked at random."""
    return curve.taking(random(seed, "posterior", curve.name).integers(0, curve.count, count))


def _with_repeats(curve: Curve, assumed: xr.Dataset) -> Curve:
    """The curve under the data-constrained law; Chinchilla's borrows the scenario's decay."""
    law = LAWS["data-constrained"]
    if curve.law.name != "chinchilla":
        return curve
    decay = {name: assumed[name] for name in ("R_D", "R_N")}
    constants = curve.law.published(curve.theta, curve.centre) | decay
    centre = {**curve.centre, "unique_tokens": curve.centre["tokens"]}
    return replace(curve, law=law, theta=law.sampled(constants, centre), centre=centre)
