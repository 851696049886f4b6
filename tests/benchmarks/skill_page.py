"""The page, the figures and the numbers of `make bench-skill`.

Run as a script, it writes the page and the figures again from the published numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import skill_distance
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from bayescale.report.figures.files import as_svg
from bayescale.report.figures.style import INK, MODEL, QUIET, style

OUT = Path(__file__).parents[2] / "reports" / "forecast-skill"
# `splits` by name, `mean`, `method`, `version`; see `skill.run`.
type Method = dict[str, Any]

TEXT = Path(__file__).with_name("skill_page.md")
# Beside `skill.json`: what `make bench-left-out` writes.
LEFT_OUT = "left_out.json"
NONE = "-"
# Published mean errors on the largest models of Farseer's grid, % (arXiv 2506.10972, its figures).
PUBLISHED = (("Farseer's law", 0.50), ("Chinchilla's law", 2.68))
# What the figure and the tables by split show: the scores that differ most, and as what.
SHOWN = {"coverage": 1, "interval_score": 100, "rmse": 100}


def write(said: dict[str, Any], out: Path) -> None:
    """Write `README.md`, the figures and `skill.json`, the best interval score first."""
    said = _sorted(said) | {part: _sorted(said[part]) for part in ("far", "grid")}
    out.mkdir(parents=True, exist_ok=True)
    (out / "skill.json").write_text(json.dumps(said, indent=1, allow_nan=False) + "\n", "utf-8")
    drawn = {
        "skill": figure(said["methods"], list(said["splits"])),
        "distance": skill_distance.figure(said["distance"]),
    }
    for name, each in drawn.items():
        (out / f"{name}.svg").write_text(as_svg(each, name), "utf-8")
    file = out / LEFT_OUT
    left_out = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    (out / "README.md").write_text(page(said, left_out), "utf-8")


def _sorted(done: dict[str, Any]) -> dict[str, Any]:
    methods = sorted(done["methods"], key=lambda one: one["mean"].get("interval_score", np.inf))
    return done | {"methods": methods}


def page(said: dict[str, Any], left_out: dict[str, Any]) -> str:
    methods, splits = said["methods"], said["splits"]
    far, grid = said["far"], said["grid"]
    return TEXT.read_text("utf-8").format(
        count=len(splits),
        points=sum(split["n_test"] for split in splits.values()),
        seed=said["seed"],
        versions=", ".join(f"{name} {version}" for name, version in said["versions"].items()),
        table=_table([_row(one, len(splits)) for one in methods]),
        missing=_missing(methods),
        converged=_converged(methods),
        far_count=len(far["splits"]),
        far_points=sum(split["n_test"] for split in far["splits"].values()),
        far_table=_table([_row(one, len(far["splits"])) for one in far["methods"]]),
        far_missing=_missing(far["methods"]),
        far_converged=_converged(far["methods"]),
        grid=_table(_grid(grid["methods"])),
        left_out=_left_out(left_out, methods),
        **{name: _by_split(methods, splits, name) for name in SHOWN},
        **{f"far_{name}": _by_split(far["methods"], far["splits"], name) for name in SHOWN},
    )


def _left_out(left_out: dict[str, Any], methods: list[Method]) -> str:
    """Scores of `forecast` with the shipped priors, and with some that had not seen the tables."""
    ours = next((one["mean"] for one in methods if one["method"] == "bayescale, forecast"), None)
    if not left_out or ours is None:
        return "Not measured."
    rows = []
    for label, said in {"as shipped": ours, "not from the scored table": left_out}.items():
        row = {
            "priors": label,
            "in 90 %": _shown(_score(said, "coverage")),
            "in 50 %, pooled": _shown(said["pooled_coverage"]["50"]),
            "interval score": _shown(_score(said, "interval_score")),
            "CRPS": _shown(_score(said, "crps")),
            "RMSE": _shown(_score(said, "rmse")),
            "bias": _shown(_score(said, "bias")),
        }
        rows.append(row)
    return _table(rows)


def _grid(methods: list[Method]) -> list[dict[str, str]]:
    """Mean errors on the grid's held-out models, ours and peers' beside the published ones."""
    rows = [
        {
            "method": one["method"],
            "mean error": _shown(_score(said, "mean_error")),
            "bias": _shown(_score(said, "bias")),
            "in 90 %": _shown(_score(said, "coverage")),
            "interval score": _shown(_score(said, "interval_score")),
        }
        for one in methods
        for said in one["splits"].values()
        if "error" not in said
    ]
    published = {"bias": NONE, "in 90 %": NONE, "interval score": NONE}
    rows += [
        {"method": f"{name}, as published", "mean error": _shown(error), **published}
        for name, error in PUBLISHED
    ]
    return sorted(rows, key=lambda row: float(row["mean error"]))


def figure(methods: list[Method], splits: list[str]) -> Figure:
    """Coverage, interval score and RMSE: a row a method, a dot a split."""
    rows = [one for one in reversed(methods) if one["mean"]]
    share = "% of the loss; lower is better"
    with style():
        drawn = Figure(figsize=(11, 1.2 + 0.7 * len(rows)))
        axes = drawn.subplots(1, 3, sharey=True)
        for axis, name in zip(axes, SHOWN, strict=True):
            for height, one in enumerate(rows):
                _strip(axis, height, one, name, splits)
            axis.grid(axis="y", visible=False)
            axis.tick_params(axis="y", length=0)
        left, *others = axes
        left.axvline(0.9, color=INK, lw=0.8, ls="--")
        left.set(title="Coverage of the 90 % interval", xlabel="share of runs inside; dashed: 0.90")
        left.set(xlim=(-0.05, 1.05), ylim=(-0.5, len(rows) - 0.4))
        left.set_yticks(range(len(rows)), [one["method"] for one in rows])
        for axis, title in zip(others, ("Interval score", "RMSE of the median"), strict=True):
            axis.set(title=title, xlabel=share, xscale="log")
            axis.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
    return drawn


def _strip(axis: Axes, height: int, one: Method, name: str, splits: list[str]) -> None:
    """The splits of a method as dots at heights of their own, and its mean."""
    middle = _score(one["mean"], name)
    if middle is None:
        where = {"transform": axis.get_yaxis_transform(), "ha": "center", "va": "center"}
        axis.text(0.5, height, "no interval", **where, color=INK, fontsize=8.5)
        return
    colour = MODEL if "rhat" in one["mean"] else QUIET
    heights = dict(zip(splits, height + np.linspace(-0.25, 0.25, len(splits)), strict=True))
    dots = [(_score(said, name), heights[split]) for split, said in one["splits"].items()]
    values, places = zip(*(dot for dot in dots if dot[0] is not None), strict=True)
    axis.scatter(values, places, s=13, color=colour, alpha=0.6, lw=0)
    axis.scatter(middle, height, s=70, marker="D", color=colour, edgecolor="white", zorder=3)
    words = {"ha": "center", "va": "center", "fontsize": 8.5, "fontweight": "bold"}
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axis.text(middle, height + 0.37, _shown(middle), **words, color=INK, bbox=ground)


def _score(said: dict[str, Any], name: str) -> float | None:
    """A score of a split or of a mean, where there is one."""
    if name not in said:
        return None
    return said[name]["90"] if name == "coverage" else SHOWN.get(name, 100) * said[name]


def _shown(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _row(one: Method, count: int) -> dict[str, str]:
    """A method's means."""
    said, done = one["mean"], [split for split in one["splits"].values() if "error" not in split]
    held = [split["coverage"]["90"] for split in done if "coverage" in split]
    shares = [said["coverage"]["50"], said["pooled_coverage"]["50"]] if held else [None, None]
    return {
        "method": one["method"],
        "version": one["version"],
        "in 90 %": _shown(_score(said, "coverage")),
        "below .70": str(sum(share < 0.7 for share in held)) if held else NONE,
        "in 50 %": _shown(shares[0]),
        "in 50 %, pooled": _shown(shares[1]),
        "interval score": _shown(_score(said, "interval_score")),
        "CRPS": _shown(_score(said, "crps")),
        "RMSE": _shown(_score(said, "rmse")),
        "splits": f"{len(done)} of {count}",
        "R-hat": f"{said['rhat']:.3f}" if "rhat" in said else NONE,
        "seconds": f"{said['seconds']:.0f}" if done else NONE,
    }


