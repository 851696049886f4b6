"""Explorer: what the page needs to answer `predict` in the browser, from the same draws."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
import shapely

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.design import centred, log_inputs
from bayescale.model.noise import NOISES
from bayescale.model.scale import noise_scale
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.scenario import Scenario
from bayescale.predictive.groups import NEW, effects_at
from bayescale.report.browser import packed
from bayescale.report.figures.fit import training_compute
from bayescale.report.sentences import say
from bayescale.runs.table import QUANTITIES

# Numbers in the page, of 4 bytes each, a third more as text: 1.7 MB of the 3 that a page may have.
_MOST = 330_000


def refusal(fit: Fit) -> str | None:
    """Why the page cannot recompute a fit's forecasts; None where it can."""
    if fit.spec.corpora:
        return say("several_corpora")
    if fit.spec.discrepancy:
        return say("forecast.refused_discrepancy")
    if "run" in fit.spec.groups:
        return say("forecast.refused_runs")
    return None


def explorer(fit: Fit, start: Mapping[str, Any], *, share: int = 1) -> dict[str, Any]:
    """Draws, equation and choices of the forecaster, starting at a point.

    The draws of new groups and of the scatter are those that `predict` takes, so both give the
    same numbers. Where a fit has too many for its part of a page that is divided among `share`
    fits, every k-th is kept and `step` is k.
    """
    spec, table = fit.spec, fit.runs.table
    labels = {str(g): [*sorted(map(str, table[g].unique())), NEW] for g in spec.named_groups}
    asked = pd.DataFrame(
        list(zip_longest(*labels.values(), fillvalue=NEW)) if labels else [()],
        columns=list(labels),
    )
    values, _ = effects_at(fit, asked)
    like = values["level"].transpose(*SAMPLE_DIMS)
    columns = {parameter.name: values[parameter.name] for parameter in spec.law.parameters}
    standard = NOISES[spec.noise.dist].draws(values, like, random(fit.seed, "scatter"))
    columns["scatter"] = standard * noise_scale(spec, values)
    effects: dict[str, str] = {}
    for effect in spec.effect_list():
        group = effect.group
        chosen = values[effect.name].isel({group: slice(len(labels[group]))})
        for i in range(chosen.sizes[group]):
            columns[f"{effect.name}:{i}"] = chosen.isel({group: i})
        effects[effect.name] = group
    step = -(-like.size * len(columns) // (_MOST // share))
    draws = {
        name: column.transpose(*SAMPLE_DIMS).to_numpy().ravel()[::step]
        for name, column in columns.items()
    }
    first = {group: str(start[group]) for group in labels if start.get(group) in labels[group]}
    return {
        "response": spec.response,
        "unit": QUANTITIES[spec.response].unit,
        "prob": PROB,
        "centre": dict(fit.centre),
        "noise_on": spec.noise.on,
        "count": len(draws["scatter"]),
        "of": like.size,
        "step": step,
        "draws": {name: packed(column) for name, column in draws.items()},
        "effects": effects,
        "groups": labels,
        "follows": _follows(table, list(labels)),
        "hull": _hull(fit),
        "runs": _runs(fit),
        "start": {"params": start["params"], "tokens": start["tokens"], **first},
        "target": round(0.95 * float(table[spec.response].min()), 3),
    }


def exhaustion_explorer(scenario: Scenario) -> dict[str, Any]:
    """Draws and main inputs of a scenario, so that the page can move them.

    A log-normal quantity moves by a factor and a growth by a sum, so the spread of each stays.
    """
    drawn = scenario.sample()
    ratio = drawn["tokens_per_param"] * drawn["overtraining"]
    compute = np.log10(drawn["compute.flops"].to_numpy())
    draws = {
        "stock": np.log10(drawn["stock.tokens"] * drawn["stock.repetition"]),
        "quality": drawn["stock.quality"],
        "stock_growth": np.log10(1 + drawn["stock.growth"]),
        "datasets": np.log10(drawn["datasets.tokens"]),
        "datasets_growth": drawn["datasets.growth"],
        "optimal": (compute + np.log10(ratio / FLOP_PER_PARAM_TOKEN)) / 2,
        "optimal_growth": drawn["compute.growth"] / 2,
        "share": random(scenario.seed, "trend").random((1, scenario.draws)),
    }

    def middle(name: str) -> float:
        return float(f"{float(drawn[name].median()):.3g}")

    inputs = [
        {"name": "stock", "title": say("explore.stock"), "value": middle("stock.tokens"),
         "low": 1e12, "high": 1e17},
        {"name": "quality", "title": say("explore.quality"), "value": middle("stock.quality"),
         "low": 0.01, "high": 1.0, "step": 0.001},
        {"name": "datasets", "title": say("explore.datasets"),
         "value": middle("datasets.growth"), "low": 0.0, "high": 1.0, "step": 0.001},
        {"name": "compute", "title": say("explore.compute_growth"),
         "value": middle("compute.growth"), "low": 0.0, "high": 1.5, "step": 0.001},
        {"name": "share", "title": say("explore.share"), "value": scenario.trend_share,
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


def _follows(table: pd.DataFrame, groups: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    """What a choice in one group settles in another: all runs of Llama-3 have one tokenizer."""
    settled: dict[str, dict[str, dict[str, str]]] = {}
    for group in groups:
        for label, rows in table.groupby(group):
            only = {
                o: str(rows[o].iloc[0]) for o in groups if o != group and rows[o].nunique() == 1
            }
            settled.setdefault(group, {})[str(label)] = only
    return settled


def _hull(fit: Fit) -> list[list[float]]:
    """Corners of the data in (log10 N, log10 D), as `extrapolation.distance` sees them; closed."""
    seen = centred(log_inputs(fit.spec, fit.runs), fit.centre)
    stated = seen.isel(run=(seen["tokens_sd"].sum("latent") == 0).values)
    seen = stated if stated.sizes["run"] else seen
    plane = np.column_stack([seen["params"], seen["tokens"]]) / np.log(10)
    hull = shapely.MultiPoint(plane).convex_hull
    corners = [list(map(float, corner)) for corner in shapely.get_coordinates(hull)]
    return corners if len(corners) > 1 else corners * 2


def _runs(fit: Fit) -> list[list[float]]:
    """Compute and response of each run, by compute."""
    flops = training_compute(fit)["tokens"]
    pairs = zip(flops, fit.observed.to_numpy(), strict=True)
    return sorted([float(c), float(y)] for c, y in pairs if np.isfinite(c))
