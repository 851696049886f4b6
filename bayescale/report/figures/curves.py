"""The figure of a fit's curve: runs over training compute, with the posterior bands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.base.intervals import interval
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.report.figures.compute import COMPUTE_LABEL, along_compute, training_compute
from bayescale.report.figures.style import (
    COLOURS,
    MODEL,
    QUIET,
    SHADE,
    label_of,
    panels_of,
    response_label,
    style,
)

# Groups do without the colour of the model's bands.
_GROUP_COLOURS = tuple(colour for colour in COLOURS if colour != MODEL)
_MARKERS = ("o", "s", "^", "D", "v")


def curve(fit: Fit, prob: float = PROB) -> Figure:
    """Runs and median curve over training compute, with the bands of the curve and of a new run.

    The bands are of a new group where the spec has groups. Where the law depends on more than
    compute, they follow the runs' geometric mean of tokens per parameter. A latent token count is
    drawn at its posterior median, hollow, with a line over its 90 % interval.
    """
    flops = training_compute(fit)
    span, points = along_compute(fit, flops["tokens"])
    draws = {kind: fit.predict(points, kind).draws for kind in ("run", "curve")}
    panels = panels_of(fit)
    with style():
        figure = Figure(figsize=(3.2 + 6.0 * len(panels) ** 0.7, 4.6))
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            bands = {kind: interval(select(values), prob) for kind, values in draws.items()}
            _draw_bands(axis, span, bands, _band_labels(fit, prob))
            _draw_runs(axis, fit, flops, select(fit.observed).to_numpy())
            axis.set(xscale="log", xlabel=COMPUTE_LABEL, title=title)
            axis.axvspan(flops["tokens"].max(), span[-1], color=SHADE, zorder=0, lw=0)
            axis.set_xlim(span[0], span[-1])
        axes[0].set_ylabel(response_label(fit))
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _band_labels(fit: Fit, prob: float) -> dict[str, str]:
    group = next(iter(fit.spec.named_groups), None)
    of_group = "" if group is None else f" of a new {group}"
    return {
        "run": f"one new run{of_group}, {percent(prob)}",
        "curve": f"curve{of_group}, {percent(prob)}",
    }


def _draw_bands(
    axis: Axes, flops: np.ndarray, bands: dict[str, xr.Dataset], labels: dict[str, str]
) -> None:
    for kind, opacity in (("run", 0.15), ("curve", 0.35)):
        lower, upper = bands[kind]["lower"], bands[kind]["upper"]
        axis.fill_between(
            flops, lower, upper, color=MODEL, alpha=opacity, lw=0, label=labels[kind], zorder=1
        )
    axis.plot(flops, bands["curve"]["median"], color=MODEL, lw=1.6, label="median curve", zorder=2)


def _draw_runs(axis: Axes, fit: Fit, flops: dict[str, np.ndarray], response: np.ndarray) -> None:
    """The runs, a colour and marker for each level of the first group."""
    table = fit.runs.table
    group = next(iter(fit.spec.named_groups), None)
    labels = table[group] if group else pd.Series("runs", table.index)
    latent = ~fit.runs.known_tokens.to_numpy()
    looks = zip(cycle(_GROUP_COLOURS), _marker_cycle(), strict=False)
    for label, (colour, marker) in zip(sorted(labels.unique()), looks, strict=False):
        rows = (labels == label).to_numpy()
        x, y = flops["tokens"][rows], response[rows]
        faces = np.where(latent[rows], "white", colour)
        axis.scatter(
            x, y, c=faces, edgecolors=colour, marker=marker, s=34, label=label_of(label), zorder=4
        )
        for i in np.flatnonzero(rows & latent):
            ends = [flops["lower"][i], flops["upper"][i]]
            axis.plot(ends, [response[i]] * 2, color=colour, lw=1, zorder=3)
    if latent.any():
        axis.plot([], [], color=QUIET, marker="o", mfc="white", lw=1, label="latent token count")


def _marker_cycle() -> Iterator[str]:
    for marker in cycle(_MARKERS):
        yield from [marker] * len(_GROUP_COLOURS)
