"""Answers as plain values, for the command line and the report: one object for each question."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base import bundled
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note
from bayescale.base.numbers import percent
from bayescale.base.output import print_table
from bayescale.fit.fit import Fit
from bayescale.plan.allocation import (
    FLOP_PER_PARAM_TOKEN,
    WITHIN,
    no_optimum,
    optimum,
    printed_allocation,
)
from bayescale.plan.curve import Curve
from bayescale.plan.describe import said, shown
from bayescale.plan.exhaustion import Exhaustion
from bayescale.plan.isoflop import approaches
from bayescale.plan.overhead import overhead
from bayescale.plan.serving import FLOP_PER_SERVED_TOKEN, serve
from bayescale.plan.solve import exp
from bayescale.predictive.distance import distance, extrapolation_note

Content = dict[str, Any]

# What `exhaust` compares where no law is named: one that knows what data are worth, one of
# compute alone.
USUAL_LAWS = ("muennighoff-2023", "open-llm-least-squares")


def optimum_content(
    curve: Curve,
    flops: float,
    prob: float,
    *,
    unique_tokens: float | None = None,
    fit: Fit | None = None,
) -> tuple[Content, list[Note]]:
    """The compute-optimal split of a budget; with a fit, also by the other two approaches.

    Returns
    -------
    content : dict
        `params`, `tokens`, `tokens_per_param`, `loss`, exponents `a` and `b`, and the sizes
        between which the loss stays within 1 %; numbers, or objects of mean and interval.
    notes : list of Note
    """
    best = optimum(curve, flops, unique_tokens=unique_tokens)
    quantities = ("params", "tokens", "tokens_per_param", "loss", "a", "b")
    content: Content = {**curve.said, "flops": flops}
    content |= {name: said(getattr(best, name), prob) for name in quantities}
    content |= {
        "response": curve.response,
        "within": WITHIN,
        "params_low": said(best.params_low, prob),
        "params_high": said(best.params_high, prob),
    }
    notes = [*curve.notes, *best.notes]
    if unique_tokens is not None:
        content["unique_tokens"] = unique_tokens
    if curve.uncertain:
        content["prob"] = prob
    if best.params is None:
        content["splits"] = _splits(flops)
    if best.params is None or best.tokens is None or fit is None:
        return content, notes
    notes += outside(fit, best.params, best.tokens)
    if unique_tokens is not None:
        return content, notes
    found, why = approaches(fit.runs, fit.spec, flops, fit.seed)
    content["approaches"] = [
        {"approach": one.name, "a": said(one.a, prob), "params": said(exp(one.log_params), prob)}
        for one in found
    ] + [{"approach": "parametric", "a": content["a"], "params": content["params"]}]
    return content, notes + why


def _splits(flops: float) -> list[dict[str, float]]:
    """Some ways to spend a budget, and what serving a token costs with each."""
    splits = []
    for ratio in (2.0, 20.0, 200.0, 2000.0):
        params = float(np.sqrt(flops / FLOP_PER_PARAM_TOKEN / ratio))
        splits.append(
            {
                "tokens_per_param": ratio,
                "params": params,
                "tokens": params * ratio,
                "flops_per_served_token": FLOP_PER_SERVED_TOKEN * params,
            }
        )
    return splits


def outside(fit: Fit, params: Any, tokens: Any) -> list[Note]:
    """A note where the median of an answer lies outside the data of its fit."""
    logs = {
        "params": np.log(np.median(params)) - np.log(fit.centre["params"]),
        "tokens": np.log(np.median(tokens)) - np.log(fit.centre["tokens"]),
    }
    asked = xr.Dataset({k: ("run", [v]) for k, v in logs.items()}, coords={"run": ["answer"]})
    return extrapolation_note(fit, distance(fit, asked))


def allocation_content(name: str, flops: float) -> tuple[Content, list[Note]] | None:
    """The allocation that a source prints as a power law of the budget; None where none does."""
    printed = printed_allocation(name, flops)
    if printed is None:
        return None
    said_of_it = bundled.published_laws()[name]
    content: Content = {"law": name, "flops": flops, **printed}
    if "constants" in said_of_it:
        content["loss"] = float(Curve.published(name).at(printed["params"], printed["tokens"]))
    text = said_of_it["note"].rstrip(".")
    return content, [Note("printed-allocation", "info", text, said_of_it["citation"])]


def overhead_content(curve: Curve, size: float, prob: float) -> tuple[Content, list[Note]]:
    """The overhead of a model of `size` times the compute-optimal parameters, and its limits."""
    answer = overhead(curve, size)
    names = ("overhead", "tokens_factor", "critical_size", "smallest_size")
    content: Content = {**curve.said, "size": size}
    content |= {name: said(getattr(answer, name), prob) for name in names}
    feasible = float(np.isfinite(answer.overhead).mean())
    content["feasible"] = feasible
    notes = [*curve.notes, *no_optimum(curve)]
    if feasible < 1:
        notes.append(
            Note(
                "infeasible-size",
                "warning",
                f"with probability {percent(1 - feasible)} no amount of data makes up for "
                f"{size:g} of the optimal size",
                "ask for a larger size",
            )
        )
    if curve.uncertain:
        content["prob"] = prob
    return content, notes


def serve_content(
    curve: Curve, *, fit: Fit | None = None, prob: float, **question: Any
) -> tuple[Content, list[Note]]:
    """The cheapest plan to reach a target and serve, as `bayescale.plan.serving.serve` finds it."""
    plan = serve(curve, prob=prob, **question)
    drawn = ("tokens_needed", "training", "total", "best_params", "best_tokens")
    whole = ("params", "tokens", "probability", "serving", "optimal_params", "optimal_total")
    content: Content = {**curve.said, "unit": plan.unit, "response": curve.response}
    content["target"] = said(plan.target, prob)
    content |= {name: getattr(plan, name) for name in whole}
    content["saving"] = plan.saving
    content |= {name: said(getattr(plan, name), prob) for name in drawn}
    if curve.uncertain:
        content["prob"] = prob
    if plan.splits:
        content["splits"] = plan.splits
    notes = [*curve.notes, *plan.notes]
    if fit is not None and plan.params is not None:
        notes += outside(fit, plan.params, plan.tokens)
    return content, notes


def exhaustion_content(outlook: Exhaustion) -> Content:
    """When the stock is used up, year by year and law by law."""
    prob, years = outlook.scenario.prob, outlook.scenario.years
    by_year = outlook.probability_by()
    tables = {"demanded": outlook.demanded, "available": outlook.available, "flops": outlook.flops}
    spoken = {name: said(value.transpose("year", ...), prob) for name, value in tables.items()}
    rows = [
        {"year": year, "probability": float(by_year[i])}
        | {name: values[i] for name, values in spoken.items()}  # type: ignore[index]
        for i, year in enumerate(years)
    ]
    return {
        "scenario": outlook.scenario.name,
        "title": outlook.scenario.title,
        "source": outlook.scenario.source,
        "seed": outlook.scenario.seed,
        "prob": prob,
        "year": said(outlook.year, prob),
        "never": outlook.never,
        "years": rows,
        "laws": [_law_content(one, years, prob) for one in outlook.outlooks],
    }


def exhaustion_notes(content: Content) -> list[Note]:
    """What a reader must know of the laws in an answer: a line that leaves its range."""
    notes = []
    for law in content["laws"]:
        below = [row["year"] for row in law["years"] if row["below_zero"] >= 0.05]
        if below:
            notes.append(
                Note(
                    "crosses-zero",
                    "warning",
                    f"{law['law']} puts 5 % or more of its draws at or below 0 from {below[0]} on, "
                    f"where no {law['response']} can be",
                    "read it as what the line implies, not as a forecast; no law was seen there",
                )
            )
    return notes


def _law_content(one: Any, years: list[int], prob: float) -> Content:
    names = ("unlimited", "unrepeated", "repeated", "params", "extra_params")
    drawn = {name: getattr(one, name) for name in names}
    nothing: list[Any] = [None] * len(years)
    spoken = {
        name: nothing if values is None else said(values.transpose("year", ...), prob)
        for name, values in drawn.items()
    }
    impossible = np.isinf(one.extra_params).mean(SAMPLE_DIMS)
    below_zero = (one.unlimited <= 0).mean(SAMPLE_DIMS)
    rows: list[Content] = []
    for i, year in enumerate(years):
        row: Content = {"year": year}
        row |= {name: values[i] for name, values in spoken.items()}  # type: ignore[index]
        row["no_parameters_suffice"] = float(impossible.sel(year=year))
        row["below_zero"] = float(below_zero.sel(year=year))
        rows.append(row)
    return {
        **one.curve.said,
        "form": one.curve.law.equation,
        "response": one.curve.response,
        "compute_only": one.curve.law.compute_only,
        "years": rows,
    }


def print_exhaustion(content: Content) -> None:
    """The answer for people: the year, then a table of demand and one for each law."""
    year = content["year"]
    ends = [f"{year[name]:.1f}" if year[name] else "never" for name in ("median", "lower", "upper")]
    sys.stdout.write(
        f"{content['title']}: the stock is used up in {ends[0]} (median; "
        f"{percent(content['prob'])}: {ends[1]} to {ends[2]}; never: {content['never']:.1%})\n"
    )
    chosen = [row for i, row in enumerate(content["years"]) if i % 2 == 0]
    print_table(
        [
            {
                "year": str(row["year"]),
                "used up by its end": percent(row["probability"]),
                "tokens demanded": shown(row["demanded"], "demanded"),
                "available": shown(row["available"], "available"),
                "FLOP": shown(row["flops"]),
            }
            for row in chosen
        ]
    )
    for law in content["laws"]:
        print_table(
            [
                {
                    "year": str(row["year"]),
                    "all new": shown(row["unlimited"], "unlimited"),
                    "none repeated": shown(row["unrepeated"], "unrepeated"),
                    "repeated": shown(row["repeated"], "repeated"),
                    "parameters to keep pace": _times(row),
                }
                for row in law["years"][::2]
            ],
            f"{law['law']}: best reachable {law['response']}; {law['form']}",
        )


def _times(row: Content) -> str:
    """How many times the parameters it takes to make up for the data."""
    if row["no_parameters_suffice"] >= 0.5:
        return f"no number suffices ({percent(row['no_parameters_suffice'])})"
    return f"{shown(row['extra_params'])} times"
