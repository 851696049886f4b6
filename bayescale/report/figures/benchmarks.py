"""Scores over compute, by a fit of benchmarks: their curves, and a figure of one panel each."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

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
# Points of the curves in a factor of ten of compute.
_STEPS = 20
# Points that are asked at a time: their draws take 64 kB each and benchmark.
_AT_A_TIME = 40
# Beyond the most compute of a model, and below the least.
_BEYOND, _BELOW = 100, 2


def tokens_per_param(fit: BenchmarkFit) -> float:
    """Tokens per parameter of the models: their geometric mean, to three digits."""
    table = fit.scores.runs.table
    return float(f"{np.exp(np.log(table['tokens'] / table['params']).mean()):.3g}")


def split(flops: np.ndarray, ratio: float) -> pd.DataFrame:
    """The points of some compute (FLOP, 6 N D) at so many tokens a parameter."""
    params = np.sqrt(flops / 6 / ratio)
    return pd.DataFrame({"params": params, "tokens": params * ratio})


def score_curves(fit: BenchmarkFit, prob: float = PROB, also: Sequence[float] = ()) -> pd.DataFrame:
    """Scores of one model of a new family over compute, at the models' tokens per parameter.

    Parameters
    ----------
    fit : BenchmarkFit
    prob : float
        That an interval holds.
    also : sequence of float
        More compute (FLOP) to be among the points.

    Returns
    -------
    DataFrame
        `flops`, and what `BenchmarkFit.predict` gives, from half the least compute of a model to
        100 times the most: 20 points in a factor of ten, of two digits each.

    Raises
    ------
    BayescaleError
        If the fit takes losses.
    """
    if fit.design.takes_losses:
        raise BayescaleError(
            "the figure is over compute, and this fit predicts scores from losses; fit models "
            "whose params and tokens are known"
        )
    known = fit.scores.flops.dropna()
    low, high = min([known.min() / _BELOW, *also]), max([known.max() * _BEYOND, *also])
    steps = range(floor(log10(low) * _STEPS), ceil(log10(high) * _STEPS) + 1)
    grid = [float(f"{10 ** (k % _STEPS / _STEPS):.1f}e{k // _STEPS}") for k in steps]
    flops = np.union1d(grid, also)
    points, count = split(flops, tokens_per_param(fit)), len(fit.scores.benchmarks)
    parts = [
        fit.predict(points[i : i + _AT_A_TIME], "run", prob)
        for i in range(0, len(points), _AT_A_TIME)
    ]
    return pd.concat(parts, ignore_index=True).assign(flops=np.repeat(flops, count))


def score_figure(
    fit: BenchmarkFit, prob: float = PROB, curves: pd.DataFrame | None = None
) -> Figure:
    """Scores of the models and the interval of one model of a new family, over compute.

    Beyond the models' compute the ground is grey.

    Parameters
    ----------
    fit : BenchmarkFit
    prob : float
        That an interval holds.
    curves : DataFrame, optional
        As `score_curves` gives them, where they are known.

    Raises
    ------
    BayescaleError
        If the fit takes losses.
    """
    found = score_curves(fit, prob) if curves is None else curves
    names = list(fit.scores.benchmarks)
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with style():
        figure = Figure(figsize=(2.6 * columns + 0.6, 2.2 * rows + 0.6))
        title = f"{percent(prob)} intervals"
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axis, name in zip(axes, names, strict=False):
            _panel(axis, fit, name, found[found["benchmark"] == name])
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        figure.supxlabel("training compute, FLOP")
        figure.supylabel("score")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4, title=title)
    return figure


def _panel(axis: Axes, fit: BenchmarkFit, name: str, found: pd.DataFrame) -> None:
    flops, scores = fit.scores.flops, fit.scores.scores[name]
    span = found["flops"].to_numpy()
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
