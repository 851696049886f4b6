"""A run's curve, the forecast of what is ahead, and its learning-rate schedule beneath."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bayescale.base.numbers import human, percent
from bayescale.base.settings import PROB
from bayescale.fit.curves.forecast import Forecast
from bayescale.report.figures.style import INK, MODEL, QUIET, SHADE, SURPRISE, label_of, style
from bayescale.runs.curves.table import Curves

_RATES = 400


def whole_curve(
    curves: Curves, run: str, forecast: Forecast, *, target: float | None = None, prob: float = PROB
) -> Figure:
    """The points of one run, its forecast band, and its schedule where there is one.

    Parameters
    ----------
    curves : Curves
    run : str
    forecast : Forecast
    target : float, optional
        A loss to mark.
    prob : float
        Of the band.
    """
    curve = curves[run]
    table = forecast.table(prob)
    with style():
        rows = 1 if curve.schedule is None else 2
        figure = Figure(figsize=(7.2, 3.6 if rows == 1 else 4.8))
        axes = figure.subplots(rows, 1, sharex=True, height_ratios=[3, 1][:rows], squeeze=False)
        axis = axes[0, 0]
        used = curve.used
        finite = np.isfinite(curve.loss)
        axis.plot(
            *(curve.position[used], curve.loss[used]),
            *(".",), color=INK, markersize=3, label=label_of(run),
        )  # fmt: skip
        left = ~used & finite
        if left.any():
            axis.plot(
                *(curve.position[left], curve.loss[left]),
                *("x",), color=SURPRISE, markersize=4, label="not used",
            )  # fmt: skip
        band = f"forecast, {percent(prob)} interval"
        axis.fill_between(
            table["position"], table["lower"], table["upper"], color=MODEL, alpha=0.2, lw=0
        )
        axis.plot(table["position"], table["median"], color=MODEL, label=band)
        last = table.iloc[-1]
        middle = last["median"]
        axis.errorbar(
            [last["position"]],
            [middle],
            [[middle - last["lower"]], [last["upper"] - middle]],
            color=MODEL,
            capsize=3,
        )
        if target is not None:
            axis.axhline(target, color=QUIET, ls="--", lw=1, label=f"target {target:g}")
        low = np.nanmin([curve.loss[used].min(), table["lower"].min(), target or np.inf])
        # Early losses would flatten what is ahead.
        high = np.quantile(curve.loss[used], 0.9)
        high = max(high, float(table["upper"].max()))
        axis.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
        axis.axvspan(curve.position[-1], last["position"], color=SHADE, zorder=0)
        axis.set_ylabel("loss")
        axis.legend()
        if curve.schedule is not None:
            steps = np.linspace(0, last["position"], _RATES)
            axes[1, 0].plot(steps, curve.schedule.at(steps), color=QUIET)
            axes[1, 0].set_ylabel("rate / peak")
            axes[1, 0].set_ylim(0, 1.08)
        axes[-1, 0].xaxis.set_major_formatter(lambda value, _: human(value))
        axes[-1, 0].set_xlabel(curves.unit)
    return figure
