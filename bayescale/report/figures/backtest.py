"""Figures of backtests: observed responses in their predicted intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from bayescale.base.numbers import percent
from bayescale.evaluation.backtest import Backtest
from bayescale.evaluation.split_scores import on_log
from bayescale.report.figures.compute import COMPUTE_LABEL
from bayescale.report.figures.style import INK, MODEL, QUIET, SURPRISE, label_of, log_ticks, style
from bayescale.runs.columns import COLUMNS


def observed_in_intervals(results: Mapping[str, Sequence[Backtest]]) -> Figure:
    """Predicted intervals and observed responses over compute, a panel for each spec and split.

    Compute is 6 N D of the parameters that the law sees, for training runs as for predictions.
    Orange: outside the interval. The dashed line is the frontier of the runs that were fitted.

    Parameters
    ----------
    results : mapping
        Backtests of each spec, by its name.
    """
    rows, columns = max(len(backtests) for backtests in results.values()), len(results)
    with style():
        figure = Figure(figsize=(1.5 + 4.6 * columns, 0.6 + 2.3 * rows))
        axes = figure.subplots(rows, columns, squeeze=False)
        for column, (name, backtests) in enumerate(results.items()):
            for axis in axes[len(backtests) :, column]:
                axis.set_axis_off()
            for axis, backtest in zip(axes[:, column], backtests, strict=False):
                _panel(axis, name, backtest)
            axes[len(backtests) - 1, column].set_xlabel(COMPUTE_LABEL)
    return figure


def _panel(axis: Axes, name: str, backtest: Backtest) -> None:
    spec, train, points = backtest.spec, backtest.split.train, backtest.points
    fitted = 6 * train.seen_params(spec.params) * train.table["tokens"]
    axis.scatter(fitted, train.table[spec.response], s=8, color=QUIET, lw=0)
    axis.axvline(fitted.max(), color=INK, lw=0.8, ls="--")
    compute = 6 * points["params"] * points["tokens"]
    log = on_log(spec.response)
    ends = points[["observed", "lower", "upper"]]
    responses = np.exp(ends) if log else ends
    axis.vlines(compute, responses["lower"], responses["upper"], color=MODEL, lw=1.4, alpha=0.6)
    outside = (points["observed"] < points["lower"]) | (points["observed"] > points["upper"])
    colours = np.where(outside, SURPRISE, INK)
    axis.scatter(compute, responses["observed"], s=12, c=colours, zorder=3)
    inside = percent(1 - float(outside.mean()))
    title = f"{name}, {label_of(backtest.split.name)}: {inside} inside"
    axis.set(xscale="log", yscale="log" if log else "linear", title=title)
    every = (np.inf, np.inf)  # label each tick, at 2 and 5 too
    log_ticks(axis, LogFormatterSciNotation(minor_thresholds=every))
    axis.yaxis.set_minor_formatter("{x:.3g}")
    axis.yaxis.set_major_formatter("{x:.3g}")
    axis.tick_params(axis="y", which="minor", labelsize=7)
    axis.set_ylabel(COLUMNS[spec.response].axis)
