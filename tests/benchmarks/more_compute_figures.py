"""The figures of `make more-compute`."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayescale.report.figures.style import COLOURS, INK, MODEL, QUIET, SURPRISE, style

ARCHITECTURES = ("transformer", "recurrent", "hybrid", "mixture")


def ratio(content: dict[str, Any]) -> Figure:
    """How many times as much ln N counts as ln D, by tokens per parameter."""
    drawn = content["grid"]["per_param"]["farseer"]
    x = [row["per_param"] for row in drawn]
    with style():
        figure = Figure(figsize=(7.6, 4.2))
        axis = figure.subplots()
        lower, upper = ([row[end] for row in drawn] for end in ("lower", "upper"))
        axis.fill_between(x, lower, upper, color=MODEL, alpha=0.25, lw=0)
        label = "a law of the controlled grid alone (Farseer's)"
        axis.plot(x, [row["median"] for row in drawn], color=MODEL, label=label)
        observed = content["grid"]["read_at_open_models"]["observed"]
        by_least_squares = observed["params"] / observed["tokens"]
        middle = content["tests"]["models since"]["per_param"][1]
        axis.plot(middle, by_least_squares, "o", mfc="none", mec=SURPRISE, ms=8)
        axis.axhline(1, color=INK, lw=0.9, ls="--", label="compute alone counts")
        for name, found in content["tests"].items():
            low, middle, high = found["per_param"]
            colour = SURPRISE if name == "models since" else INK
            axis.plot([low, high], [found["ratio"]] * 2, color=colour, lw=2.2)
            axis.plot(middle, found["ratio"], "o", color=colour, ms=7, zorder=4)
            where = {"textcoords": "offset points", "ha": "center", "color": colour}
            axis.annotate(name, (middle, found["ratio"]), (0, 9), **where)
        axis.set(xscale="log", yscale="log", xlabel="training tokens per parameter")
        axis.set_ylabel("slope of ln N / slope of ln D")
        axis.set_yticks([0.5, 1, 2, 4, 8])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set(xlim=(8, 3e4), ylim=(0.35, 12))
        axis.legend(loc="upper left", fontsize=8.5)
    return figure


def since(points: list[dict[str, Any]]) -> Figure:
    """Error of the line of the 28 at each model, by tokens per parameter."""
    with style():
        figure = Figure(figsize=(7.6, 4.0))
        axis = figure.subplots()
        axis.axhline(0, color=INK, lw=0.9)
        for name, colour in zip(ARCHITECTURES, COLOURS, strict=False):
            some = [p for p in points if p["architecture"] == name and not p["in_28"]]
            error = np.array([p["bpb"] - p["relative_median"] for p in some], float)
            outside = np.array(
                [not p["relative_lower"] <= p["bpb"] <= p["relative_upper"] for p in some]
            )
            x = np.array([p["per_param"] for p in some], float)
            for mask, face in ((outside, colour), (~outside, "none")):
                axis.scatter(x[mask], error[mask], s=20, fc=face, ec=colour, lw=0.9, alpha=0.85)
            axis.scatter([], [], s=24, c=colour, label=name)
        axis.scatter([], [], s=24, fc="none", ec=QUIET, label="inside its 90 % interval")
        axis.set(xscale="log", xlabel="training tokens per parameter", ylim=(-0.13, 0.13))
        axis.set_ylabel("bits per byte above the line of the 28")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.legend(loc="lower right", fontsize=8, ncols=2)
    return figure


def steps(found: dict[str, dict[str, Any]]) -> Figure:
    """Slopes of ln N and of ln D under each model of the measurement."""
    names = list(found)
    heights = np.arange(len(names))[::-1].astype(float)
    with style():
        figure = Figure(figsize=(8.6, 1.3 + 0.5 * len(names)))
        axis = figure.subplots()
        for key, label, colour, shift in (
            ("params", "ln N", MODEL, 0.12),
            ("tokens", "ln D", SURPRISE, -0.12),
        ):
            middle = [found[name][key]["median"] for name in names]
            ends = [[found[name][key][end] for name in names] for end in ("lower", "upper")]
            axis.hlines(heights + shift, *ends, color=colour, lw=2)
            axis.plot(middle, heights + shift, "o", color=colour, label=f"slope of {label}")
        axis.set_yticks(heights, names)
        axis.set(xlabel="bits per byte per e-fold; mean over the models, 90 % interval")
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8.5)
    return figure


def labs(found: dict[str, dict[str, Any]]) -> Figure:
    """What a token of each lab is worth."""
    rows = list(found.items())[::-1]
    y = np.arange(len(rows))
    with style():
        figure = Figure(figsize=(7.2, 1.0 + 0.24 * len(rows)))
        axis = figure.subplots()
        axis.hlines(y, *([r[end] for _, r in rows] for end in ("lower", "upper")), color=MODEL)
        axis.plot([r["median"] for _, r in rows], y, "o", mfc="white", mec=MODEL)
        axis.axvline(1, color=INK, lw=0.9, ls="--")
        axis.set_yticks(y, [f"{lab} ({r['models']})" for lab, r in rows], fontsize=8)
        axis.set(xscale="log", xlabel="tokens of the middle lab that one token is worth")
        axis.set_ylim(-0.7, len(rows) - 0.3)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.grid(axis="y", visible=False)
    return figure
