"""Figures of a fit: functions that take a `Fit` and return a matplotlib `Figure`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter, warn_explicit

import arviz_stats
import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS, holds, interval
from bayescale.base.notes import Note
from bayescale.base.numbers import human, percent
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.model.priors import log_density
from bayescale.runs.table import QUANTITIES

# Okabe and Ito's palette, which colour-blind readers can tell apart; the first is for the model.
INK = "#222222"
MODEL = "#0072B2"
SURPRISE = "#D55E00"
QUIET = "#8A8A8A"
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#222222")
# Groups do without the model's colour, which their band has.
_GROUPS = tuple(colour for colour in COLOURS if colour != MODEL)
_MARKERS = ("o", "s", "^", "D", "v")

# What DejaVu Sans lacks is drawn by the first of these that the machine has.
_OTHER_SCRIPTS = (
    "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK JP", "Hiragino Sans",
    "Yu Gothic", "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic",
    "Noto Sans Devanagari", "Nirmala UI", "Noto Sans Thai", "Arial Unicode MS",
)  # fmt: skip

_GRID = 80


@cache
def _fonts() -> list[str]:
    known = set(font_manager.get_font_names())
    return ["sans-serif", *(name for name in _OTHER_SCRIPTS if name in known)]


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure."""
    with mpl.rc_context(
        {
            "font.family": _fonts(),
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E4E4E4",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "figure.constrained_layout.use": True,
        }
    ):
        yield


def label_of(name: object) -> str:
    """A name as matplotlib draws it: no formula, no hidden legend entry, not endless."""
    text = str(name).replace("$", r"\$")
    text = text if len(text) <= 40 else text[:39] + "…"
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def unit(fit: Fit) -> str:
    """The response with its unit, for an axis."""
    return f"{fit.spec.response} ({QUANTITIES[fit.spec.response].unit})"


def panels_of(fit: Fit) -> list[tuple[str, Callable[[xr.DataArray], xr.DataArray]]]:
    """A title and a selection for each corpus; one of everything where there are none."""
    if not fit.spec.corpora:
        return [("", lambda draws: draws)]

    def choose(corpus: str) -> Callable[[xr.DataArray], xr.DataArray]:
        return lambda draws: draws.sel(corpus=corpus)

    return [(corpus.replace("_", " "), choose(corpus)) for corpus in fit.spec.corpora]


def token_intervals(fit: Fit) -> pd.DataFrame:
    """`tokens`, `lower` and `upper` of every run: posterior of a latent count, else the count."""
    table = fit.runs.table.set_index("run")
    counts = pd.DataFrame({name: table["tokens"] for name in ("tokens", "lower", "upper")})
    if "tokens" in fit.posterior:
        said = interval(fit.posterior["tokens"]).to_dataframe()
        counts.loc[said.index] = said[["median", "lower", "upper"]].to_numpy()
    return counts


def training_compute(fit: Fit) -> dict[str, np.ndarray]:
    """FLOP of every run: `tokens` (as counted or inferred), and the ends of a latent count."""
    counts = token_intervals(fit)
    params = fit.runs.seen_params(fit.spec.params).to_numpy()
    return {str(name): 6 * params * counts[name].to_numpy() for name in counts}


def along_compute(
    fit: Fit, flops: np.ndarray, beyond: float = 10
) -> tuple[np.ndarray, pd.DataFrame]:
    """Compute from half the least run to `beyond` times the most, at the runs' mean split."""
    ratio = fit.centre["tokens"] / fit.centre["params"]
    span = np.geomspace(flops.min() / 2, flops.max() * beyond, _GRID)
    return span, pd.DataFrame(
        {"params": np.sqrt(span / 6 / ratio), "tokens": np.sqrt(span / 6 * ratio)}
    )


