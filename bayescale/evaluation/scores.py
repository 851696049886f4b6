"""Scores: how good the draws of a prediction are, given the observed responses.

All of them exist for every predictive distribution. Student's t noise on the logarithm has no
mean, and without one neither a squared error of the mean nor the usual form of the CRPS exists;
medians and quantiles always do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS, holds, interval
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB

# The probabilities whose intervals are scored.
PROBS = (0.5, PROB)
# Levels of the quantiles by which the CRPS is computed: .01, .03, ..., .99.
_LEVELS = xr.DataArray((np.arange(50) + 0.5) / 50, dims="quantile")


def scores(
    draws: xr.DataArray, observed: xr.DataArray, probs: Sequence[float] = PROBS
) -> pd.DataFrame:
    """Scores of each predicted response, in the unit of the draws.

    Parameters
    ----------
    draws : DataArray (chain, draw, run[, corpus])
    observed : DataArray (run[, corpus])
    probs : sequence of float
        Probabilities of the intervals whose coverage is counted.

    Returns
    -------
    DataFrame
        A row for each response: `observed`, `median`, `lower` and `upper` of the 90 % interval,
        `error` (median minus observed), `crps` (see `crps`), `interval_score` (Gneiting and
        Raftery 2007, of the 90 % interval), `pit` (probability integral transform: the share of
        draws below the observed response), and `inside_50`, ...: whether each interval holds it.
    """
    summary = interval(draws)
    lower, upper = (summary[end].transpose(*observed.dims) for end in ("lower", "upper"))
    table = xr.Dataset(
        {
            "observed": observed,
            "median": summary["median"],
            "lower": lower,
            "upper": upper,
            "error": summary["median"] - observed,
            "crps": crps(draws, observed),
            "interval_score": interval_score(lower, upper, observed),
            "pit": (draws < observed).mean(SAMPLE_DIMS),
        }
    )
    for prob in probs:
        table[_inside(prob)] = holds(interval(draws, prob), observed)
    return table.to_dataframe().reset_index()


def crps(draws: xr.DataArray, observed: xr.DataArray) -> xr.DataArray:
    """Continuous ranked probability score, by its quantiles from .01 to .99.

    Twice the mean quantile score at 50 levels (Laio and Tamea 2007; quantile-weighted as in
    Gneiting and Ranjan 2011). It is proper, it agrees with the usual form where tails are light,
    and it is finite where a distribution has no mean, as those of Student's t noise on the
    logarithm, and of mixtures over its degrees of freedom on any scale.

    Parameters
    ----------
    draws : DataArray (chain, draw, run[, corpus])
    observed : DataArray (run[, corpus])

    Returns
    -------
    DataArray (run[, corpus])
        In the unit of the draws; lower is better.
    """
    quantiles = draws.quantile(_LEVELS.values, dim=SAMPLE_DIMS)
    below = observed < quantiles
    score = (observed - quantiles) * (_LEVELS - below)
    return 2 * score.mean("quantile").transpose(*observed.dims)


def interval_score(
    lower: xr.DataArray, upper: xr.DataArray, observed: xr.DataArray
) -> xr.DataArray:
    """Width of a 90 % interval and a penalty outside it (Gneiting and Raftery 2007, eq. 43).

    Parameters
    ----------
    lower, upper, observed : DataArray (run[, corpus])

    Returns
    -------
    DataArray (run[, corpus])
        In the unit of the response; lower is better.
    """
    outside = (lower - observed).clip(0) + (observed - upper).clip(0)
    return (upper - lower) + 2 / (1 - PROB) * outside


def averaged(table: pd.DataFrame, probs: Sequence[float] = PROBS) -> dict[str, float]:
    """Scores over many responses: coverage of each interval, and means of the others.

    Parameters
    ----------
    table : DataFrame
        A row for each response, as `scores` gives it.
    probs : sequence of float

    Returns
    -------
    dict
        `coverage_50`, ...; `crps`, `interval_score`, `bias` (mean error) and `width` (of the 90 %
        interval) as means, `rmse` as the root mean square error of the medians.
    """
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
