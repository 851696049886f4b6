"""Predict: draws of the response for any (params, tokens, groups).

Works on saved draws with numpy alone; the curve is the one that the model samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError, Problem, RunsError
from bayescale.base.intervals import SAMPLE_DIMS, interval
from bayescale.base.notes import Note
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.laws.base import Values
from bayescale.model.conditioning import inputs_at, prior_of
from bayescale.model.curve import curve
from bayescale.model.design import centred, log_inputs
from bayescale.model.noise import around, scatter, unit
from bayescale.model.spec import Spec
from bayescale.predictive.distance import distance, extrapolation_note
from bayescale.predictive.groups import Fitted, effects_at, resolve
from bayescale.runs.table import Runs

Kind = Literal["curve", "run"]
KINDS: dict[str, str] = {
    "curve": "the curve: the median of many such runs",
    "run": "one new run: the curve and its observation noise",
}


@dataclass(frozen=True, eq=False)
class Prediction:
    """Draws of the response at points, and what to know about them.

    Attributes
    ----------
    draws : DataArray
        (chain, draw, run[, corpus]), in the response's unit.
    kind : {"curve", "run"}
    points : DataFrame
        A row a point, by its name: `params` as the law sees it, `tokens`, `flops` (6 N D), each
        group and whether it is known or new, and the distance from the data in decades.
    notes : list of Note
    """

    draws: xr.DataArray
    kind: Kind
    points: pd.DataFrame
    notes: list[Note]

    def table(self, prob: float = PROB) -> pd.DataFrame:
        """A row for each point (and corpus) with `mean`, `median`, `lower`, `upper`."""
        said = interval(self.draws, prob).to_dataframe()
        if "corpus" in self.draws.dims:
            said = said.reset_index("corpus")
        said.insert(0, "kind", self.kind)
        said.insert(1, "prob", prob)
        return self.points.join(said).reset_index(names="run")

    def probability_below(self, target: float) -> xr.DataArray:
        """Probability that the response lies at or below `target`, for each point."""
        return (self.draws <= target).mean(SAMPLE_DIMS)


def check_kind(kind: str) -> None:
    """Raise a `BayescaleError` if `kind` is not one of `KINDS`."""
    if kind not in KINDS:
        raise BayescaleError(f"kind={kind!r}: use {' or '.join(KINDS)}")


@dataclass(frozen=True, eq=False)
class Asked:
    """Points as a fit's curve takes them.

    Attributes
    ----------
    values : dict
        Draws of the law's parameters and of each effect, new groups drawn.
    x : dict
        The law's inputs, centred, and each point's position along the groups' dims.
    labels : DataFrame
        The group of each point, by group.
    inputs : Dataset
        `x` without the positions.
    notes : list of Note
    """

    values: dict[str, Any]
    x: dict[str, xr.DataArray]
    labels: pd.DataFrame
    inputs: xr.Dataset
    notes: list[Note]


def asked_of(fit: Fitted, points: Runs) -> Asked:
    """The points as the fit's curve takes them.

    Raises
    ------
    BayescaleError
        If a point has no token count.
    """
    latent = [
        Problem(int(row), str(run), "tokens", "blank", "a prediction needs a token count")
        for row, run in points.table.loc[~points.known_tokens, "run"].items()
    ]
    if latent:
        raise RunsError(points.name, latent)
    inputs = centred(log_inputs(fit.spec, points).drop_dims("latent"), fit.centre)
    labels, notes = resolve(fit, points)
    values, index = effects_at(fit, labels)
    x = {**{name: inputs[name] for name in fit.spec.law.inputs}, **index}
    return Asked(values, x, labels, inputs, notes)


def predict(fit: Fitted, points: Runs, kind: Kind = "run") -> Prediction:
    """Draws of the response at points.

    A group that no run of the fit has is drawn from the group's distribution; the same label
    is the same draw everywhere. The scatter of new runs uses the same random numbers at every
    point, so that curves are smooth and points can be compared; each point's own distribution
    is exact up to the number of draws.

    Raises
    ------
    BayescaleError
        If `kind` is unknown or a point has no token count.
    """
    check_kind(kind)
    asked = asked_of(fit, points)
    draws = responses(fit, asked.values, asked.x, kind)
    distances = distance(fit, asked.inputs)
    notes = [*asked.notes, *extrapolation_note(fit, distances), *_crosses_zero(fit.spec, draws)]
    frame = _describe(fit, points, asked.labels).join(distances.to_dataframe())
    return Prediction(draws, kind, frame, notes)


def responses(fit: Fitted, values: Values, x: Values, kind: Kind) -> xr.DataArray:
    """Draws (chain, draw, run, ...) of the curve or of new runs, one scatter for all points."""
    without = ("run",) if kind == "curve" else ()
    draws = curve(fit.spec, values, x, np, without=without).transpose(*SAMPLE_DIMS, "run", ...)
    if fit.spec.discrepancy:
        # One standard draw for all points, as for the scatter: curves are smooth, and each
        # point's own distribution is exact.
        missed = fit.conditioned.at(x["params"], x["tokens"], draws)
        standard = random(fit.seed, "discrepancy").standard_normal(draws.isel(run=0).shape)
        one = draws.isel(run=0, drop=True).copy(data=standard)
        share = (missed["mean"] + missed["sd"] * one) * unit(fit.spec, values)
        draws = around(fit.spec, draws, share).transpose(*draws.dims)
    if kind == "curve":
        return draws
    one = draws.isel(run=0, drop=True)
    return around(fit.spec, draws, scatter(fit.spec, values, one, random(fit.seed, "scatter")))


def replicate(
    spec: Spec, values: Values, x: Values, seed: int, missed: xr.Dataset | None = None
) -> xr.DataArray:
    """New responses at given rows, each with its own scatter: (chain, draw, run, ...).

    `missed` holds the `mean` and `sd` of the discrepancy there, for a spec that has one.
    """
    mean = curve(spec, values, x, np).transpose(*SAMPLE_DIMS, "run", ...)
    if missed is not None:
        standard = random(seed, "discrepancy").standard_normal(mean.shape)
        share = missed["mean"] + missed["sd"] * standard
        mean = around(spec, mean, share * unit(spec, values)).transpose(*mean.dims)
    return around(spec, mean, scatter(spec, values, mean, random(seed, "replicate")))


def simulated(spec: Spec, data: xr.Dataset, draws: xr.Dataset, seed: int) -> xr.DataArray:
    """Responses of a design's runs, drawn from scratch given the parameters."""
    x = inputs_at(data, draws)
    missed = None
    if spec.discrepancy:
        like = curve(spec, draws, x, np).transpose(*SAMPLE_DIMS, "run")
        processes = prior_of(draws, data, random(seed, "simulated"))
        missed = processes.at(x["params"], x["tokens"], like)
    return replicate(spec, draws, x, seed, missed)


def _crosses_zero(spec: Spec, draws: xr.DataArray) -> list[Note]:
    share = float((draws <= 0).mean())
    if share == 0:
        return []
    return [
        Note(
            "crosses-zero",
            "warning",
            f"{share:.1%} of the draws lie at or below 0, where no {spec.response} can",
            "the line has left its range; use a law with a floor, such as compute-floor",
        )
    ]


def _describe(fit: Fitted, points: Runs, labels: pd.DataFrame) -> pd.DataFrame:
    names = points.table["run"]
    params = points.seen_params(fit.spec.params).set_axis(names)
    tokens = points.table["tokens"].set_axis(names)
    frame = pd.DataFrame({"params": params, "tokens": tokens, "flops": 6 * params * tokens})
    for group in labels:
        frame[str(group)] = labels[group]
        known = labels[group].isin(fit.runs.table[group].unique())
        frame[f"{group}_is"] = np.where(known, "known", "new")
    return frame