def save(figure: Figure, path: Path) -> list[Note]:
    """Write a figure; the suffix says as what.

    Returns
    -------
    list of Note
        What a reader of the file will miss: `missing-glyphs`.

    Raises
    ------
    BayescaleError
        If the suffix is unknown or the file cannot be written.
    """
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise BayescaleError(f"{path}: unknown format {path.suffix!r}; use .svg, .png or .pdf")
    try:
        # Text stays text in an SVG, so that its reader's fonts serve names in every script.
        with mpl.rc_context({"svg.fonttype": "none"}), catch_warnings(record=True) as warned:
            simplefilter("always")
            figure.savefig(path, dpi=160)
    except OSError as error:
        raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error
    missing: dict[str, None] = {}
    for one in warned:
        glyph = re.match(r"Glyph (\d+) .* missing from font", str(one.message))
        if glyph:
            missing[chr(int(glyph[1]))] = None
        else:
            warn_explicit(one.message, one.category, one.filename, one.lineno)
    if path.suffix == ".svg" or not missing:
        return []
    text = f"no font of this machine has {''.join(missing)}: drawn as boxes in {path}"
    hint = "install one (say Noto Sans CJK), or write an .svg"
    return [Note("missing-glyphs", "warning", text, hint)]


def curve(fit: Fit, prob: float = PROB) -> Figure:
    """The runs and the posterior law over compute, with the bands of the curve and of a new run.

    The bands are for a new group wherever the spec has groups. Where the law depends on the
    split, they follow the runs' geometric mean of tokens per parameter.
    """
    flops = training_compute(fit)
    span, grid = along_compute(fit, flops["tokens"])
    bands = {kind: fit.predict(grid, kind).draws for kind in ("run", "curve")}
    panels = panels_of(fit)
    with style():
        figure = Figure(figsize=(3.2 + 6.0 * len(panels) ** 0.7, 4.6))
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            said = {kind: interval(select(draws), prob) for kind, draws in bands.items()}
            _bands(axis, span, said, _band_labels(fit, prob))
            response = select(fit.observed).to_numpy()
            draw_runs(axis, fit, flops, response)
            axis.set(xscale="log", xlabel="training compute (FLOP, 6 N D)", title=title)
            axis.axvspan(flops["tokens"].max(), span[-1], color="#F2F2F2", zorder=0, lw=0)
            axis.set_xlim(span[0], span[-1])
        axes[0].set_ylabel(unit(fit))
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _band_labels(fit: Fit, prob: float) -> dict[str, str]:
    group = next(iter(fit.spec.named_groups), None)
    if group is None:
        return {"run": f"{percent(prob)} of new runs", "curve": f"{percent(prob)} for the curve"}
    return {
        "run": f"{percent(prob)} of a new {group}'s runs",
        "curve": f"{percent(prob)} for its curve",
    }


def _bands(axis: Axes, x: np.ndarray, said: dict[str, xr.Dataset], labels: dict[str, str]) -> None:
    for kind, opacity in (("run", 0.15), ("curve", 0.35)):
        lower, upper = said[kind]["lower"], said[kind]["upper"]
        axis.fill_between(
            x, lower, upper, color=MODEL, alpha=opacity, lw=0, label=labels[kind], zorder=1
        )
    axis.plot(x, said["curve"]["median"], color=MODEL, lw=1.6, label="median curve", zorder=2)


def draw_runs(axis: Axes, fit: Fit, flops: dict[str, np.ndarray], response: np.ndarray) -> None:
    """The runs over compute, a colour a group, latent token counts hollow with their range."""
    table = fit.runs.table
    group = next(iter(fit.spec.named_groups), None)
    labels = table[group] if group else pd.Series("runs", table.index)
    latent = ~fit.runs.known_tokens.to_numpy()
    styles = zip(cycle(_GROUPS), _marker_cycle(), strict=False)
    for label, (colour, marker) in zip(sorted(labels.unique()), styles, strict=False):
        mine = (labels == label).to_numpy()
        x, y = flops["tokens"][mine], response[mine]
        faces = np.where(latent[mine], "white", colour)
        axis.scatter(
            x, y, c=faces, edgecolors=colour, marker=marker, s=34, label=label_of(label), zorder=4
        )
        for i in np.flatnonzero(mine & latent):
            ends = [flops["lower"][i], flops["upper"][i]]
            axis.plot(ends, [response[i]] * 2, color=colour, lw=1, zorder=3)
    if latent.any():
        axis.plot([], [], color=QUIET, marker="o", mfc="white", lw=1, label="tokens inferred")


