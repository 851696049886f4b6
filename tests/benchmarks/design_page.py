"""The page, the figure and the numbers of `make bench-design`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bayescale.report.figures.files import as_svg
from bayescale.report.figures.style import COLOURS, INK, MODEL, QUIET, style

TEXT = Path(__file__).with_name("design_page.md")
# Of a row: its key, what it is called, and how it is drawn.
_WAYS = (
    ("ours", "bayescale buys", MODEL, "o"),
    ("d-optimal", "D-optimal, our forecaster", COLOURS[2], "D"),
    ("random", "random, our forecaster", COLOURS[0], "^"),
    ("cheapest", "cheapest first, our forecaster", QUIET, "s"),
    ("published", "best published", INK, "_"),
)
_PLACES = ("first", "second", "third")


def summary(tasks: dict[str, Any]) -> dict[str, Any]:
    """Means over tasks at each of the three budgets, and how many beat the best published."""
    found: dict[str, Any] = {"mean_r2": {}, "better_than_published": []}
    for key, *_ in _WAYS:
        found["mean_r2"][key] = [
            float(np.mean([_r2(task["budgets"][i], key) for task in tasks.values()]))
            for i in range(3)
        ]
    found["better_than_published"] = [
        [name for name, task in tasks.items() if _better(task["budgets"][i])] for i in range(3)
    ]
    return found


def write(content: dict[str, Any], out: Path) -> None:
    """Write `README.md`, `design.svg` and `design.json`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "design.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    (out / "design.svg").write_text(as_svg(figure(content["tasks"]), "design"), "utf-8")
    (out / "README.md").write_text(page(content), "utf-8")


def page(content: dict[str, Any]) -> str:
    tasks, better = content["tasks"], content["better_than_published"]
    counts = [
        f"{len(names)} of {len(tasks)} tasks at the {place} budget"
        for names, place in zip(better, _PLACES, strict=True)
    ]
    worse = [
        f"{name} at {row['share']:.0%}"
        for name, task in tasks.items()
        for row in task["budgets"]
        if not _better(row)
    ]
    means = content["mean_r2"]
    return TEXT.read_text("utf-8").format(
        count=len(tasks),
        better="; ".join(counts),
        worse=", ".join(worse) or "none",
        means=", ".join(f"{value:.3f}" for value in means["ours"]),
        published=", ".join(f"{value:.3f}" for value in means["published"]),
        rivals="; ".join(
            f"{key} {', '.join(f'{value:.2f}' for value in means[key])}"
            for key in ("d-optimal", "random", "cheapest")
        ),
        table=_table(tasks),
        simulated=_simulated(content.get("simulated")),
        sampled=_sampled(content.get("sampled")),
        versions=", ".join(f"{name} {version}" for name, version in content["versions"].items()),
    )


def _table(tasks: dict[str, Any]) -> str:
    head = (
        "| task | spec | budget | R² | seeds | in 90 % | runs | spent | D-optimal | random "
        "| cheapest | published |"
    )
    lines = [head, "|" + " --- |" * 12]
    for name, task in tasks.items():
        for row in task["budgets"]:
            ours = row["ours"]
            seeds = ours["r2_of_seeds"]
            cells = [
                name,
                f"`{task['spec']}`",
                f"{row['share']:.0%}",
                f"**{ours['r2']:.3f}**" if _better(row) else f"{ours['r2']:.3f}",
                f"{min(seeds):.2f} to {max(seeds):.2f}",
                f"{ours['inside_90']:.2f}",
                f"{ours['runs']:.0f}",
                f"{ours['spent']:.1%}",
                *(f"{row[key]['r2']:.2f}" for key in ("d-optimal", "random", "cheapest")),
                f"{row['published']:.2f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _simulated(found: dict[str, Any] | None) -> str:
    if found is None:
        return "Not run."
    between = f"{found['expected_over_found_10']:.2f} and {found['expected_over_found_90']:.2f}"
    missed = "" if found["ours_over_even"] <= 0.5 else "; half was the goal, and is missed"
    return (
        f"{found['simulations']} ladders from the law and the discrepancy that a draw from the "
        f"priors of `{found['spec']}` gives, {found['first']} cheap runs to start from and a "
        f"budget of {found['share']:.0%} of the target's cost. The width that was expected after "
        f"buying is **{found['expected_over_found']:.2f}** times the width found (median; 80 % of "
        f"the ladders between {between}). The interval at the target is "
        f"**{found['ours_over_even']:.2f}** times as wide as after an evenly spaced ladder of the "
        f"same cost (median{missed}). "
        f"90 % intervals hold the target in **{found['coverage']:.2f}** of "
        f"the ladders, after even ladders in {found['coverage_even']:.2f}."
    )


def _sampled(found: dict[str, Any] | None) -> str:
    if not found:
        return "Not run."
    lines = ["| task | budget | runs | R², linear | R², sampled | in 90 %, sampled | R-hat |"]
    lines.append("|" + " --- |" * 7)
    for row in found["rows"]:
        lines.append(
            f"| {row['task']} | {row['share']:.0%} | {row['runs']} | {row['linear']:.3f} "
            f"| {row['sampled']:.3f} | {row['inside_90']:.2f} | {row['rhat']:.3f} |"
        )
    return "\n".join(lines)


def figure(tasks: dict[str, Any]) -> Figure:
    """R squared over the budget, a panel a task."""
    with style():
        drawn = Figure(figsize=(10, 5.4))
        panels = drawn.subplots(2, 4).ravel()
        for panel, (name, task) in zip(panels, tasks.items(), strict=False):
            shares = [100 * row["share"] for row in task["budgets"]]
            places = np.arange(len(shares))
            for key, label, colour, marker in _WAYS:
                values = [_r2(row, key) for row in task["budgets"]]
                size, order = (13, 5) if key == "published" else (5, 4)
                panel.plot(
                    places,
                    values,
                    marker=marker,
                    color=colour,
                    ms=size,
                    lw=1,
                    label=label,
                    ls="none" if key == "published" else "-",
                    zorder=order,
                )
            panel.set_title(name)
            panel.set_xticks(places, [f"{share:.0f} %" for share in shares])
            low = min(_r2(row, key) for row in task["budgets"] for key, *_ in _WAYS)
            panel.set_ylim(max(-1.08, low - 0.1 * (1.02 - low)), 1.02)
        for panel in panels[len(tasks) :]:
            panel.set_visible(False)
        for panel in panels[::4]:
            panel.set_ylabel("R² of the targets")
        for panel in panels[4:]:
            panel.set_xlabel("share of the pool's cost")
        handles, labels = panels[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return drawn


def _r2(row: dict[str, Any], key: str) -> float:
    return float(row["published"] if key == "published" else row[key]["r2"])


def _better(row: dict[str, Any]) -> bool:
    return bool(row["ours"]["r2"] > row["published"])
