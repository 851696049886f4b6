"""Error, width and coverage over the distance from the data, of every method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from bayescale.evaluation.splits import Split
from bayescale.report.figures.style import COLOURS, INK, MODEL, QUIET, style

# Decades of compute beyond the largest fitted run.
EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
# Splits within a bin, at least: fewer say nothing of a method.
FEWEST = 2
# What is drawn: a score, its title, its factor, whether its axis is logarithmic.
PANELS = (
    ("rmse", "RMSE of the median, % of the loss", 100, True),
    ("bias", "Mean error of the median, % of the loss", 100, False),
    ("width", "Width of the 90 % interval, % of the loss", 100, True),
    ("coverage", "Share inside the 90 % interval", 1, False),
)


def decades(one: Split) -> dict[str, float]:
    """Of each run to predict: decades of compute beyond the largest run that is fitted."""
    most = float((one.train.seen_params("active") * one.train.table["tokens"]).max())
    beyond = np.log10(one.test.seen_params("active") * one.test.table["tokens"] / most)
    return dict(zip(one.test.table["run"], beyond, strict=True))


def by_distance(pairs: Sequence[tuple[Sequence[Split], Sequence[dict]]]) -> dict[str, list[dict]]:
    """Of each method that has intervals its scores by distance, means over the splits in a bin.

    Parameters
    ----------
    pairs : sequence of (splits, methods)
        Methods as `skill.run` gives them, with the points of each split.
    """
    rows = []
    for splits, methods in pairs:
        for one in splits:
            beyond = decades(one)
            for method in methods:
                for point in method["splits"].get(one.name, {}).get("points", []):
                    rows.append(
                        {
                            "method": method["method"],
                            "split": one.name,
                            "decades": beyond[point["run"]],
                            "square": point["error"] ** 2,
                            "bias": point["error"],
                            "width": point["upper"] - point["lower"],
                            "coverage": float(point["inside_90"]),
                        }
                    )
    table = pd.DataFrame(rows)
    table["bin"] = pd.cut(table["decades"], EDGES, labels=False)
    names = ["decades", "square", "bias", "width", "coverage"]
    found: dict[str, list[dict]] = {}
    for (method, _), inside in table.groupby(["method", "bin"]):
        by_split = inside.groupby("split")[names].mean()
        if len(by_split) < FEWEST:
            continue
        means = by_split.mean()
        row = {name: float(means[name]) for name in ("decades", "bias", "width", "coverage")}
        row |= {"rmse": float(np.sqrt(means["square"])), "splits": len(by_split)}
        found.setdefault(str(method), []).append(row | {"runs": len(inside)})
    return found


def figure(distance: dict[str, list[dict[str, Any]]]) -> Figure:
    """A panel a score, a line a method; ours thick."""
    others = [colour for colour in COLOURS if colour != MODEL]
    ours = [name for name in distance if name.startswith("bayescale, forecast")]
    names = [*ours, *(name for name in distance if name not in ours)]
    with style():
        drawn = Figure(figsize=(11, 7))
        axes = np.ravel(drawn.subplots(2, 2))
        for axis, (score, title, factor, on_log) in zip(axes, PANELS, strict=True):
            for i, name in enumerate(names):
                rows = distance[name]
                look = (
                    {"color": MODEL, "lw": 2.5, "zorder": 5}
                    if name in ours
                    else {"color": others[i % len(others)], "lw": 1.1}
                )
                values = [factor * row[score] for row in rows]
                axis.plot([row["decades"] for row in rows], values, "o-", ms=4, label=name, **look)
            axis.set(title=title, xlabel="decades of compute beyond the largest fitted run")
            if on_log:
                axis.set_yscale("log")
                axis.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
                axis.yaxis.set_minor_formatter(NullFormatter())
        axes[1].axhline(0, color=INK, lw=0.8, ls="--")
        axes[3].axhline(0.9, color=QUIET, lw=0.8, ls="--")
        axes[3].set_ylim(-0.03, 1.03)
        handles, labels = axes[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=3)
    return drawn
