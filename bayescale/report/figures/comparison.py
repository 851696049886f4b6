"""Figures of several models: their curves on one axis, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayescale.base.intervals import interval
from bayescale.base.numbers import human, percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.report.figures.compute import COMPUTE_LABEL, along_compute, training_compute
from bayescale.report.figures.style import (
    COLOURS,
    INK,
    QUIET,
    panels_of,
    response_label,
    style,
)

_LINES = ("-", "--", "-.", ":")


def overlay(fits: Sequence[Fit], prob: float = PROB) -> Figure:
    """Each fit's curve over compute, at the runs' mean tokens per parameter, with its band.

    Parameters
    ----------
    fits : sequence of Fit
        Of the same runs and response.
    prob : float
        Of the bands.
    """
    flops = training_compute(fits[0])
    span, grid = along_compute(fits[0], flops["tokens"])
    grid = grid.assign(**{name: value for fit in fits for name, value in fit.usual_inputs.items()})
    panels = panels_of(fits[0])
    with style():
        figure = Figure(figsize=(3.2 + 6.0 * len(panels) ** 0.7, 4.6))
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            observed = select(fits[0].observed).to_numpy()
            axis.scatter(flops["tokens"], observed, s=16, color=QUIET, label="runs", zorder=1)
            for i, fit in enumerate(fits):
                ends = interval(select(fit.predict(grid, "curve").draws), prob)
                colour, line = COLOURS[::-1][i % len(COLOURS)], _LINES[i % len(_LINES)]
                axis.fill_between(
                    span, ends["lower"], ends["upper"], color=colour, alpha=0.13, lw=0
                )
                axis.plot(span, ends["median"], line, color=colour, lw=1.8, label=fit.spec.name)
            axis.set(xscale="log", xlabel=COMPUTE_LABEL, title=title)
            axis.axvspan(flops["tokens"].max(), span[-1], color="#F2F2F2", zorder=0, lw=0)
            axis.set_xlim(span[0], span[-1])
        axes[0].set_ylabel(response_label(fits[0]))
        axes[-1].legend(
            loc="center left", bbox_to_anchor=(1.0, 0.5), title=f"{percent(prob)} for the curve"
        )
    return figure


def discrimination(table: pd.DataFrame, one: Fit, other: Fit) -> Figure:
    """The difference between two laws over tokens per parameter, a line for each compute.

    Thick where the data cover the point; the band is the interval of the difference on the line
    of the runs' most compute.

    Parameters
    ----------
    table : DataFrame
        As `bayescale.evaluation.discrimination.discrimination` gives it.
    one, other : Fit
        The fits that it compares.
    """
    with style():
        figure = Figure(figsize=(8.2, 4.6))
        axis = figure.subplots()
        axis.axhline(0, color=INK, lw=0.8)
        lines = list(table.groupby("flops"))
        # The last line is beyond the data; the one before it is the largest run's.
        banded = lines[-2][0] if len(lines) > 1 else lines[0][0]
        for i, (flops, line) in enumerate(lines):
            colour = COLOURS[::-1][i % len(COLOURS)]
            ratio = line["tokens_per_param"].to_numpy()
            if flops == banded:
                axis.fill_between(
                    ratio, line["lower"], line["upper"], color=colour, alpha=0.15, lw=0
                )
            label = f"{human(float(flops))} FLOP"
            axis.plot(ratio, line["median"], _LINES[i % 4], color=colour, lw=1.3, label=label)
            inside = np.where(line["decades_outside"] == 0, line["median"], np.nan)
            axis.plot(ratio, inside, "o-", color=colour, lw=4, ms=4.5)
        trained = (one.runs.table["tokens"] / one.runs.seen_params(one.spec.params)).dropna()
        axis.axvspan(trained.min(), trained.max(), color="#F2F2F2", zorder=0, lw=0)
        axis.set(xscale="log", xlabel="tokens per parameter (shaded: the runs')")
        axis.set_ylabel(f"{one.spec.name} minus {other.spec.name}, {response_label(one)}")
        axis.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            title="equal compute\n(thick: in the data)",
        )
    return figure
