"""Forecasts of a report: points, their intervals and variance shares, the curve, the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayescale.base.numbers import human
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.design import inputs_of
from bayescale.model.scale import scale_of
from bayescale.predictive.decomposition import by_point
from bayescale.predictive.points import as_points
from bayescale.report.content.records import Records, records
from bayescale.report.figures.compute import along_compute, training_compute
from bayescale.report.sensitivity import of_forecasts
from bayescale.report.sentences import sentence
from bayescale.runs.columns import COLUMNS

# A table under a curve has every 13th of the points that are drawn.
STEP = 13


def default_points(fit: Fit) -> Records:
    """The largest run again, the same by a new group, and ten times its compute."""
    table = fit.runs.table
    inputs = np.exp(inputs_of(fit.spec, fit.runs)[["params", "tokens"]].to_dataframe())
    inputs = inputs.set_axis(table.index)
    stated = fit.runs.known_tokens if fit.runs.known_tokens.any() else table["params"].notna()
    row = inputs[stated].prod(axis="columns").idxmax()
    size = {name: float(inputs.at[row, name]) for name in ("params", "tokens")}
    groups = {str(group): str(table.at[row, group]) for group in fit.spec.named_groups}
    others = {name: float(table.at[row, name]) for name in fit.other_inputs}
    bigger = {name: value * np.sqrt(10) for name, value in size.items()}
    again = sentence("points.again", run=table.at[row, "run"])
    if others:
        again += f" ({', '.join(f'{name} {human(value)}' for name, value in others.items())})"
    points: Records = [{"run": again, **size, **others, **groups}]
    if groups:
        new_group = sentence("points.new_group", group=next(iter(groups)))
        points.append({"run": new_group, **size, **others})
    return [*points, {"run": sentence("points.bigger"), **bigger, **others, **groups}]


def predictions(fit: Fit, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each point median, both intervals, variance shares, what the priors decide; and notes."""
    runs = as_points(list(points))
    curve, new_run = fit.predict(runs, "curve"), fit.predict(runs, "run")
    rows = records(curve.table().drop(columns=["kind", "prob"]))
    shares = by_point(fit.variance_shares(runs))
    scaled = of_forecasts(fit, curve.draws)
    every = zip(rows, records(new_run.table()), shares, scaled, strict=True)
    for row, run_row, variance, by_priors in every:
        row["variance_shares"] = variance
        row["priors"] = {"precision": by_priors.precision, "shift": by_priors.shift}
        row["curve"] = {end: row.pop(end) for end in ("lower", "upper")}
        row["new_run"] = {end: run_row[end] for end in ("lower", "upper")}
        row["median"] = run_row["median"]  # as `predict` and the page's explorer give it
    return {"rows": rows, "notes": [note.to_dict() for note in new_run.notes]}


def default_target(fit: Fit) -> float:
    """A response 5 % below the best run; where higher is better 5 % above it, or nearer a ceiling.

    A ceiling is that of the noise's logit, or of a share.
    """
    column, best = COLUMNS[fit.spec.response], best_run(fit)
    if column.better == "lower":
        return round(0.95 * best, 3)
    ceiling = min(scale_of(fit.spec).high, 1.0 if column.scale == "logit" else np.inf)
    return round(best + 0.05 * min(ceiling - best, abs(best)), 3)


def best_run(fit: Fit) -> float:
    """The best response of a run."""
    return COLUMNS[fit.spec.response].best(fit.runs.table[fit.spec.response])


def inverse(fit: Fit, point: Mapping[str, Any], target: float | None) -> Records:
    """Tokens that reach a target at the size of a point, by its groups and by new ones."""
    goal = default_target(fit) if target is None else target
    groups = {str(group): point[group] for group in fit.spec.named_groups if point.get(group)}
    answers = []
    for chosen in [groups, {}] if groups else [{}]:
        for prob in (0.5, PROB):
            answer = fit.invert(
                goal,
                params=point["params"],
                at={name: point[name] for name in fit.other_inputs},
                groups=chosen,
                prob=prob,
            )
            answers.append({"groups": chosen, **answer.to_dict()})
    return answers


def curve_rows(fit: Fit) -> Records:
    """The bands of the figure `curve` at a few budgets, as `predict` gives them."""
    _, grid = along_compute(fit, training_compute(fit)["tokens"])
    points = as_points(grid.iloc[::STEP])
    curve, new_run = fit.predict(points, "curve").table(), fit.predict(points, "run").table()
    kept = ("params", "tokens", "flops", "corpus", "median")
    rows = records(curve[[name for name in kept if name in curve]])
    for row, curve_row, run_row in zip(rows, records(curve), records(new_run), strict=True):
        row["curve"] = {end: curve_row[end] for end in ("lower", "upper")}
        row["new_run"] = {end: run_row[end] for end in ("lower", "upper")}
    return rows
