"""The figure of a fit of benchmarks: scores over compute, one panel a benchmark."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.report.figures.style import INK, MODEL, QUIET, SHADE, SURPRISE, label_of, style

_COLUMNS = 4
_POINTS = 40


def score_figure(fit: BenchmarkFit, prob: float = PROB) -> Figure:
    """Scores of the models and the interval of one model of a new family, over compute.

    The band follows the models' geometric mean of tokens a parameter; beyond the models' compute
    the ground is grey.

    Raises
    ------
    BayescaleError
        If the fit takes losses.
    """
    if fit.design.takes_losses:
        raise BayescaleError("the figure is over compute; this fit predicts scores from losses")
    table, flops = fit.scores.runs.table, fit.scores.flops
    ratio = float(np.exp(np.log(table["tokens"] / table["params"]).mean()))
    span = np.geomspace(flops.min() / 2, flops.max() * 100, _POINTS)
    params = np.sqrt(span / 6 / ratio)
    found = fit.predict(pd.DataFrame({"params": params, "tokens": params * ratio}), "run", prob)
    names = list(fit.scores.benchmarks)
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with style():
        figure = Figure(figsize=(2.6 * columns + 0.6, 2.2 * rows + 0.6))
        title = f"{percent(prob)} intervals"
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axis, name in zip(axes, names, strict=False):
            _panel(axis, fit, name, span, found[found["benchmark"] == name])
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        figure.supxlabel("training compute, FLOP")
        figure.supylabel("score")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4, title=title)
    return figure


def _panel(axis: Axes, fit: BenchmarkFit, name: str, span: np.ndarray, found: pd.DataFrame) -> None:
    flops, scores = fit.scores.flops, fit.scores.scores[name]
    tuned = fit.scores.tuned
    axis.fill_between(
        span,
        found["lower"],
        found["upper"],
        color=MODEL,
        alpha=0.2,
        lw=0,
        label="one model of a new family",
    )
    axis.plot(span, found["median"], color=MODEL, lw=1.4, label="median")
    axis.scatter(flops[~tuned], scores[~tuned], s=9, color=INK, label="models", zorder=3)
    if tuned.any():
        axis.scatter(
            flops[tuned], scores[tuned], s=9, color=SURPRISE, marker="^", label="tuned", zorder=3
        )
    chance = fit.scores.benchmarks[name].chance
    if chance:
        axis.axhline(chance, color=QUIET, lw=1, ls=":")
    axis.axvspan(flops.max(), span[-1], color=SHADE, zorder=0, lw=0)
    axis.set(xscale="log", xlim=(span[0], span[-1]), ylim=(0, 1))
    axis.set_title(label_of(fit.scores.benchmarks[name].title))
