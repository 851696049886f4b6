"""Figures of a posterior: group effects, priors, latent token counts, and replicated responses."""

from __future__ import annotations

import arviz_stats
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from bayescale.base.intervals import SAMPLE_DIMS, holds, interval
from bayescale.base.numbers import human, percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.priors import log_density
from bayescale.report.figures.compute import token_intervals
from bayescale.report.figures.style import (
    INK,
    MODEL,
    QUIET,
    SURPRISE,
    label_of,
    panels_of,
    response_label,
    style,
)
from bayescale.runs.columns import COLUMNS

# Points at which a density is drawn.
_GRID = 240


def effects(fit: Fit, prob: float = PROB) -> Figure | None:
    """Group effects on the law's parameters: median, 50 % and `prob` intervals.

    Returns None where the spec has no group effects.
    """
    shown = [effect for effect in fit.spec.effect_list() if effect.group != "run"]
    if not shown:
        return None
    panels = panels_of(fit)
    heights = [fit.posterior.sizes[effect.group] for effect in shown]
    with style():
        figure = Figure(figsize=(2.8 + 4 * len(panels), 1.4 + 0.24 * sum(heights)))
        axes = figure.subplots(
            len(shown), len(panels), squeeze=False, sharex=True, height_ratios=heights
        )
        for row, effect in enumerate(shown):
            draws = fit.posterior[effect.name]
            by_corpus = "corpus" in draws.dims
            pooled = draws.mean("corpus") if by_corpus else draws
            order = pooled.median(SAMPLE_DIMS).argsort().to_numpy()[::-1]
            for axis, (title, select) in zip(axes[row], panels, strict=True):
                selected = select(draws) if by_corpus else draws
                _forest(axis, selected.isel({effect.group: order}), effect.group, prob)
                axis.set_title(f"{title} {effect.group}".strip())
                if axis is not axes[row][0]:
                    axis.set_yticklabels([])
        support = {fit.spec.law.parameter(effect.parameter).support for effect in shown}
        scale = "added to" if support == {"real"} else "added to the log (or logit) of"
        names = ", ".join(dict.fromkeys(effect.parameter for effect in shown))
        names = response_label(fit) if (names, support) == ("level", {"real"}) else names
        figure.supxlabel(f"{scale} {names}", fontsize=10)
    return figure


def _forest(axis: Axes, draws: xr.DataArray, dim: str, prob: float) -> None:
    """One row a label, first at the top."""
    wide, half = interval(draws, prob), interval(draws, 0.5)
    y = np.arange(draws.sizes[dim])[::-1]
    axis.axvline(0, color=QUIET, lw=0.8, zorder=1)
    axis.hlines(y, wide["lower"], wide["upper"], color=MODEL, lw=1.2)
    axis.hlines(y, half["lower"], half["upper"], color=MODEL, lw=3.6)
    axis.plot(wide["median"], y, "o", mfc="white", mec=MODEL, ms=5)
    axis.set_yticks(y, [label_of(label) for label in draws[dim].to_numpy()])
    axis.set_ylim(-0.6, len(y) - 0.4)


def check(fit: Fit, prob: float = PROB) -> Figure:
    """Posterior predictive check: each run's response in the interval of its replicates.

    50 % thick, `prob` thin; responses outside `prob` are orange.
    """
    replicates = fit.replicates()
    observed = fit.observed
    panels = panels_of(fit)
    flops = fit.runs.seen_params(fit.spec.params).to_numpy() * token_intervals(fit)["tokens"]
    order = np.argsort(flops.to_numpy())
    y = np.arange(len(order))
    many = len(order) > 60
    with style():
        width = 2.2 + 3.6 * len(panels)
        figure = Figure(figsize=(width, 5.0 if many else 1.3 + 0.19 * len(order)))
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            wide = interval(select(replicates), prob).isel(run=order)
            half = interval(select(replicates), 0.5).isel(run=order)
            response = select(observed).isel(run=order).to_numpy()
            outside = ~holds(wide, response)
            axis.hlines(y, wide["lower"], wide["upper"], color=MODEL, lw=1.2, alpha=0.8)
            axis.hlines(y, half["lower"], half["upper"], color=MODEL, lw=3.2, alpha=0.5)
            axis.scatter(response, y, c=np.where(outside, SURPRISE, INK), s=16, zorder=3)
            inside = 1 - float(outside.mean())
            axis.set_title(f"{title}: {percent(inside)} inside".strip(": "))
            axis.set_xlabel(response_label(fit))
        names = [] if many else [label_of(run) for run in observed["run"].to_numpy()[order]]
        axes[0].set_yticks(y[: len(names)], names, fontsize=8)
        axes[0].set_ylabel("runs, ordered by compute")
    return figure


