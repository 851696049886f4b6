"""Parting: where two laws that agree on the data say different things.

Along lines of equal compute, as a function of tokens per parameter: the difference between their
curves without any group's effect, how it compares with what a single run could show, and which
of the points the data cover.
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
from bayescale.model.design import centred, log_inputs
from bayescale.predictive.distance import distance
from bayescale.runs.table import Runs

# Tokens per parameter: from a tenth of the fewest anybody trains with to ten times the most.
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
        A row a point: `flops`, `tokens_per_param`, `params`, `tokens`; `one`, `other` (median of
        each curve); `median`, `lower`, `upper` of one minus other; `separation` (median
        difference over the standard deviation of a new run's response under both, so that 2 is
        plain in one run); `decades_outside` the data, 0 where they cover the point.

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
    seen = training_flops(one.runs)
    if flops is None:
        middle = float(np.sqrt(seen.min() * seen.max()))
        flops = (float(seen.min()), middle, float(seen.max()), 10 * float(seen.max()))
    grid = pd.MultiIndex.from_product([flops, ratios], names=["flops", "tokens_per_param"])
    points = grid.to_frame(index=False)
    points["params"] = np.sqrt(points["flops"] / 6 / points["tokens_per_param"])
    points["tokens"] = points["params"] * points["tokens_per_param"]
    curves, spreads = zip(*(_curve(fit, points) for fit in (one, other)), strict=True)
    # The two posteriors are independent given the data, so any pairing of their draws will do.
    length = min(drawn.sizes["sample"] for drawn in curves)
    mine, theirs = (drawn.isel(sample=slice(length)) for drawn in curves)
    said = interval(one_chain(mine - theirs), prob)
    noise = np.sqrt(sum(spread**2 for spread in spreads))
    said["separation"] = said["median"] / noise
    said["one"], said["other"] = mine.median("sample"), theirs.median("sample")
    asked = _inputs(one, points)
    covered = distance(one, asked)["decades_outside"]
    table = points.join(said.to_dataframe()[["one", "other", "median", "lower", "upper"]])
    return table.assign(separation=said["separation"].values, decades_outside=covered.values)


def most_informative(table: pd.DataFrame, most_flops: float) -> pd.Series:
    """The point of `discrimination` where one run would tell most.

    Among runs of at most this compute and at most a decade outside the data, if there are any.
    """
    chosen = table
    for wanted in (table["flops"] <= most_flops * (1 + 1e-9), table["decades_outside"] <= 1):
        if (wanted & table.index.isin(chosen.index)).any():
            chosen = chosen[wanted.loc[chosen.index]]
    return chosen.loc[chosen["separation"].abs().idxmax()]


def _inputs(fit: Fit, points: pd.DataFrame) -> xr.Dataset:
    named = points[["params", "tokens"]].assign(run=points.index)
    return centred(log_inputs(fit.spec, Runs(named, "points")).drop_dims("latent"), fit.centre)


def _curve(fit: Fit, points: pd.DataFrame) -> tuple[xr.DataArray, xr.DataArray]:
    """Draws of the curve without group effects (sample, run), and a new run's deviation."""
    named = Runs(points[["params", "tokens"]].assign(run=points.index), "points")
    plain = fit.spec.replace(groups=False)
    predictive = replace(fit.locate(named).predictive, spec=plain)
    curve, runs = (predictive.draws(kind) for kind in ("curve", "run"))
    if "corpus" in curve.dims:
        curve, runs = curve.mean("corpus"), runs.mean("corpus")
    half = interval(runs, 0.6827)  # a standard deviation that heavy tails do not move
    return flat(curve), (half["upper"] - half["lower"]) / 2
