"""Data exhaustion: when training uses up the stock of text, and what is lost from then on.

After Villalobos et al. 2024 (arXiv 2211.04325v2): stock and demand grow exponentially, demand by
the trend in data sets or by the compute-optimal tokens of growing budgets. What data are worth
is a law's to say, and laws differ: under one of compute alone, tokens can be made up for by
parameters without end; under Chinchilla's they cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note
from bayescale.base.numbers import Write, digits, human, percent
from bayescale.base.seeds import random
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.plan.allocation import best_split
from bayescale.plan.answer import (
    Answer,
    Row,
    precise,
    summary,
    table,
    values,
    with_unit,
)
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.curve import Curve
from bayescale.plan.mixture import Mixture, as_curve
from bayescale.plan.scenario import Scenario
from bayescale.plan.solve import Arguments, exp, log, root
from bayescale.runs.columns import COLUMNS

# What is compared where no law is named: one that knows what data are worth, one of compute alone.
USUAL_LAWS = ("muennighoff-2023", "open-llm-least-squares")
# Share of a law's draws where no response can be, from which a reader must know of them.
_OUTSIDE = 0.05
# Draws on which laws are evaluated; the dates use all of the scenario's.
_DRAWS = 1000
# Levels are cut here, in decades, so that products of them are still numbers.
_DECADES = 100


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a law says of the years to come; DataArrays (year, chain, draw).

    Attributes
    ----------
    curve : Curve
    unlimited : DataArray
        Best response within the budget if every token could be new.
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
    draws = scenario.sample()
    stock = _Line.of(
        scenario.stock.year,
        draws["stock.tokens"] * draws["stock.quality"] * draws["stock.repetition"],
        log(1 + draws["stock.growth"]) / np.log(10),
    )
    compute = _Line.of(scenario.compute.year, draws["compute.flops"], draws["compute.growth"])
    trend = _Line.of(scenario.datasets.year, draws["datasets.tokens"], draws["datasets.growth"])
    ratio = draws["tokens_per_param"] * draws["overtraining"]
    optimal = _Line(
        compute.year,
        (compute.level + log(ratio / FLOP_PER_PARAM_TOKEN) / np.log(10)) / 2,
        compute.growth / 2,
    )
    demand = trend.where(draws["on_trend"], optimal)
    years = xr.DataArray(scenario.years, dims="year", coords={"year": scenario.years})
    unique = stock.at(years) / draws["stock.repetition"]
    flops = compute.at(years)
    assumed = {"flops": flops, "unique": unique, "ratio": ratio}
    assumed |= {name: draws[f"repeats.{name}"] for name in ("R_D", "R_N")}
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

    def where(self, condition: xr.DataArray, otherwise: _Line) -> _Line:
        return _Line(
            self.year.where(condition, otherwise.year),
            self.level.where(condition, otherwise.level),
            self.growth.where(condition, otherwise.growth),
        )

    def meets(self, ceiling: _Line) -> xr.DataArray:
        """The year in which this line reaches a ceiling from below; infinite for never."""
        gap = ceiling.level + ceiling.growth * (self.year - ceiling.year) - self.level
        faster = self.growth - ceiling.growth
        wait = gap / faster.where(faster > 0)
        already = (gap <= 0) & ~(faster > 0)
        return (self.year + wait).where(faster > 0, np.inf).where(~already, self.year)


def _outlook(curve: Curve, assumed: xr.Dataset) -> Outlook:
    """What a law makes of a scenario.

    Parameters
    ----------
    curve : Curve
    assumed : Dataset
        `flops` and `unique` (year, chain, draw): budget, and usable tokens each counted once;
        `ratio` (chain, draw): tokens per parameter where the law has no best; `R_D` and `R_N`
        (chain, draw): decay of worth of repeated tokens and of spare parameters.
    """
    if isinstance(curve, Mixture):
        return _mixed(curve, [_outlook(member, assumed) for member in curve.members])
    pairs, stock = log(assumed["flops"] / FLOP_PER_PARAM_TOKEN), log(assumed["unique"])
    surface = curve.with_repeats({name: assumed[name] for name in ("R_D", "R_N")})

    def loss_at(params: Any, g: Arguments) -> Any:
        x = {"params": params, "tokens": g["pairs"] - params, "unique_tokens": g["unique"]}
        return surface.loss(x, g)

    endless = {**surface.theta, "pairs": pairs, "unique": np.inf}
    scarce = {**surface.theta, "pairs": pairs, "unique": stock}
    # Where no split is best, runs want the scenario's tokens per parameter.
    wanted = (pairs - log(assumed["ratio"])) / 2
    free = best_split(endless, loss_at) if surface.has_optimum else wanted
    unlimited = xr.DataArray(loss_at(free, endless))
    # Where the data do not suffice, the rest of the budget goes into parameters.
    unrepeated = xr.DataArray(loss_at(np.maximum(free, pairs - stock), endless))
    repeated = unlimited if surface.compute_only else None
    if surface.sees_repeats:
        repeated = xr.DataArray(loss_at(best_split(scarce, loss_at), scarce))

    def missing(extra: Any, g: Arguments) -> Any:
        x = {"params": g["from"] + extra, "tokens": g["tokens"]}
        return surface.loss(x, g) - g["target"]

    short = pairs - free > stock
    limited = {**surface.theta, "target": unlimited, "tokens": stock, "from": free}
    extra = exp(root(missing, 0.0, 60.0, limited)).fillna(np.inf).where(short, 1.0)
    repeated = None if repeated is None else curve.as_loss(repeated)
    best = (curve.as_loss(unlimited), curve.as_loss(unrepeated), repeated)
    return Outlook(curve, *best, exp(free), extra)


def _mixed(curve: Mixture, outlooks: Sequence[Outlook]) -> Outlook:
    """What a stack says: each draw what its own law says."""

    def mixed(name: str) -> Any:
        members = [getattr(outlook, name) for outlook in outlooks]
        return None if any(value is None for value in members) else curve.mixed(members)

    return Outlook(curve, **{name: mixed(name) for name in _OUTLOOK})


def _paired(curve: Curve, count: int, seed: int) -> Curve:
    """The curve with as many draws as the scenario, each picked at random."""
    rng = random(seed, "posterior", curve.name)
    return curve.select_draws(rng.integers(0, curve.count, count))


# Fields of an outlook that are numbers a year: label, and how people write them.
_OUTLOOK: dict[str, tuple[str, Write]] = {
    "unlimited": ("all tokens new", precise),
    "unrepeated": ("each token once at most", precise),
    "repeated": ("tokens repeated", precise),
    "params": ("", human),
    "extra_params": ("", digits),
}


def answer(outlook: Exhaustion) -> Answer:
    """When the stock is used up, year by year and law by law.

    Content: `year` and `never`; `years`, a row a year; `laws`, each with its own `years`.
    """
    scenario, years = outlook.scenario, outlook.scenario.years
    year, by_year = summary(outlook.year, scenario.prob), outlook.probability_by()
    demand = _by_year(
        {
            "demanded": ("tokens that the largest run demands", outlook.demanded, human),
            "available": ("tokens available, repeats counted", outlook.available, human),
            "flops": ("compute of that run (FLOP)", outlook.flops, digits),
        },
        years,
        scenario.prob,
    )
    for row, probability in zip(demand, by_year, strict=True):
        row.insert(1, Row("probability", "used up by its end", float(probability), percent))
    laws = [(law.curve, _law_rows(law, years, scenario.prob)) for law in outlook.outlooks]
    content: dict[str, Any] = {
        "scenario": scenario.name,
        "title": scenario.title,
        "source": scenario.source,
        "seed": scenario.seed,
        "prob": scenario.prob,
        "year": year,
        "never": outlook.never,
        "years": [values(row) for row in demand],
        "laws": [
            {
                **curve.origin,
                "form": curve.law.equation,
                "response": curve.response,
                "compute_only": curve.compute_only,
                "years": [values(row) for row in by],
            }
            for curve, by in laws
        ],
    }
    # A page has room for every second year.
    tables = [table("Stock and demand", demand, every=2)]
    for curve, by in laws:
        title = f"{curve.name}: best {with_unit(curve.response)} that a run can reach"
        tables.append(table(f"{title}; {curve.law.equation}", by, every=2))
    notes = [note for law in outlook.outlooks for note in [*law.curve.notes, *_leaves_range(law)]]
    return Answer(content, tables, notes, _headline(scenario, year, outlook.never))


def _headline(scenario: Scenario, year: Any, never: float) -> str:
    ends = [f"{year[name]:.1f}" if year[name] else "never" for name in ("median", "lower", "upper")]
    return (
        f"{scenario.title}: the stock is used up in {ends[0]} (median; "
        f"{percent(scenario.prob)}: {ends[1]} to {ends[2]}; never: {never:.1%})"
    )


def _by_year(
    quantities: Mapping[str, tuple[str, xr.DataArray | None, Write]], years: list[int], prob: float
) -> list[list[Row]]:
    """Rows of each year; a quantity is its label, draws (year, chain, draw) or None, and format."""
    summaries: dict[str, Any] = {
        key: [None] * len(years) if draws is None else summary(draws.transpose("year", ...), prob)
        for key, (_, draws, _) in quantities.items()
    }
    return [
        [
            Row("year", "year", year, precise),
            *(Row(key, label, summaries[key][i], write)
              for key, (label, _, write) in quantities.items()),
        ]
        for i, year in enumerate(years)
    ]  # fmt: skip


def _law_rows(outlook: Outlook, years: list[int], prob: float) -> list[list[Row]]:
    """What a law says of each year."""
    quantities = {
        key: (label, getattr(outlook, key), write) for key, (label, write) in _OUTLOOK.items()
    }
    impossible = xr.DataArray(np.isinf(outlook.extra_params)).mean(SAMPLE_DIMS)
    below_zero = _share_impossible(outlook)
    by = _by_year(quantities, years, prob)
    for year, row in zip(years, by, strict=True):
        without = float(impossible.sel(year=year))
        factor = f"{row[-1].text} times" if without < 0.5 else f"none suffice ({percent(without)})"
        row += [
            Row("no_parameters_suffice", "", without),
            Row("below_zero", "", float(below_zero.sel(year=year))),
            Row("", "parameters that make up for the data", factor),
        ]
    return by


def _share_impossible(outlook: Outlook) -> xr.DataArray:
    """Share (year) of the draws whose best response is impossible."""
    impossible = COLUMNS[outlook.curve.response].impossible(outlook.unlimited)
    return xr.DataArray(impossible).mean(SAMPLE_DIMS)


def _leaves_range(outlook: Outlook) -> list[Note]:
    """A note where a law leaves its range in a share of the draws that counts."""
    outside = _share_impossible(outlook) >= _OUTSIDE
    if not outside.any():
        return []
    first = int(outside["year"][outside].min())
    column = COLUMNS[outlook.curve.response]
    return [
        Note(
            "leaves-range" if column.scale == "logit" else "crosses-zero",
            "warning",
            f"{outlook.curve.name} puts {percent(_OUTSIDE)} or more of its draws {column.beyond} "
            f"from {first} on, where no {outlook.curve.response} can be",
            "read it as what the line implies, not as a forecast; no law was seen there",
        )
    ]
