"""The figure of the variance decomposition: what an interval is made of, along compute."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bayescale.base.intervals import interval
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.predictive.predictive import COMPONENTS
from bayescale.report.figures.compute import COMPUTE_LABEL, along_compute, training_compute
from bayescale.report.figures.style import INK, panels_of, response_label, style

_COLOURS = dict(zip(COMPONENTS, ("#0072B2", "#009E73", "#E69F00", "#BBBBBB"), strict=True))
# Compute beyond the largest run, as a factor.
_BEYOND = 100


def variance(fit: Fit, prob: float = PROB) -> Figure:
    """Width of one new run's interval over compute, split by each component's variance share."""
    flops = training_compute(fit)["tokens"]
    span, points = along_compute(fit, flops, beyond=_BEYOND)
    draws = fit.predict(points, "run").draws
    shares = fit.variance_shares(points)
    panels = panels_of(fit)
    with style():
        figure = Figure(figsize=(3.2 + 6.0 * len(panels) ** 0.7, 3.6))
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            ends = interval(select(draws), prob)
            width = (ends["upper"] - ends["lower"]).to_numpy()
            selected = select(shares).transpose("component", "run")
            shown = [name for name in COMPONENTS if float(selected.sel(component=name).max()) > 0]
            axis.stackplot(
                span,
                [selected.sel(component=name) * width for name in shown],
                labels=[COMPONENTS[name] for name in shown],
                colors=[_COLOURS[name] for name in shown],
                lw=0,
            )
            axis.axvline(np.nanmax(flops), color=INK, lw=0.8, ls="--")
            axis.set(xscale="log", xlabel=COMPUTE_LABEL, title=title)
            axis.set_xlim(span[0], span[-1])
            axis.set_ylim(0)
        axes[0].set_ylabel(f"width of the {percent(prob)} interval\n{response_label(fit)}")
        handles, labels = axes[-1].get_legend_handles_labels()
        axes[-1].legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
