"""Figures of backtests: observed responses in their predicted intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.evaluation.backtest import Backtest
from bayescale.report.figures.compute import COMPUTE_LABEL
from bayescale.report.figures.style import INK, MODEL, QUIET, SURPRISE, label_of, style


def observed_in_intervals(results: Mapping[str, Sequence[Backtest]]) -> Figure:
    """Predicted intervals and observed responses over compute, a panel a spec and split.

    Orange: outside the interval. The dashed line is the frontier of the runs that were fitted.
    """
    rows, columns = max(len(done) for done in results.values()), len(results)
    with style():
        figure = Figure(figsize=(1.5 + 4.6 * columns, 0.6 + 2.3 * rows))
        axes = figure.subplots(rows, columns, squeeze=False)
        for column, (name, done) in enumerate(results.items()):
            for axis in axes[len(done) :, column]:
                axis.set_axis_off()
            for axis, one in zip(axes[:, column], done, strict=False):
                train = one.split.train.table.dropna(subset=["tokens"])
                flops = 6 * train["params"] * train["tokens"]
                axis.scatter(flops, train[one.spec.response], s=8, color=QUIET, lw=0)
                axis.axvline(flops.max(), color=INK, lw=0.8, ls="--")
                points = one.points
                compute = 6 * points["params"] * points["tokens"]
                lower, upper = np.exp(points["lower"]), np.exp(points["upper"])
                axis.vlines(compute, lower, upper, color=MODEL, lw=1.4, alpha=0.6)
                outside = (points["observed"] < points["lower"]) | (
                    points["observed"] > points["upper"]
                )
                colours = np.where(outside, SURPRISE, INK)
                axis.scatter(compute, np.exp(points["observed"]), s=12, c=colours, zorder=3)
                inside = percent(1 - float(outside.mean()))
                title = f"{name}, {label_of(one.split.name)}: {inside} in the {percent(PROB)}"
                axis.set(xscale="log", yscale="log", title=title)
                axis.yaxis.set_minor_formatter("{x:.3g}")
                axis.yaxis.set_major_formatter("{x:.3g}")
                axis.tick_params(axis="y", which="minor", labelsize=7)
                axis.set_ylabel(one.spec.response)
            axes[len(done) - 1, column].set_xlabel(COMPUTE_LABEL)
    return figure
