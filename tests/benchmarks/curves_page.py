"""The page, the figure and the numbers of `make bench-curves`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bayescale.report.figures.files import as_svg
from bayescale.report.figures.style import INK, MODEL, QUIET, style

TEXT = Path(__file__).with_name("curves_page.md")
# Published mean relative errors of the multi-power law, in %.
PUBLISHED = {"25M": 0.110, "100M": 0.142, "400M": 0.168}
RIVALS = {"vision": (0.0280, 3.330), "language": (0.0194, 2.773)}


def earlier(out: Path) -> dict[str, Any]:
    """Parts that were done before."""
    file = out / "curves.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def write(content: dict[str, Any], out: Path) -> None:
    """Write `page.md`, `curves.svg` and `curves.json`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "curves.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    (out / "curves.svg").write_text(as_svg(figure(content), "curves"), "utf-8")
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    text = TEXT.read_text("utf-8").format(table=_table(content), versions=versions)
    (out / "page.md").write_text(text, "utf-8")


def _table(content: dict[str, Any]) -> str:
    lines = ["| part | measured | target |", "| --- | --- | --- |"]
    for size, row in content.get("schedules", {}).get("sizes", {}).items():
        error, best = 100 * row["mean_relative_error"], PUBLISHED[size]
        lines.append(f"| {size}, six other schedules: error | {error:.3f} % | {best:.2f} % |")
        inside = f"{row['coverage']:.2f}, last {row['end_inside']:.2f}"
        lines.append(f"| {size}: in 90 % intervals | {inside} | .85-.95 |")
    for name, (rmsle, likelihood) in RIVALS.items():
        if name not in content:
            continue
        row = content[name]["all"]
        lines.append(f"| {name}: RMSLE | {row['rmsle']:.4f} | {rmsle:.4f} |")
        lines.append(f"| {name}: log density | {row['log_likelihood']:.3f} | {likelihood:.3f} |")
        inside = f"{row['coverage']:.2f}, last {row['end_inside']:.2f}"
        lines.append(f"| {name}: in 90 % intervals | {inside} | .85-.95 |")
        lines.append(f"| {name}: median width, last | {row['median_end_width']:.3f} | |")
    if "translation" in content:
        row = content["translation"]["all"]
        inside, width = f"{row['end_inside']:.2f}", f"{row['median_end_width']:.3f}"
        lines.append(f"| translation, 15 origins: last in 90 % | {inside} | .90 |")
        lines.append(f"| translation: median width, last | {width} | .146 |")
    if "checkpoints" in content:
        for key, label in (("all", "all runs"), ("up_to_7_epochs", "up to 7 epochs")):
            row = content["checkpoints"][key]
            within, inside = f"{row['within_1_percent']:.2f}", f"{row['end_inside']:.2f}"
            lines.append(f"| from 30 %, {label}: within 1 % | {within} | 1 |")
            lines.append(f"| from 30 %, {label}: in 90 % | {inside} | .85-.95 |")
    if "speed" in content:
        row = content["speed"]
        for key, label, most in (
            ("fit_100_curves", "100 curves of 200 points", 60),
            ("one_more_checkpoint", "one more checkpoint", 5),
        ):
            wall, busy = row[f"{key}_s"], row.get(f"{key}_processor_s", float("nan"))
            lines.append(f"| {label} | {wall:.1f} s ({busy:.1f} s of processors) | {most} s |")
    return "\n".join(lines)


def figure(content: dict[str, Any]) -> Figure:
    """How far the last loss of each curve was off, beside the half width of its interval."""
    parts = [name for name in ("schedules", "vision", "language", "checkpoints") if name in content]
    with style():
        drawn = Figure(figsize=(7.2, 2.6))
        axes = drawn.subplots(1, max(len(parts), 1), squeeze=False)[0]
        for axis, name in zip(axes, parts, strict=False):
            rows = sorted(content[name]["curves"], key=lambda row: row["end_error"])
            for i, row in enumerate(rows):
                colour = MODEL if row["end_inside"] else INK
                axis.plot(100 * row["end_error"], i, ".", color=colour, markersize=4)
            axis.axvline(0, color=QUIET, lw=0.8)
            axis.set_title(name)
            axis.set_yticks([])
            axis.set_xlabel("last loss off by (%)")
    return drawn
