"""The figure of a spec's prior: what it expects before any data."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayescale.base.intervals import interval
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.fit.prior import along_compute, changes
from bayescale.model.spec import Spec
from bayescale.report.figures.style import COLOURS, INK, LINES, MODEL, style
from bayescale.runs.columns import COLUMNS

_CURVES = 25
_BINS = 40


def prior_predictive(spec: Spec, prob: float = PROB, seed: int = 0) -> Figure:
    """Prior predictive distribution along compute, and what a tenfold input changes.

    Left: bands of one new run of a new group, with single curves of the prior; compute is relative
    to the data's centre, N and D growing alike. Right: the change of the curve where one input
    grows tenfold and the others stay. Corpora are pooled.
    """
    compute, predictive = along_compute(spec, seed)
    with style():
        figure = Figure(figsize=(10, 4.2))
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        draws = predictive.draws("run"), predictive.draws("curve")
        runs, curves = (d.isel(corpus=0) if "corpus" in d.dims else d for d in draws)
        for share, opacity in ((prob, 0.15), (0.5, 0.3)):
            band = interval(runs, share)
            label = f"one new run, {percent(share)}"
            left.fill_between(
                compute, band["lower"], band["upper"], color=MODEL, alpha=opacity, lw=0, label=label
            )
        for i, curve in enumerate(curves.isel(chain=0).to_numpy()[:_CURVES]):
            left.plot(compute, curve, color=INK, lw=0.5, alpha=0.6, label="curves" * (i == 0))
        low, high = interval(runs, prob)["lower"].min(), interval(runs, prob)["upper"].max()
        if low > 0:
            left.set(yscale="log", ylim=(low / 1.3, high * 1.3))
        left.set(
            xscale="log",
            xlim=(compute[0], compute[-1]),
            xlabel="training compute, relative to the data's centre",
            ylabel=COLUMNS[spec.response].axis,
            title=f"{spec.name}: prior predictive",
        )
        left.legend(loc="upper right")
        _changes(right, spec, prob, seed)
    return figure


def _changes(axis: Axes, spec: Spec, prob: float, seed: int) -> None:
    found = {name: values.to_numpy().ravel() for name, values in changes(spec, seed).items()}
    together = np.concatenate(list(found.values()))
    first, last = np.quantile(together, [0.01, 0.99])
    bins = np.linspace(first, last, _BINS).tolist()
    for (name, values), colour, line in zip(found.items(), COLOURS, LINES, strict=False):
        low, high = np.quantile(values, [(1 - prob) / 2, (1 + prob) / 2])
        ends = f"{percent(low)} to {percent(high)}"
        label = f"{COLUMNS[str(name)].label}: {ends}"
        axis.hist(values, bins, histtype="step", lw=1.6, color=colour, ls=line, label=label)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    axis.set(
        xlabel=f"change of {spec.response} where one input grows tenfold",
        ylabel="prior draws",
        title=f"Tenfold inputs, {percent(prob)}",
    )
    axis.set_ylim(0, axis.get_ylim()[1] * 1.25)
    axis.legend(loc="upper left")