def _marker_cycle() -> Iterator[str]:
    for marker in cycle(_MARKERS):
        yield from [marker] * len(_GROUPS)


def effects(fit: Fit, prob: float = PROB) -> Figure | None:
    """What each group adds to the parameters that vary by it: median, 50 % and `prob` intervals.

    Returns None where nothing varies by a group.
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
            by_corpus = "corpus" in fit.posterior[effect.name].dims
            draws = fit.posterior[effect.name]
            whole = draws.mean("corpus") if by_corpus else draws
            order = whole.median(SAMPLE_DIMS).argsort().to_numpy()[::-1]
            for axis, (title, select) in zip(axes[row], panels, strict=True):
                one = select(draws) if by_corpus else draws
                sorted_draws = one.isel({effect.group: order})
                _forest(axis, sorted_draws, effect.group, prob)
                axis.set_title(f"{title} {effect.group}".strip())
                if axis is not axes[row][0]:
                    axis.set_yticklabels([])
        support = {fit.spec.law.parameter(e.parameter).support for e in shown}
        scale = "added to" if support == {"real"} else "added to the log (or logit) of"
        names = ", ".join(dict.fromkeys(effect.parameter for effect in shown))
        names = unit(fit) if (names, support) == ("level", {"real"}) else names
        figure.supxlabel(f"{scale} {names}", fontsize=10)
    return figure


def _forest(axis: Axes, draws: xr.DataArray, dim: str, prob: float, colour: str = MODEL) -> None:
    """One row a label, first at the top."""
    wide, half = interval(draws, prob), interval(draws, 0.5)
    y = np.arange(draws.sizes[dim])[::-1]
    axis.axvline(0, color=QUIET, lw=0.8, zorder=1)
    axis.hlines(y, wide["lower"], wide["upper"], color=colour, lw=1.2)
    axis.hlines(y, half["lower"], half["upper"], color=colour, lw=3.6)
    axis.plot(wide["median"], y, "o", mfc="white", mec=colour, ms=5)
    axis.set_yticks(y, [label_of(label) for label in draws[dim].to_numpy()])
    axis.set_ylim(-0.6, len(y) - 0.4)


def check(fit: Fit, prob: float = PROB) -> Figure:
    """Posterior predictive check: each run's response in the interval of its replicates."""
    replicated = fit.replicates()
    observed = fit.observed
    panels = panels_of(fit)
    flops = fit.runs.seen_params(fit.spec.params).to_numpy() * token_intervals(fit)["tokens"]
    order = np.argsort(flops.to_numpy())
    many = len(order) > 60
    with style():
        width = 2.2 + 3.6 * len(panels)
        figure = Figure(figsize=(width, 5.0 if many else 1.3 + 0.19 * len(order)))
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, select) in zip(axes, panels, strict=True):
            said = interval(select(replicated), prob).isel(run=order)
            half = interval(select(replicated), 0.5).isel(run=order)
            values = select(observed).isel(run=order).to_numpy()
            outside = ~holds(said, values)
            y = np.arange(len(order))
            axis.hlines(y, said["lower"], said["upper"], color=MODEL, lw=1.2, alpha=0.8)
            axis.hlines(y, half["lower"], half["upper"], color=MODEL, lw=3.2, alpha=0.5)
            colours = np.where(outside, SURPRISE, INK)
            axis.scatter(values, y, c=colours, s=16, zorder=3)
            inside = 1 - float(outside.mean())
            axis.set_title(f"{title}: {percent(inside)} inside".strip(": "))
            axis.set_xlabel(unit(fit))
        names = [] if many else [label_of(run) for run in observed["run"].to_numpy()[order]]
        axes[0].set_yticks(np.arange(len(names)), names, fontsize=8)
        axes[0].set_ylabel("runs, by compute")
    return figure