def prior_posterior(fit: Fit) -> Figure:
    """Prior (grey) and posterior (blue) density of every sampled parameter."""
    priors = fit.spec.all_priors()
    columns = 4
    rows = -(-len(priors) // columns)
    with style():
        figure = Figure(figsize=(10, 0.5 + 1.7 * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, name in zip(axes, priors, strict=False):
            posterior = fit.posterior[name]
            ends = [
                *fit.prior[name].quantile([0.01, 0.99]),
                *posterior.quantile([0.001, 0.999]),
            ]
            span = np.linspace(float(min(ends)), float(max(ends)), _GRID)
            density = log_density(priors[name], xr.DataArray(span, dims="x"))
            _draw_density(axis, span, np.exp(density.to_numpy()), QUIET)
            for draws in _each_corpus(posterior):
                density = arviz_stats.kde(_within(draws, span), dim="draw")
                x, y = (density.sel(plot_axis=name).to_numpy() for name in ("x", "y"))
                _draw_density(axis, x, y, MODEL)
            axis.set(title=name, yticks=[], xlim=(span[0], span[-1]), ylim=0)
            axis.grid(visible=False)
            axis.spines["left"].set_visible(False)
        for axis in axes[len(priors) :]:
            axis.set_axis_off()
        both = {"prior": QUIET, "posterior": MODEL}
        figure.legend(
            handles=[Patch(color=colour, alpha=0.4, label=of) for of, colour in both.items()],
            loc="outside upper right",
            ncols=len(both),
        )
    return figure


def _each_corpus(draws: xr.DataArray) -> list[xr.DataArray]:
    if "corpus" not in draws.dims:
        return [draws]
    return [draws.isel(corpus=i) for i in range(draws.sizes["corpus"])]


def _within(draws: xr.DataArray, span: np.ndarray) -> xr.DataArray:
    """The draws that lie on the axis, as one chain."""
    values = draws.to_numpy().ravel()
    return xr.DataArray(values[(values >= span[0]) & (values <= span[-1])], dims="draw")


def _draw_density(axis: Axes, x: np.ndarray, density: np.ndarray, colour: str) -> None:
    """A density, scaled to its own height."""
    axis.fill_between(x, 0, density / density.max(), color=colour, alpha=0.35, lw=0)
    axis.plot(x, density / density.max(), color=colour, lw=1.2)


def latent_tokens(fit: Fit, prob: float = PROB) -> Figure | None:
    """Latent token counts: the range assumed before the fit (grey), and the posterior (blue).

    Returns None where every count is stated.
    """
    if "tokens" not in fit.posterior:
        return None
    draws = fit.posterior["tokens"]
    table = fit.runs.table.set_index("run").loc[draws["latent"].to_numpy()]
    y = np.arange(len(table))[::-1]
    wide, half = interval(draws, prob), interval(draws, 0.5)
    with style():
        figure = Figure(figsize=(7.4, 1.2 + 0.42 * len(table)))
        axis = figure.subplots()
        ends = table["tokens_low"], table["tokens_high"]
        axis.hlines(y, *ends, color="#D0D0D0", lw=11, label=f"assumed, {percent(PROB)}")
        axis.hlines(y, wide["lower"], wide["upper"], color=MODEL, lw=1.4)
        axis.hlines(y, half["lower"], half["upper"], color=MODEL, lw=4)
        label = f"inferred, {percent(prob)}"
        axis.plot(wide["median"], y, "o", mfc="white", mec=MODEL, label=label)
        axis.set_yticks(y, [label_of(run) for run in table.index])
        axis.set_ylim(-0.7, len(y) - 0.3)
        axis.set(xscale="log", xlabel=COLUMNS["tokens"].axis)
        low, high = axis.get_xlim()
        ticks = (5e11, 1e12, 2e12, 5e12, 1e13, 2e13, 5e13)
        axis.set_xticks([tick for tick in ticks if low <= tick <= high])
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
        axis.minorticks_off()
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
