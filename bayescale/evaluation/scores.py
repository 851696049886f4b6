"""Scores: how good draws of a prediction are, given what was reached."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scoringrules
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS, holds, interval
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB

# The shares whose intervals are scored.
PROBS = (0.5, PROB)


def scores(
    draws: xr.DataArray, observed: xr.DataArray, probs: Sequence[float] = PROBS
) -> pd.DataFrame:
    """Scores of each predicted response, in the unit of the draws.

    Parameters
    ----------
    draws : DataArray
        (chain, draw, run[, corpus]).
    observed : DataArray
        (run[, corpus]).
    probs : sequence of float
        Shares of the intervals whose coverage is counted.

    Returns
    -------
    DataFrame
        A row a response: `observed`, `median`, `lower` and `upper` of the 90 % interval,
        `error` (median minus observed), `crps` (continuous ranked probability score),
        `interval_score` (Gneiting and Raftery 2007, of the 90 % interval), `pit` (share of draws
        below the observed), and `inside_50`, ...: whether each interval holds the observed.
    """
    said = interval(draws)
    stacked = draws.stack(sample=SAMPLE_DIMS).transpose(*observed.dims, "sample")
    lower, upper = (said[end].transpose(*observed.dims) for end in ("lower", "upper"))
    table = xr.Dataset(
        {
            "observed": observed,
            "median": said["median"],
            "lower": lower,
            "upper": upper,
            "error": said["median"] - observed,
            "crps": observed.copy(
                data=scoringrules.crps_ensemble(observed.values, stacked.values, estimator="pwm")
            ),
            "interval_score": observed.copy(
                data=np.reshape(
                    scoringrules.interval_score(
                        observed.values, lower.values, upper.values, 1 - PROB
                    ),
                    observed.shape,  # it drops dims of length 1
                )
            ),
            "pit": (draws < observed).mean(SAMPLE_DIMS),
        }
    )
    for prob in probs:
        table[_inside(prob)] = holds(interval(draws, prob), observed)
    return table.to_dataframe().reset_index()


def averaged(table: pd.DataFrame, probs: Sequence[float] = PROBS) -> dict[str, float]:
    """Scores over many responses: coverage of each interval, and means of the others."""
    coverage = {f"coverage_{_short(prob)}": float(table[_inside(prob)].mean()) for prob in probs}
    return {
        **coverage,
        "crps": float(table["crps"].mean()),
        "interval_score": float(table["interval_score"].mean()),
        "rmse": float(np.sqrt((table["error"] ** 2).mean())),
        "bias": float(table["error"].mean()),
        "width": float((table["upper"] - table["lower"]).mean()),
    }


def _short(prob: float) -> str:
    return percent(prob).split()[0]


def _inside(prob: float) -> str:
    return f"inside_{_short(prob)}"