def prior_posterior(fit: Fit) -> Figure:
    """Density of every parameter before the data (grey) and after (blue)."""
    priors = fit.spec.all_priors()
    columns = 4
    rows = -(-len(priors) // columns)
    with style():
        figure = Figure(figsize=(10, 0.5 + 1.7 * rows))
        grid = figure.subplots(rows, columns, squeeze=False)
        axes = grid.ravel()
        for axis, name in zip(axes, priors, strict=False):
            shown = fit.posterior[name]
            ends = [*fit.prior[name].quantile([0.01, 0.99]), *shown.quantile([0.001, 0.999])]
            span = np.linspace(float(min(ends)), float(max(ends)), _GRID * 3)
            density = log_density(priors[name], xr.DataArray(span, dims="x"))
            _hill(axis, span, np.exp(density.to_numpy()), QUIET)
            for one in _each_corpus(shown):
                density = arviz_stats.kde(_within_ends(one, span), dim="draw")
                x, y = (density.sel(plot_axis=name).to_numpy() for name in ("x", "y"))
                _hill(axis, x, y, MODEL)
            axis.set(title=name, yticks=[], xlim=(span[0], span[-1]), ylim=0)
            axis.grid(visible=False)
            axis.spines["left"].set_visible(False)
        for axis in axes[len(priors) :]:
            axis.set_axis_off()
    return figure


def _each_corpus(draws: xr.DataArray) -> list[xr.DataArray]:
    if "corpus" not in draws.dims:
        return [draws]
    return [draws.isel(corpus=i) for i in range(draws.sizes["corpus"])]


def _within_ends(draws: xr.DataArray, span: np.ndarray) -> xr.DataArray:
    values = draws.to_numpy().ravel()
    return xr.DataArray(values[(values >= span[0]) & (values <= span[-1])], dims="draw")


def _hill(axis: Axes, x: np.ndarray, density: np.ndarray, colour: str) -> None:
    """A density, scaled to its own height."""
    axis.fill_between(x, 0, density / density.max(), color=colour, alpha=0.35, lw=0)
    axis.plot(x, density / density.max(), color=colour, lw=1.2)


def latent_tokens(fit: Fit, prob: float = PROB) -> Figure | None:
    """Token counts that labs do not state: the range assumed and what the fit infers.

    Returns None where every count is stated.
    """
    if "tokens" not in fit.posterior:
        return None
    draws = fit.posterior["tokens"]
    table = fit.runs.table.set_index("run").loc[draws["latent"].to_numpy()]
    y = np.arange(len(table))[::-1]
    said, half = interval(draws, prob), interval(draws, 0.5)
    with style():
        figure = Figure(figsize=(7.4, 1.2 + 0.42 * len(table)))
        axis = figure.subplots()
        ends = table["tokens_low"], table["tokens_high"]
        axis.hlines(y, *ends, color="#D0D0D0", lw=11, label=f"assumed ({percent(PROB)} range)")
        axis.hlines(y, said["lower"], said["upper"], color=MODEL, lw=1.4)
        axis.hlines(y, half["lower"], half["upper"], color=MODEL, lw=4)
        axis.plot(
            said["median"], y, "o", mfc="white", mec=MODEL, label=f"inferred ({percent(prob)})"
        )
        axis.set_yticks(y, [label_of(run) for run in table.index])
        axis.set_ylim(-0.7, len(y) - 0.3)
        axis.set(xscale="log", xlabel="training tokens")
        ticks = [t for t in (5e11, 1e12, 2e12, 5e12, 1e13, 2e13, 5e13) if _within(axis, t)]
        axis.set_xticks(ticks)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
        axis.minorticks_off()
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _within(axis: Axes, value: float) -> bool:
    low, high = axis.get_xlim()
    return bool(low <= value <= high)


FIGURES: dict[str, Callable[[Fit], Any]] = {
    "curve": curve,
    "effects": effects,
    "check": check,
    "prior-posterior": prior_posterior,
    "latent-tokens": latent_tokens,
}
