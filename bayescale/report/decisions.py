"""Decisions of a report: what a fit says of budgets, sizes, serving and the end of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.design import inputs_of
from bayescale.plan import allocation, overhead, serving
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.curve import Curve
from bayescale.plan.exhaustion import USUAL_LAWS, exhaust
from bayescale.plan.exhaustion import answer as exhaustion_answer
from bayescale.plan.next_answer import answer as next_answer
from bayescale.plan.next_run import next_run
from bayescale.plan.scenario import Scenario
from bayescale.report.content.forecasts import best_run
from bayescale.report.figures.buying import certainty_figure
from bayescale.report.figures.plans import budget_figure, exhaustion_figure, overhead_figure

type Content = dict[str, Any]
type Figures = dict[str, Figure]

SCENARIO = "villalobos-2024"
# Parameters over the compute-optimal ones whose overhead is shown.
_SIZES = (0.3, 0.5, 0.7)
# Tokens served over the lifetime of the model whose cost is minimised.
_SERVED = 1e13
# Of the target's cost, what runs before it may cost together; and their number.
_FOR_RUNS, _RUNS = 10, 3


@dataclass(frozen=True, eq=False)
class Question:
    """What a report asks every plan about.

    Attributes
    ----------
    fit : Fit
    curve : Curve
        Of the fit, for new groups.
    flops : float
        Budget; by default ten times the compute of the largest run.
    target : float
        Response to reach: that of the best run.
    """

    fit: Fit
    curve: Curve
    flops: float
    target: float


def decisions(fit: Fit, budget: float | None = None) -> tuple[Content | None, Figures]:
    """Budgets, overheads and a serving plan under a fit, for new groups, and their figures.

    The budgets are the one given, a tenth and ten times that; else the largest run's compute, and
    ten and a hundred times that. The serving plan is to reach the best run's response once more,
    and to write 1e13 tokens.

    Returns
    -------
    content : dict or None
        None for a fit of several corpora, whose best sizes would differ.
    figures : dict
        `budget` and `overhead`, where there is a best size; `certainty`, where runs can be bought.
    """
    if fit.spec.corpora:
        return None, {}
    target = best_run(fit)
    question = Question(fit, Curve.of_fit(fit), budget or 10 * _largest(fit), target)
    content: Content = {}
    figures: Figures = {}
    for part in _PARTS:
        more, drawn = part(question)
        content |= more
        figures |= drawn
    return content, figures


def _budgets(question: Question) -> tuple[Content, Figures]:
    curve, flops = question.curve, question.flops
    less, more = (allocation.answer(curve, flops * factor, PROB) for factor in (0.1, 10))
    middle = allocation.answer(curve, flops, PROB, fit=question.fit)
    approaches = middle.content.pop("approaches", [])
    content = {
        "budgets": [answer.content for answer in (less, middle, more)],
        "approaches": approaches,
        "splits": middle.content.get("splits", []),
        "notes": [note.to_dict() for note in middle.notes if note.code != "new-group"],
    }
    return content, {"budget": budget_figure(curve, flops, PROB)} if curve.has_optimum else {}


def _overheads(question: Question) -> tuple[Content, Figures]:
    curve = question.curve
    if not curve.has_optimum:
        return {"overheads": []}, {}
    answers = [overhead.answer(curve, size, PROB).content for size in _SIZES]
    return {"overheads": answers}, {"overhead": overhead_figure(curve, PROB)}


def _serve(question: Question) -> tuple[Content, Figures]:
    """The plan, or why there is none."""
    target = question.target
    try:
        plan = serving.answer(question.curve, prob=PROB, target=target, generated_tokens=_SERVED)
    except BayescaleError as error:
        return {"serve": {"target": target, "error": str(error)}, "served": _SERVED}, {}
    return {"serve": plan.content, "served": _SERVED}, {}


def _next_run(question: Question) -> tuple[Content, Figures]:
    """What to buy for a tenth of the budget, before a run of all of it at the usual ratio.

    For laws of parameters and tokens alone: of other inputs nobody has said what a target has.
    """
    fit = question.fit
    if set(fit.inputs) != {"params", "tokens"}:
        return {"next": None}, {}
    inputs = inputs_of(fit.spec, fit.runs)
    ratio = float(np.exp(inputs["tokens"].mean() - inputs["params"].mean()))
    params = float(np.sqrt(question.flops / FLOP_PER_PARAM_TOKEN / ratio))
    target = {"params": params, "tokens": ratio * params}
    try:
        found = next_run(fit, target, question.flops / _FOR_RUNS, batch=_RUNS)
    except BayescaleError as error:
        return {"next": {"error": str(error)}}, {}
    content = {k: v for k, v in next_answer(found).content.items() if k != "candidates"}
    return {"next": content}, {"certainty": certainty_figure(found)}


# What each plan puts into a report: content and figures. Its words are those of the writer in
# `report/sections/plans.py`.
_PARTS = (_budgets, _overheads, _serve, _next_run)


def exhaustion(fits: Sequence[Fit]) -> tuple[Content, Figure]:
    """The default scenario under the laws of the fits, and beside them one that knows repeats."""
    curves = [Curve.of_fit(fit) for fit in fits if not fit.spec.corpora]
    if all(curve.compute_only for curve in curves):
        curves.append(Curve.published(USUAL_LAWS[0]))
    outlook = exhaust(Scenario.load(SCENARIO), curves)
    answer = exhaustion_answer(outlook)
    notes = [note.to_dict() for note in answer.notes if note.code != "new-group"]
    return {**answer.content, "notes": notes}, exhaustion_figure(outlook)


def _largest(fit: Fit) -> float:
    """FLOP of the largest run whose tokens are stated, or of the largest guess."""
    inputs = inputs_of(fit.spec, fit.runs)
    compute: xr.DataArray = inputs["params"] + inputs["tokens"]
    stated = fit.runs.known_tokens.to_numpy()
    kept = compute[stated] if stated.any() else compute
    return float(FLOP_PER_PARAM_TOKEN * np.exp(kept.max()))
