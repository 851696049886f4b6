"""Runs that are training now: where each ends, by its curve so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import listed
from bayescale.base.settings import PROB, Settings
from bayescale.fit.curves.ends import ends
from bayescale.fit.curves.fit import ahead, fit_curves
from bayescale.report.figures.whole_curve import whole_curve
from bayescale.runs.curves import Curves

# Figures that a page shows; the table has every run.
_DRAWN = 3


@dataclass(frozen=True)
class Running:
    """Curves for a section of a report.

    Attributes
    ----------
    curves : Curves
    runs : sequence of str
        Those in progress; by default all that have not come to their end.
    end : float, optional
        Where they end; by default where their schedules do.
    seed : int
    """

    curves: Curves
    runs: Sequence[str] = ()
    end: float | None = None
    seed: int = Settings.seed


def running(asked: Running, target: float | None) -> tuple[dict[str, Any], dict[str, Figure]]:
    """Where the runs end that have not, and figures of the first of them.

    Raises
    ------
    BayescaleError
        If all have ended.
    """
    curves = asked.curves
    named = asked.runs or curves.curves
    unfinished = [run for run in named if len(ahead(curves[run], asked.end)) > 1]
    if not unfinished:
        raise BayescaleError(
            f"{curves.name}: {listed(named, 3)}: no run is in progress: each has come to "
            "its end; say where they end: --end STEPS, and with learning rates --schedule cosine"
        )
    fit = fit_curves(curves, seed=asked.seed)
    forecasts = {run: fit.forecast(run, asked.end) for run in unfinished}
    content = {
        "file": curves.name,
        "law": fit.law.name,
        "unit": curves.unit,
        "target": target,
        "runs": len(curves),
        "rows": ends(curves, forecasts, target, PROB),
        "ahead": {run: _some(forecasts[run].table(PROB)) for run in unfinished[:_DRAWN]},
        "notes": [note.to_dict() for note in fit.notes],
    }
    figures = {
        f"running-{i}": whole_curve(curves, run, forecasts[run], target=target)
        for i, run in enumerate(unfinished[:_DRAWN])
    }
    return content, figures


def _some(table: pd.DataFrame) -> list[dict[str, float]]:
    """Five rows of a forecast, the end among them."""
    kept = table[["position", "median", "lower", "upper"]].iloc[:: -max(len(table) // 5, 1)]
    rows: list[dict[str, float]] = kept[::-1].to_dict(orient="records")
    return rows
