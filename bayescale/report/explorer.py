"""Explorer: data from which the page recomputes `predict` and the scenario in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
import shapely

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.numbers import human, percent
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.fit.fit import Fit
from bayescale.model.design import centred, inputs_of
from bayescale.model.noise import NOISES
from bayescale.model.scale import EDGE, Logit, noise_scale, scale_of
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.scenario import Scenario
from bayescale.predictive.groups import NEW, effects_at
from bayescale.report.browser import curve_as_javascript, packed
from bayescale.report.content.benchmarks import whose
from bayescale.report.content.forecasts import default_target
from bayescale.report.figures.benchmarks import tokens_per_param
from bayescale.report.figures.compute import training_compute
from bayescale.report.sentences import sentence
from bayescale.runs.columns import COLUMNS

# Draws in the page. At 4 bytes each, a third more as text, they take 1.7 of at most 3 MB.
_MOST = 330_000


def refusal(fit: Fit) -> str | None:
    """Why the page cannot recompute a fit's forecasts; None where it can."""
    if fit.spec.corpora:
        return sentence("several_corpora")
    if fit.spec.discrepancy:
        return sentence("forecast.refused_discrepancy")
    if "run" in fit.spec.groups:
        return sentence("forecast.refused_runs")
    try:
        curve_as_javascript(fit.spec)
    except (AttributeError, TypeError):  # a law from another package may use any function
        return sentence("forecast.refused_law", law=fit.spec.law.name)
    return None


