"""The page, the figure and the numbers of `make bench-benchmarks`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.report.figures.files import as_svg
from bayescale.report.figures.style import INK, MODEL, QUIET, style

# Of a comparison: the rivals' keys and titles.
RIVALS = {
    "frontier": {"pca": "PCA and lines", "sloth": "Sloth"},
    "corpora": {"sigmoid": "sigmoid of one loss"},
}
TEXT = Path(__file__).with_name("benchmarks_page.md")


def write(
    content: dict[str, Any], published: Mapping[str, tuple[float, float, float]], out: Path
) -> None:
    """Write `page.md`, `benchmarks.svg` and `benchmarks.json`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    (out / "benchmarks.svg").write_text(as_svg(figure(content), "benchmarks"), "utf-8")
    (out / "page.md").write_text(page(content, published), "utf-8")


def page(content: dict[str, Any], published: Mapping[str, tuple[float, float, float]]) -> str:
    """The sections of the parts that were run."""
    values = {
        "sampling": _sampling(content),
        "versions": ", ".join(f"{name} {of}" for name, of in content["versions"].items()),
    }
    if "ladder" in content:
        values["ladder"] = _ladder(content["ladder"])
        values["tasks"] = _tasks(content["ladder"]["two-stage 1B 13B"]["tasks"], published)
    for name, rivals in RIVALS.items():
        if name in content:
            values |= _compared(name, content[name], rivals)
    if "frontier" in content:
        values["fitted"], values["predicted"] = map(str, content["frontier"]["models"])
        values["frontier_forms"] = _forms(content["frontier"]["forms"])
    if "corpora" in content:
        values["by_corpus"] = _by_corpus(content["corpora"]["by_corpus"])
    values |= {f"emergence_{k}": _short(v) for k, v in content.get("emergence", {}).items()}
    first, *sections = TEXT.read_text("utf-8").split("\n## ")
    there = [s for s in sections if set(re.findall(r"{(\w+)}", s)) <= set(values)]
    return "\n## ".join([first, *there]).format(**values)


