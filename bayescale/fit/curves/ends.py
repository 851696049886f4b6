"""Where runs end: a row a run, with the probability that each ends lowest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescale.fit.curves.forecast import Forecast
from bayescale.runs.curves import Curves


def ends(
    curves: Curves, forecasts: Mapping[str, Forecast], target: float | None, prob: float
) -> list[dict[str, Any]]:
    """How far each run is, where it ends, and the probability that it ends lowest.

    Parameters
    ----------
    curves : Curves
    forecasts : mapping of str to Forecast
        By run.
    target : float, optional
        A loss: also the probability of ending below it.
    prob : float
        Of the intervals.

    Returns
    -------
    list of dict
        `run`, `seen` and `end` (steps, tokens or examples), `last`, `median`, `lower`, `upper`
        (losses), `below_target` with a target, `best` with several runs.
    """
    last = np.stack([forecast.end.to_numpy() for forecast in forecasts.values()])
    best = np.bincount(last.argmin(axis=0), minlength=len(last)) / last.shape[1]
    rows = []
    for (name, forecast), wins in zip(forecasts.items(), best, strict=True):
        curve, ended = curves[name], forecast.table(prob).iloc[-1]
        row: dict[str, Any] = {
            "run": name,
            "seen": curve.end,
            "last": float(curve.loss[np.isfinite(curve.loss)][-1]),
            "end": float(ended["position"]),
            "median": float(ended["median"]),
            "lower": float(ended["lower"]),
            "upper": float(ended["upper"]),
        }
        if target is not None:
            row["below_target"] = forecast.probability_below(target)
        if len(forecasts) > 1:
            row["best"] = float(wins)
        rows.append(row)
    return rows
