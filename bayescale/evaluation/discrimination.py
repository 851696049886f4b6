"""Model discrimination: where two laws that agree on the data predict different responses.

Along lines of equal compute, as a function of tokens per parameter: the difference between their
curves without any group's effect, how it compares with the spread of a single run, and which of
the points the data cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import flat, interval, one_chain
from bayescale.base.settings import PROB
from bayescale.evaluation.folds import training_flops
from bayescale.fit.fit import Fit
from bayescale.model.design import centred, inputs_of
from bayescale.predictive.distance import distance
from bayescale.runs.table import Runs

# Tokens per parameter: from a tenth of the fewest in use to ten times the most.
RATIOS = tuple(float(ratio) for ratio in np.geomspace(0.3, 3e4, 21))


def discrimination(
    one: Fit,
    other: Fit,
    flops: Sequence[float] | None = None,
    ratios: Sequence[float] = RATIOS,
    prob: float = PROB,
) -> pd.DataFrame:
    """The difference between two laws along lines of equal compute.

    Parameters
    ----------
    one, other : Fit
        Of one response and the same runs.
    flops : sequence of float, optional
        Compute of each line, FLOP; by default the least, the middle and the most of the runs,
        and ten times the most.
    ratios : sequence of float
        Tokens per parameter.
    prob : float
        Of the interval of the difference.

    Returns
    -------
    DataFrame
        A row for each point: `flops`, `tokens_per_param`, `params`, `tokens`; `one`, `other`
        (median of each curve); `median`, `lower`, `upper` of one minus other, in the response's
        unit; `separation` (median difference over the standard deviation of a new run's response,
        the root mean square of that under either law: 2 is plain in one run); `decades_outside`
        the data, 0 where they cover the point.

    Raises
    ------
    BayescaleError
        If the fits cannot be compared.
    """
    if one.spec.columns != other.spec.columns:
        raise BayescaleError(
            f"{one.spec.name} predicts {one.spec.response}, {other.spec.name} "
            f"{other.spec.response}: fit both to one response"
        )
    if set(one.runs.table["run"]) != set(other.runs.table["run"]):
        raise BayescaleError(
            f"{one.spec.name} and {other.spec.name} saw different runs; fit both to the same"
        )
    if flops is None:
        observed = training_flops(one.runs)
        least, most = float(observed.min()), float(observed.max())
        flops = (least, np.sqrt(least * most), most, 10 * most)
    grid = pd.MultiIndex.from_product([flops, ratios], names=["flops", "tokens_per_param"])
    points = grid.to_frame(index=False)
    points["params"] = np.sqrt(points["flops"] / 6 / points["tokens_per_param"])
    points["tokens"] = points["params"] * points["tokens_per_param"]
    curves, deviations = zip(*(_curve(fit, points) for fit in (one, other)), strict=True)
    # The two posteriors are independent given the data, so any pairing of their draws will do.
    length = min(draws.sizes["sample"] for draws in curves)
    first, second = (draws.isel(sample=slice(length)) for draws in curves)
    difference = interval(one_chain(first - second), prob)
    difference = difference.assign(one=first.median("sample"), other=second.median("sample"))
    columns = difference.to_dataframe()[["one", "other", "median", "lower", "upper"]]
    of_a_run = np.sqrt((deviations[0] ** 2 + deviations[1] ** 2) / 2)
    outside = distance(one, _inputs(one, points))["decades_outside"]
    return points.join(columns).assign(
        separation=(difference["median"] / of_a_run).values, decades_outside=outside.values
    )


def most_informative(table: pd.DataFrame, most_flops: float) -> pd.Series:
    """The point of `discrimination` where one run would discriminate best.

    Among runs of at most this compute (FLOP) and at most a decade outside the data, if there are
    any.
    """
    chosen = table
    for condition in (table["flops"] <= most_flops * (1 + 1e-9), table["decades_outside"] <= 1):
        if (condition & table.index.isin(chosen.index)).any():
            chosen = chosen[condition.loc[chosen.index]]
    return chosen.loc[chosen["separation"].abs().idxmax()]


def _inputs(fit: Fit, points: pd.DataFrame) -> xr.Dataset:
    runs = Runs(points[["params", "tokens"]].assign(run=points.index), "points")
    return centred(inputs_of(fit.spec, runs).drop_dims("latent"), fit.centre)


def _curve(fit: Fit, points: pd.DataFrame) -> tuple[xr.DataArray, xr.DataArray]:
    """Draws of the curve without group effects (sample, run), and a new run's deviation (run)."""
    runs = Runs(points[["params", "tokens"]].assign(run=points.index), "points")
    plain = fit.spec.replace(groups=False)
    predictive = replace(fit.locate(runs).predictive, spec=plain)
    curve, responses = (predictive.draws(kind) for kind in ("curve", "run"))
    if "corpus" in curve.dims:
        curve, responses = curve.mean("corpus"), responses.mean("corpus")
    ends = interval(responses, 0.6827)  # a standard deviation that heavy tails do not enlarge
    return flat(curve), (ends["upper"] - ends["lower"]) / 2
