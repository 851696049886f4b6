"""Figures of decisions: functions that take a `Curve` or an answer and return a `Figure`."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.numbers import human, percent
from bayescale.plan.allocation import optimum
from bayescale.plan.answer import interval_of, with_unit
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.curve import Curve
from bayescale.plan.exhaustion import Exhaustion, Outlook
from bayescale.plan.overhead import overhead
from bayescale.plan.printed import printed_allocation
from bayescale.plan.serving import cost_by_size, serve
from bayescale.report.figures.style import COLOURS, INK, MODEL, QUIET, SURPRISE, log_ticks, style
from bayescale.runs.columns import COLUMNS

_POINTS = 61
# No data set or model of this size is plotted: the axis would be all that a reader sees.
_MOST = 1e18


def budget_figure(
    curve: Curve, flops: float, prob: float, *, unique_tokens: float | None = None
) -> Figure:
    """Response over parameters along one budget, with the optimum; flat as the curve is there."""
    pairs = flops / FLOP_PER_PARAM_TOKEN
    best = optimum(curve, flops, unique_tokens=unique_tokens)
    middle = np.sqrt(pairs) if best.params is None else float(best.params.median())
    params = xr.DataArray(np.geomspace(middle / 30, middle * 30, _POINTS), dims="size")
    unique = np.inf if unique_tokens is None else unique_tokens
    loss = curve.at(params, pairs / params, unique)
    with style():
        figure = Figure(figsize=(7.2, 4.2))
        axis = figure.subplots()
        _band(axis, params.to_numpy(), loss, prob, colour=MODEL, label=curve.name)
        if best.params is not None and best.loss is not None:
            size, least = _middle(best.params), _middle(best.loss)
            ends = _ends(best.params, prob)
            axis.plot(ends, [least, least], color=SURPRISE, lw=3, solid_capstyle="butt")
            axis.plot(size, least, "o", color=SURPRISE, label=f"optimum: {human(size)}")
            flat = [_middle(best.params_low), _middle(best.params_high)]  # type: ignore[arg-type]
            axis.axvspan(*flat, color=QUIET, alpha=0.12, lw=0, label="within 1 % of the best")
        axis.set(xscale="log", xlabel=COLUMNS["params"].axis, ylabel=with_unit(curve.response))
        axis.set_title(f"{flops:.3g} FLOP")
        _counts(axis)
        axis.legend()
    return figure


def allocation_figure(name: str, flops: float) -> Figure:
    """Parameters and tokens over the budget, as a source prints them."""
    budgets = np.geomspace(flops / 100, flops * 100, _POINTS)
    line, here = printed_allocation(name, budgets), printed_allocation(name, flops)
    assert line is not None
    assert here is not None
    with style():
        figure = Figure(figsize=(7.2, 4.2))
        axis = figure.subplots()
        for quantity, colour in (("tokens", COLOURS[0]), ("params", MODEL)):
            what = "parameters" if quantity == "params" else quantity
            axis.plot(budgets, line[quantity], color=colour, lw=1.8)
            label = f"{what}: {human(here[quantity])}"
            axis.plot(flops, here[quantity], "o", color=colour, label=label)
        axis.set(xscale="log", yscale="log", xlabel=COLUMNS["flops"].axis, ylabel="count")
        axis.set_title(f"{name}, at {flops:.3g} FLOP")
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
        axis.legend()
    return figure


def overhead_figure(curve: Curve, prob: float) -> Figure:
    """Compute overhead over model size, with the critical size."""
    sizes = xr.DataArray(np.geomspace(0.15, 3, _POINTS), dims="size")
    answer = overhead(curve, sizes)
    with style():
        figure = Figure(figsize=(7.2, 4.2))
        axis = figure.subplots()
        _band(axis, sizes.to_numpy(), 100 * answer.overhead, prob, colour=MODEL, label=curve.name)
        critical = _middle(answer.critical_size)
        axis.axvline(critical, color=SURPRISE, lw=1.2, label=f"critical size: {critical:.2f}")
        if answer.critical_size.dims:
            axis.axvspan(*_ends(answer.critical_size, prob), color=SURPRISE, alpha=0.15, lw=0)
        axis.set(xscale="log", ylim=(-2, 200))
        axis.set_xticks([0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3])
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.minorticks_off()
        axis.set_xlabel("parameters over the compute-optimal ones")
        axis.set_ylabel(f"extra compute for the same {curve.response} (%)")
        axis.legend()
    return figure


def serving_figure(curve: Curve, prob: float, **question: Any) -> Figure:
    """Expected cost of training and serving over model size, and the cheapest plan."""
    plan = serve(curve, prob=prob, **question)
    params, training, serving = cost_by_size(curve, plan, prob=prob, **question)
    with style():
        figure = Figure(figsize=(7.2, 4.2))
        axis = figure.subplots()
        for label, cost, colour in (
            ("training", training, COLOURS[0]),
            ("serving", serving, COLOURS[1]),
            ("both", training + serving, INK),
        ):
            axis.plot(params, cost, color=colour, lw=1.8, label=label)
        if plan.params is not None and plan.total is not None:
            total = float(plan.total.mean())
            label = f"cheapest: {human(plan.params)} on {human(plan.tokens or np.inf)}"
            axis.plot(plan.params, total, "o", color=SURPRISE, label=label)
        least = float(np.nanmin(training + serving))
        shown = [float(part[part > 0].min(initial=least)) for part in (training, serving)]
        axis.set(xscale="log", yscale="log", xlabel=COLUMNS["params"].axis, xlim=params[[0, -1]])
        axis.set_ylim(max(min(shown), least / 100) / 2, least * 30)
        axis.set_ylabel(f"expected cost ({plan.unit})")
        axis.set_title(f"Reach {_middle(plan.target):.3g} {COLUMNS[curve.response].unit}")
        _counts(axis)
        axis.legend()
    return figure


def exhaustion_figure(outlook: Exhaustion) -> Figure:
    """Demand against the stock, when they meet, and what each law makes of it."""
    prob, years = outlook.scenario.prob, np.array(outlook.scenario.years)
    laws = outlook.outlooks
    with style():
        rows = 1 + -(-(len(laws) + 1) // 2) if laws else 1
        figure = Figure(figsize=(10, 3.6 * rows))
        grid = figure.add_gridspec(rows, 2)
        tokens, when = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        _band(tokens, years, outlook.available, prob, colour=COLOURS[2], label="can be trained on")
        _band(
            tokens,
            years,
            outlook.demanded,
            prob,
            colour=SURPRISE,
            label="demanded by the largest run",
        )
        tokens.set(yscale="log", ylabel="tokens", title="Stock and demand")
        tokens.set_ylim(top=min(_MOST, tokens.get_ylim()[1]))
        tokens.legend(loc="upper left")
        _when(when, outlook)
        for i, law in enumerate(laws):
            _best_response(figure.add_subplot(grid[1 + i // 2, i % 2]), law, years, prob)
        if laws:
            _pace(figure.add_subplot(grid[1 + len(laws) // 2, len(laws) % 2]), laws, years)
        for axis in figure.axes:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_xlim(years[0], years[-1])
    return figure


def _when(axis: Axes, outlook: Exhaustion) -> None:
    years = np.array(outlook.scenario.years)
    interval = interval_of(outlook.year, outlook.scenario.prob)
    lower, median, upper = (float(interval[name]) for name in ("lower", "median", "upper"))
    axis.plot(years + 1, outlook.probability_by(), color=MODEL, lw=1.8)
    axis.axvspan(lower, min(upper, years[-1] + 1), color=MODEL, alpha=0.15, lw=0)
    axis.axvline(median, color=MODEL, lw=1, ls=":")
    ends = f"{lower:.1f} to {upper:.1f}" if np.isfinite(upper) else f"from {lower:.1f}"
    label = f"{median:.1f}" if np.isfinite(median) else "never"
    axis.set_title(f"Used up: {label} ({percent(outlook.scenario.prob)}: {ends})")
    axis.set(ylim=(0, 1), ylabel="probability by then")


def _best_response(axis: Axes, outlook: Outlook, years: np.ndarray, prob: float) -> None:
    curve = outlook.curve
    if curve.compute_only:
        _band(axis, years, outlook.unlimited, prob, colour=MODEL, label="whatever the data")
        axis.axhline(0, color=QUIET, lw=0.8)
    else:
        _band(axis, years, outlook.unrepeated, prob, colour=SURPRISE, label="nothing repeated")
        if outlook.repeated is not None:
            _band(axis, years, outlook.repeated, prob, colour=COLOURS[0], label="repeated")
        _band(axis, years, outlook.unlimited, prob, colour=MODEL, label="all data new")
    axis.set_ylabel(f"best {with_unit(curve.response)}")
    axis.set_title(curve.name)
    axis.legend(loc="upper right")


def _pace(axis: Axes, laws: list[Outlook], years: np.ndarray) -> None:
    """Median factor of parameters; the line ends where no number suffices in most draws."""
    for outlook, colour in zip(laws, cycle((SURPRISE, MODEL, *COLOURS)), strict=False):
        factor = outlook.extra_params.transpose("year", ...).median(SAMPLE_DIMS).to_numpy()
        axis.plot(years, np.where(np.isfinite(factor), factor, np.nan), color=colour, lw=1.8)
        last = int(np.isfinite(factor).sum()) - 1
        if last < 0:
            continue
        name = outlook.curve.name
        label = name if last == len(years) - 1 else f"{name}: then none suffice"
        axis.plot(years[last], factor[last], "o", color=colour, label=label)
    axis.set(yscale="log", ylabel="times the parameters")
    axis.yaxis.set_major_formatter(LogFormatter())  # a factor is 4, not 4 x 10^0
    axis.yaxis.set_minor_formatter(LogFormatter())
    axis.set_title("Parameters that make up for the data (median)")
    if axis.lines and axis.get_legend_handles_labels()[0]:
        axis.legend()


def _band(
    axis: Axes, x: np.ndarray, values: xr.DataArray, prob: float, *, colour: str, label: str
) -> None:
    """A line, with the interval around it where there are draws."""
    if not set(SAMPLE_DIMS) <= set(values.dims):
        axis.plot(x, values, color=colour, lw=1.8, label=label)
        return
    band = interval_of(values, prob)
    axis.plot(x, band["median"], color=colour, lw=1.8, label=f"{label}, {percent(prob)} band")
    axis.fill_between(x, band["lower"], band["upper"], color=colour, alpha=0.2, lw=0)


def _middle(value: xr.DataArray) -> float:
    return float(value.median())


def _ends(value: xr.DataArray, prob: float) -> list[float]:
    if not value.dims:
        return [float(value)] * 2
    interval = interval_of(value, prob)
    return [float(interval["lower"]), float(interval["upper"])]


def _counts(axis: Axes) -> None:
    """Parameters as 70B."""
    log_ticks(axis, FuncFormatter(lambda value, _: human(value)))