def _by_split(methods: list[Method], splits: dict[str, dict], name: str) -> str:
    """A row a split, a column a method that has the score."""
    having = [one for one in methods if name in one["mean"]]
    rows = []
    for split, sizes in splits.items():
        row = {"split": split, "runs": f"{sizes['n_train']} to fit, {sizes['n_test']} to predict"}
        for one in having:
            row[one["method"]] = _shown(_score(one["splits"].get(split, {}), name))
        rows.append(row)
    return _table(rows)


def _missing(methods: list[Method]) -> str:
    """Which splits a method could not do, and why."""
    lines = [
        f"- {one['method']}, {split}: {said['error']}"
        for one in methods
        for split, said in one["splits"].items()
        if "error" in said
    ]
    if not lines:
        return "Every method did every split."
    return "\n".join(["Not done, and so not in the means of that method:", "", *lines])


def _converged(methods: list[Method]) -> str:
    """Which of our fits fell short, and by how much; their scores stand in the means."""
    short = [
        f"{one['method']} on {split} did not (R-hat {said['rhat']:.3f}, "
        f"{said['ess']:.0f} effective draws, {said['divergences']} divergent)"
        for one in methods
        for split, said in one["splits"].items()
        if not said.get("passed", True)
    ]
    return "; ".join(short) + "; the scores count all the same" if short else "all passed"


def _table(rows: list[dict[str, str]]) -> str:
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    write(json.loads((OUT / "skill.json").read_text("utf-8")), OUT)