def _compared(name: str, found: Mapping[str, Any], rivals: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{name}_table": _beside(found["benchmarks"], rivals),
        f"{name}_rmse": f"{found['rmse']:.3f}",
        f"{name}_coverage": f"{found['coverage']:.3f}",
        f"{name}_count": str(len(found["benchmarks"])),
        **{f"{name}_lower_{rival}": str(found["lower_than"][rival]) for rival in rivals},
    }


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _rows(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _ladder(ladder: Mapping[str, Any]) -> str:
    rows = []
    for name, found in ladder.items():
        form, size, target = name.split()
        error = f"{found['mean_relative_error']:.1%}".replace("%", " %")
        inside = f"{found['inside']} of {len(found['tasks'])}"
        rows.append([form, f"up to {size}", target, error, inside])
    return _rows(["form", "fitted", "predicted", "mean relative error", "in 90 %"], rows)


def _tasks(tasks: Mapping[str, Any], published: Mapping[str, tuple[float, float, float]]) -> str:
    rows = []
    for name, found in tasks.items():
        _, two_stage, direct = published[name]
        rows.append([
            name,
            f"{found['observed']:.3f}",
            f"{found['median']:.3f} ({found['lower']:.3f} to {found['upper']:.3f})",
            f"{100 * found['relative_error']:.1f}",
            f"{two_stage}",
            f"{direct}",
        ])  # fmt: skip
    head = ["benchmark", "observed", "predicted, 90 %", "error, %", "published, two stages",
            "published, from FLOP"]  # fmt: skip
    mean = np.mean([found["relative_error"] for found in tasks.values()])
    of = [np.mean([row[i] for row in published.values()]) for i in (1, 2)]
    rows.append(["**mean**", "", "", f"**{100 * mean:.1f}**", f"{of[0]:.1f}", f"{of[1]:.1f}"])
    return _rows(head, rows)


def _beside(table: Mapping[str, Any], rivals: Mapping[str, str]) -> str:
    rows = []
    for name, found in table.items():
        cells = [name, str(found["models"]), f"{found['rmse']:.3f}"]
        cells += [f"{found[f'rmse_{rival}']:.3f}" for rival in rivals]
        rows.append([*cells, f"{found['bias']:+.3f}", f"{found['coverage']:.2f}"])
    head = ["benchmark", "scores", "RMSE", *(f"RMSE, {title}" for title in rivals.values())]
    return _rows([*head, "mean error", "in 90 %"], rows)


def _forms(forms: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{c['crps']:.4f}", f"{c['rmse']:.3f}", f"{c['coverage']:.3f}"]
        for name, c in forms.items()
    ]
    return _rows(["form", "CRPS", "RMSE", "in 90 %"], rows)


def _by_corpus(corpora: Mapping[str, Any]) -> str:
    rows = [[name, f"{c['rmse']:.3f}", f"{c['coverage']:.2f}"] for name, c in corpora.items()]
    return _rows(["corpus left out", "RMSE", "in 90 %"], rows)


def _sampling(content: Mapping[str, Any]) -> str:
    parts = [content[name] for name in ("frontier", "corpora") if name in content]
    parts += content.get("frontier", {}).get("forms", {}).values()
    judged = [part["convergence"] for part in [*content.get("ladder", {}).values(), *parts]]
    r_hat = max(each["r_hat"] for each in judged)
    ess = min(min(each["ess_bulk"], each["ess_tail"]) for each in judged)
    divergences = sum(each["divergences"] for each in judged)
    return (
        f"Largest R-hat {r_hat:.3f}, fewest effective draws {ess:.0f}, "
        f"{divergences} divergent transitions; asked are at most 1.01, at least 400, and none."
    )


def figure(content: Mapping[str, Any]) -> Figure:
    """The ladder's forecasts with what was observed; RMSE beside the published forms."""
    with style():
        panels = [name for name in ("ladder", "frontier") if name in content]
        made = Figure(figsize=(1.6 + 4.2 * len(panels), 5.0))
        for axis, name in zip(made.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            if name == "ladder":
                _draw_ladder(axis, content["ladder"])
            else:
                _draw_frontier(axis, content["frontier"]["benchmarks"])
    return made


def _draw_ladder(axis: Axes, ladder: Mapping[str, Any]) -> None:
    for shift, target, colour in ((0.12, "13B", MODEL), (-0.12, "7B", QUIET)):
        tasks = ladder[f"two-stage 1B {target}"]["tasks"]
        for i, found in enumerate(tasks.values()):
            axis.plot([found["lower"], found["upper"]], [i + shift] * 2, color=colour, lw=2.5)
        at = np.arange(len(tasks)) + shift
        axis.plot([f["median"] for f in tasks.values()], at, "o", color=colour, ms=5,
                  label=f"{target}: median and 90 % interval")  # fmt: skip
        axis.plot([f["observed"] for f in tasks.values()], at, "x", color=INK, ms=6, mew=1.6,
                  label="observed" if target == "13B" else None)  # fmt: skip
    axis.set_yticks(range(len(tasks)), list(tasks))
    axis.invert_yaxis()
    axis.set(xlabel="accuracy", title="OLMo ladder: from sizes up to 1B")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def _draw_frontier(axis: Axes, table: Mapping[str, Any]) -> None:
    at = np.arange(len(table))
    for key, label, colour, mark in (
        ("rmse", "bayescale", MODEL, "o"),
        ("rmse_pca", "PCA and family lines", QUIET, "s"),
        ("rmse_sloth", "Sloth", INK, "^"),
    ):
        values = [found[key] for found in table.values()]
        axis.plot(values, at, mark, color=colour, ms=5, label=label)
    axis.set_yticks(at, list(table))
    axis.invert_yaxis()
    axis.set(xlabel="RMSE of the score", xscale="log", title="Models beyond the frontier")
    axis.set_xticks([0.05, 0.1, 0.2, 0.4], ["0.05", "0.1", "0.2", "0.4"])
    axis.minorticks_off()
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
