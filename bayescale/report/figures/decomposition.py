"""Figure of what an interval is made of, along compute."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bayescale.base.intervals import interval
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.predictive.predictive import COMPONENTS
from bayescale.report.figures.fit import along_compute, panels_of, style, training_compute, unit

_COLOURS = dict(zip(COMPONENTS, ("#0072B2", "#009E73", "#E69F00", "#BBBBBB"), strict=True))
_DECADES_BEYOND = 2


def variance(fit: Fit, prob: float = PROB) -> Figure:
    """Width of a new run's interval over compute, split by each part's share in its variance."""
    flops = training_compute(fit)["tokens"]
    span, grid = along_compute(fit, flops, beyond=10**_DECADES_BEYOND)
    draws = fit.predict(grid, "run").draws
    shares = fit.variance_shares(grid)
    panels = panels_of(fit)
    with style():
        figure = Figure(figsize=(3.2 + 6.0 * len(panels) ** 0.7, 3.6))
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            said = interval(select(draws), prob)
            width = (said["upper"] - said["lower"]).to_numpy()
            stack = select(shares).transpose("component", "run")
            shown = [name for name in COMPONENTS if float(stack.sel(component=name).max()) > 0]
            axis.stackplot(
                span,
                [stack.sel(component=name) * width for name in shown],
                labels=[COMPONENTS[name] for name in shown],
                colors=[_COLOURS[name] for name in shown],
                lw=0,
            )
            axis.axvline(np.nanmax(flops), color="black", lw=0.8, ls="--")
            axis.set(xscale="log", xlabel="training compute (FLOP, 6 N D)", title=title)
            axis.set_xlim(span[0], span[-1])
            axis.set_ylim(0)
        axes[0].set_ylabel(f"width of the {percent(prob)} interval\n{unit(fit)}")
        handles, labels = axes[-1].get_legend_handles_labels()
        axes[-1].legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