def explorer(fit: Fit, start: Mapping[str, Any], *, share: int = 1) -> dict[str, Any]:
    """Draws and choices of the forecaster.

    Draws of new groups and of the observation noise are those of `predict`, so both give the same
    numbers.

    Parameters
    ----------
    fit : Fit
    start : mapping
        The point at which the forecaster starts: `params`, `tokens`, groups.
    share : int
        How many fits share the page. Where a fit has more draws than its share holds, every k-th
        is kept, and `step` is k.
    """
    spec, table, scale = fit.spec, fit.runs.table, scale_of(fit.spec)
    labels = {str(g): [*sorted(map(str, table[g].unique())), NEW] for g in spec.named_groups}
    points = pd.DataFrame(
        list(zip_longest(*labels.values(), fillvalue=NEW)) if labels else [()],
        columns=list(labels),
    )
    values, _ = effects_at(fit, points)
    like = values["sigma"].transpose(*SAMPLE_DIMS)
    columns: dict[str, Any] = {}
    effects: dict[str, str] = {}
    for parameter in spec.law.parameters:
        own, by = values[parameter.name], spec.by_label.get(parameter.name)
        if by is None:
            columns[parameter.name] = own
            continue
        columns |= {f"{parameter.name}:{i}": own.isel({by: i}) for i in range(len(labels[by]))}
        effects[parameter.name] = by
    standard = NOISES[spec.noise.dist].draws(values, like, random(fit.seed, "scatter"))
    columns["noise"] = standard * noise_scale(spec, values)
    for effect in spec.effect_list():
        group = effect.group
        draws_of = values[effect.name]
        for i in range(len(labels[group])):
            columns[f"{effect.name}:{i}"] = draws_of.isel({group: i})
        effects[effect.name] = group
    step = -(-like.size * len(columns) // (_MOST // share))
    draws = {
        name: column.transpose(*SAMPLE_DIMS).to_numpy().ravel()[::step]
        for name, column in columns.items()
    }
    first = {group: str(start[group]) for group in labels if start.get(group) in labels[group]}
    return {
        "response": spec.response,
        "unit": COLUMNS[spec.response].unit,
        "prob": PROB,
        "centre": dict(fit.centre),
        "better": COLUMNS[spec.response].better,
        "noise_on": spec.noise.on,
        "bounds": [scale.low, scale.high] if isinstance(scale, Logit) else None,
        "edge": EDGE,
        "count": len(draws["noise"]),
        "total": like.size,
        "step": step,
        "draws": {name: packed(column) for name, column in draws.items()},
        "effects": effects,
        "groups": labels,
        "implied": _implied(table, list(labels)),
        "hull": _hull(fit),
        "runs": _runs(fit),
        "start": {"params": start["params"], "tokens": start["tokens"], **first},
        "inputs": _others(fit, start),
        "target": default_target(fit),
    }


def exhaustion_explorer(scenario: Scenario) -> dict[str, Any]:
    """Draws and main inputs of a scenario, so that the page can change the inputs.

    A log-normal quantity is multiplied and a growth is shifted, so the spread of each stays.
    """
    samples = scenario.sample()
    ratio = samples["tokens_per_param"] * samples["overtraining"]
    compute = np.log10(samples["compute.flops"].to_numpy())
    draws = {
        "stock": np.log10(samples["stock.tokens"] * samples["stock.repetition"]),
        "quality": samples["stock.quality"],
        "stock_growth": np.log10(1 + samples["stock.growth"]),
        "datasets": np.log10(samples["datasets.tokens"]),
        "datasets_growth": samples["datasets.growth"],
        "optimal": (compute + np.log10(ratio / FLOP_PER_PARAM_TOKEN)) / 2,
        "optimal_growth": samples["compute.growth"] / 2,
        "share": random(scenario.seed, "trend").random((1, scenario.draws)),
    }

    def median(name: str) -> float:
        return float(f"{float(samples[name].median()):.3g}")

    inputs = [
        {"name": "stock", "title": sentence("explore.stock"), "value": median("stock.tokens"),
         "low": 1e12, "high": 1e17},
        {"name": "quality", "title": sentence("explore.quality"), "value": median("stock.quality"),
         "low": 0.01, "high": 1.0, "step": 0.001},
        {"name": "datasets", "title": sentence("explore.datasets"),
         "value": median("datasets.growth"), "low": 0.0, "high": 1.0, "step": 0.001},
        {"name": "compute", "title": sentence("explore.compute_growth"),
         "value": median("compute.growth"), "low": 0.0, "high": 1.5, "step": 0.001},
        {"name": "share", "title": sentence("explore.share"), "value": scenario.trend_share,
         "low": 0.0, "high": 1.0, "step": 0.01},
    ]  # fmt: skip
    return {
        "prob": scenario.prob,
        "calendar": scenario.years,
        "years": {"stock": scenario.stock.year, "datasets": scenario.datasets.year,
                  "compute": scenario.compute.year},
        "inputs": inputs,
        "draws": {name: packed(np.ravel(np.asarray(values))) for name, values in draws.items()},
    }  # fmt: skip


def score_explorer(fit: BenchmarkFit, curves: pd.DataFrame, points: pd.DataFrame) -> dict[str, Any]:
    """Curves and models of the menu of benchmarks; the page only interpolates.

    Parameters
    ----------
    fit : BenchmarkFit
    curves : DataFrame
        As `score_curves` gives them, with the compute of `points` among theirs.
    points : DataFrame
        What was asked; the menu starts at the first one's compute.
    """
    ratio, flops = tokens_per_param(fit), fit.scores.flops
    benchmarks = []
    for name, each in fit.scores.benchmarks.items():
        rows, scores = curves[curves["benchmark"] == name], fit.scores.scores[name]
        models = zip(flops, scores, fit.scores.tuned, strict=True)
        benchmarks.append(
            {
                "title": each.title,
                "chance": each.chance,
                **{end: packed(rows[end]) for end in ("lower", "median", "upper")},
                "models": [
                    [float(c), float(y), bool(tuned)]
                    for c, y, tuned in models
                    if np.isfinite(c) and np.isfinite(y)
                ],
            }
        )
    return {
        "prob": PROB,
        "ratio": ratio,
        "flops": sorted(curves["flops"].unique().tolist()),
        "start": float(6 * points["params"].iloc[0] * points["tokens"].iloc[0]),
        "most": float(flops.max()),
        "benchmarks": benchmarks,
        "legend": sentence(
            "benchmarks.legend",
            prob=percent(PROB),
            by=whose(fit),
            ratio=human(ratio),
            tuned=sentence("benchmarks.tuned") if fit.scores.tuned.any() else "",
        ),
    }


def _others(fit: Fit, start: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The law's inputs beside parameters and tokens: their sliders, and their range in the runs.

    `seen` holds its ends on the input's scale, and `decade` what counts as a decade there.
    """
    inputs = inputs_of(fit.spec, fit.runs)
    others = []
    for name, column in fit.other_inputs.items():
        seen = [float(inputs[name].min()), float(inputs[name].max())]
        width = seen[1] - seen[0]
        wide = np.log(10) if column.scale == "log" else width or 1.0
        ends = (seen[0] - wide, seen[1] + wide) if column.scale == "log" else seen
        low, high = (float(column.unscaled(end)) for end in ends)
        others.append(
            {
                "name": name,
                "title": column.label[0].upper() + column.label[1:],
                "scale": column.scale,
                "low": max(low, column.low),
                "high": min(high, column.high),
                "value": float(start[name]),
                "seen": seen,
                "decade": float(wide),
            }
        )
    return others


def _implied(table: pd.DataFrame, groups: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    """What a choice in one group implies for the others: all runs of Llama-3 have one tokenizer."""
    implied: dict[str, dict[str, dict[str, str]]] = {}
    for group in groups:
        for label, rows in table.groupby(group):
            only = {
                other: str(rows[other].iloc[0])
                for other in groups
                if other != group and rows[other].nunique() == 1
            }
            implied.setdefault(group, {})[str(label)] = only
    return implied


def _hull(fit: Fit) -> list[list[float]]:
    """Closed ring of corners of the data in (log10 N, log10 D), as `predictive.distance` has it."""
    inputs = centred(inputs_of(fit.spec, fit.runs), fit.centre)
    stated = inputs.isel(run=(inputs["tokens_sd"].sum("latent") == 0).values)
    inputs = stated if stated.sizes["run"] else inputs
    plane = np.column_stack([inputs["params"], inputs["tokens"]]) / np.log(10)
    hull = shapely.MultiPoint(plane).convex_hull
    corners = [list(map(float, corner)) for corner in shapely.get_coordinates(hull)]
    return corners if len(corners) > 1 else corners * 2


def _runs(fit: Fit) -> list[list[float]]:
    """Compute and response of each run, ordered by compute."""
    flops = training_compute(fit)["tokens"]
    pairs = zip(flops, fit.observed.to_numpy(), strict=True)
    return sorted([float(c), float(y)] for c, y in pairs if np.isfinite(c))
