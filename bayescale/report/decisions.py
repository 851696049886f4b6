"""Decisions of a report: what a fit says of budgets, sizes, serving and the end of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.design import log_inputs
from bayescale.plan.allocation import FLOP_PER_PARAM_TOKEN
from bayescale.plan.content import (
    USUAL_LAWS,
    Content,
    exhaustion_content,
    exhaustion_notes,
    optimum_content,
    overhead_content,
    serve_content,
)
from bayescale.plan.curve import Curve
from bayescale.plan.exhaustion import exhaust
from bayescale.plan.scenario import Scenario
from bayescale.report.figures.plans import budget_figure, exhaustion_figure, overhead_figure

SCENARIO = "villalobos-2024"
_SIZES = (0.3, 0.5, 0.7)
# Served over the lifetime of the model whose cost is minimised.
_SERVED = 1e13


def decisions(fit: Fit) -> tuple[Content | None, dict[str, Figure]]:
    """Budgets, overheads and a serving plan under a fit, for new groups, and their figures.

    The budgets are the largest run's compute, and ten and a hundred times that; the serving plan
    is to reach the best run's response once more, and to write 1e13 tokens.

    Returns
    -------
    content : dict or None
        None for a fit of several corpora, whose best sizes would differ.
    figures : dict
        `budget` and `overhead`, where there is a best size.
    """
    if fit.spec.corpora:
        return None, {}
    curve = Curve.of_fit(fit)
    largest = _largest(fit)
    budgets = [optimum_content(curve, largest * factor, PROB)[0] for factor in (1, 10, 100)]
    middle, notes = optimum_content(curve, largest * 10, PROB, fit=fit)
    target = float(fit.runs.table[fit.spec.response].min())
    content: Content = {
        "budgets": budgets,
        "approaches": middle.get("approaches", []),
        "splits": middle.get("splits", []),
        "notes": [note.to_dict() for note in notes if note.code != "new-group"],
        "overheads": [],
        "serve": _serving(curve, target),
        "served": _SERVED,
    }
    figures = {}
    if curve.law.has_optimum:
        figures["budget"] = budget_figure(curve, largest * 10, PROB)
        content["overheads"] = [overhead_content(curve, size, PROB)[0] for size in _SIZES]
        figures["overhead"] = overhead_figure(curve, PROB)
    return content, figures


def exhaustion(fits: Sequence[Fit]) -> tuple[Content, Figure]:
    """The default scenario under the laws of the fits, and beside them one that knows repeats."""
    curves = [Curve.of_fit(fit) for fit in fits if not fit.spec.corpora]
    if all(curve.law.compute_only for curve in curves):
        curves.append(Curve.published(USUAL_LAWS[0]))
    outlook = exhaust(Scenario.load(SCENARIO), curves)
    content = exhaustion_content(outlook)
    content["notes"] = [note.to_dict() for note in exhaustion_notes(content)]
    return content, exhaustion_figure(outlook)


def _largest(fit: Fit) -> float:
    """FLOP of the largest run whose tokens are stated, or of the largest guess."""
    inputs = log_inputs(fit.spec, fit.runs)
    compute: xr.DataArray = inputs["params"] + inputs["tokens"]
    stated = fit.runs.known_tokens.to_numpy()
    kept = compute[stated] if stated.any() else compute
    return float(FLOP_PER_PARAM_TOKEN * np.exp(kept.max()))


def _serving(curve: Curve, target: float) -> dict[str, Any]:
    """The plan, or why there is none."""
    try:
        return serve_content(curve, prob=PROB, target=target, generated_tokens=_SERVED)[0]
    except BayescaleError as error:
        return {"target": target, "error": str(error)}
