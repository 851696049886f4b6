"""The page, the figure and the numbers of `make bench-scalebench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bayescale.report.figures.files import as_svg
from bayescale.report.figures.style import INK, MODEL, QUIET, style

TEXT = Path(__file__).with_name("scalebench_page.md")
# Of a task: its key, what it is called, and how it is drawn.
_ROWS = (
    ("ours", "bayescale", MODEL, "o"),
    ("least_squares", "least squares of the same law", QUIET, "s"),
    ("gaussian_process", "plain Gaussian process", QUIET, "^"),
    ("published", "best published (a tenth of the cost)", INK, "|"),
)


def write(content: dict[str, Any], out: Path) -> None:
    """Write `README.md`, `scalebench.svg` and `scalebench.json`."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = {name: value for name, value in content.items() if name != "points"}
    (out / "scalebench.json").write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
    (out / "scalebench.svg").write_text(as_svg(figure(content["tasks"]), "scalebench"), "utf-8")
    (out / "README.md").write_text(page(content), "utf-8")


def page(content: dict[str, Any]) -> str:
    tasks = content["tasks"]
    return TEXT.read_text("utf-8").format(
        count=len(tasks),
        points=sum(task["n_test"] for task in tasks.values()),
        mean=f"{content['mean_r2']:.3f}",
        coverage=f"{content['coverage_of_all']:.3f}",
        table=_table(tasks),
        misses=_misses(tasks),
        versions=", ".join(f"{name} {version}" for name, version in content["versions"].items()),
    )


def _table(tasks: dict[str, Any]) -> str:
    head = (
        "| task | spec | fitted | predicted | R² | in 50 % | in 90 % | interval score | R-hat | s "
        "| least squares | Gaussian process | published: all data, best |"
    )
    lines = [head, "|" + " --- |" * 13]
    for name, task in tasks.items():
        published = task["published"]
        cells = [
            name,
            f"`{task['spec']}`",
            str(task["n_train"]),
            str(task["n_test"]),
            f"**{task['r2']:.3f}**",
            f"{task['coverage']['50']:.2f}",
            f"{task['coverage']['90']:.2f}",
            f"{task['interval_score']:.3f}",
            f"{task['rhat']:.3f}",
            f"{task['seconds']:.0f}",
            f"{task['least_squares']['r2']:.2f}",
            f"{task['gaussian_process']['r2']:.2f}",
            "-" if published is None else f"{published['all']:.2f}, {published['best']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _misses(tasks: dict[str, Any]) -> str:
    """Tasks whose fit did not converge, or whose intervals held too rarely."""
    unconverged = [name for name, task in tasks.items() if task["rhat"] > 1.01]
    rare = [name for name, task in tasks.items() if task["coverage"]["90"] < 0.7]
    parts = []
    if unconverged:
        parts.append(f"Not converged (R-hat above 1.01): {', '.join(unconverged)}.")
    if rare:
        parts.append(f"90 % intervals that held less than 70 % of the time: {', '.join(rare)}.")
    return " ".join(parts) or "Every fit converged, and no task's 90 % intervals held below 70 %."


def figure(tasks: dict[str, Any]) -> Figure:
    """R squared of each task, ours beside the others, and the coverage of ours."""
    names = list(tasks)
    heights = np.arange(len(names))[::-1]
    with style():
        drawn = Figure(figsize=(10, 1.4 + 0.42 * len(names)))
        left, right = drawn.subplots(1, 2, sharey=True, width_ratios=(2, 1))
        for key, label, colour, marker in _ROWS:
            values = [_r2(tasks[name], key) for name in names]
            order = 4 if key == "ours" else 3
            left.scatter(values, heights, c=colour, marker=marker, s=46, label=label, zorder=order)
        left.set(title="R² of the expensive region", xlabel="clipped at -1", xlim=(-1.08, 1.08))
        left.set_yticks(heights, names)
        left.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2, fontsize=8)
        for level, colour in (("50", QUIET), ("90", MODEL)):
            shares = [tasks[name]["coverage"][level] for name in names]
            right.scatter(shares, heights, c=colour, s=46, label=f"{level} %", zorder=3)
            right.axvline(float(level) / 100, color=colour, lw=0.8, ls="--")
        right.set(title="Coverage of our intervals", xlabel="share inside", xlim=(-0.03, 1.05))
        right.legend(loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2, fontsize=8)
    return drawn


def _r2(task: dict[str, Any], key: str) -> float:
    if key == "ours":
        return float(task["r2"])
    if key == "published":
        return float((task["published"] or {}).get("best", np.nan))
    return float(task[key]["r2"])
