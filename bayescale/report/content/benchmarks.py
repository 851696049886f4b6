"""Benchmark scores: what one model gets at the sizes asked for, and along compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.base.settings import PROB
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.predictive.benchmarks import NEW
from bayescale.report.content.records import Records, records
from bayescale.report.figures.benchmarks import split, tokens_per_param
from bayescale.report.sentences import sentence


def score_points(fit: BenchmarkFit, asked: Sequence[Mapping[str, Any]] | None) -> pd.DataFrame:
    """Parameters and tokens to predict scores at, each once; by a new family.

    Parameters
    ----------
    fit : BenchmarkFit
    asked : sequence of mapping, optional
        Points of a report; by default the most compute of a model and ten times that, at the
        models' tokens per parameter.
    """
    if asked is None:
        most = fit.scores.flops.max()
        points = split(np.array([most, 10 * most]), tokens_per_param(fit))
    else:
        stated = pd.DataFrame(list(asked))
        points = stated[[name for name in ("params", "tokens") if name in stated]]
        points = points.drop_duplicates(ignore_index=True)
    return points.assign(family=NEW) if fit.design.has_families else points


def whose(fit: BenchmarkFit) -> str:
    """A clause on the model that is predicted, as far as the fitted ones differ."""
    new = sentence("benchmarks.by_new") if fit.design.has_families else ""
    return new + (sentence("benchmarks.untuned") if fit.scores.tuned.any() else "")


def benchmarks(
    fit: BenchmarkFit, points: pd.DataFrame, curves: pd.DataFrame, *, asked: bool
) -> dict[str, Any]:
    """Every number of the section on benchmark scores.

    Parameters
    ----------
    fit : BenchmarkFit
    points : DataFrame
        As `score_points` gives them.
    curves : DataFrame
        As `score_curves` gives them.
    asked : bool
        Whether somebody asked for the points.

    Raises
    ------
    BayescaleError
        If a point states no parameters or no tokens.
    """
    known = fit.scores.benchmarks
    best = fit.scores.scores.max()
    return {
        "file": fit.scores.runs.name,
        "form": fit.form,
        "models": len(fit.scores),
        "of": whose(fit),
        "asked": asked,
        "tokens_per_param": tokens_per_param(fit),
        "benchmarks": [
            {"name": n, "title": each.title, "chance": each.chance, "best": float(best[n])}
            for n, each in known.items()
        ],
        "rows": records(fit.predict(points, "run", PROB)),
        "along": _powers_of_ten(curves),
        "convergence": fit.convergence.to_dict(),
        "notes": [note.to_dict() for note in [*fit.notes, *fit.outside_notes(points)]],
    }


def _powers_of_ten(curves: pd.DataFrame) -> Records:
    """A few points of the curves, for the table under the figure."""
    decades = np.log10(curves["flops"])
    return records(curves[np.isclose(decades, decades.round(), rtol=0, atol=1e-9)])
