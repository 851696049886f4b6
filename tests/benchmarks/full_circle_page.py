"""The page, the figure and the numbers of `make full-circle`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale.base.numbers import human
from bayescale.report.figures.files import as_svg
from bayescale.report.figures.style import COLOURS, INK, MODEL, SURPRISE, style
from bayescale.runs.columns import COLUMNS

TEXT = Path(__file__).with_name("full_circle_page.md")
_POINTS = 40


def along(ladder: pd.DataFrame, params: float, tokens: float) -> pd.DataFrame:
    """Points from the ladder's least compute to beyond the forecast run's, at that run's split."""
    ratio = tokens / params
    least = 6 * ratio * COLUMNS["params"].low ** 2  # a smaller model is taken for a slip
    start = max(1.01 * least, (6 * ladder["params"] * ladder["tokens"]).min())
    span = np.geomspace(start, 6 * params * tokens * 1.5, _POINTS)
    return pd.DataFrame({"params": np.sqrt(span / 6 / ratio), "tokens": np.sqrt(span / 6 * ratio)})


def write(said: dict[str, Any], out: Path) -> None:
    """Write `README.md`, `circle.svg` and `circle.json`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "circle.json").write_text(json.dumps(said, indent=1, allow_nan=False) + "\n", "utf-8")
    (out / "circle.svg").write_text(as_svg(figure(said), "circle"), "utf-8")
    (out / "README.md").write_text(page(said), "utf-8")


def page(said: dict[str, Any]) -> str:
    beyond, ladder = said["beyond"], said["ladder"]
    most = max(row["flops_6nd"] for row in ladder)
    trained, all_runs = len(said["trained"]), len(ladder) + 1
    return TEXT.read_text("utf-8").format(
        count=len(ladder),
        least=min(row["flops_6nd"] for row in ladder),
        most=most,
        times=beyond["flops_6nd"] / most,
        params=f"{beyond['params']:,.0f}",
        tokens=f"{beyond['tokens']:,.0f}",
        flops=beyond["flops_6nd"],
        forecasts=_table([_forecast(name, one) for name, one in said["forecasts"].items()]),
        runs=_table([_run(row) for row in [*ladder, beyond]]),
        minutes=sum(said["seconds"].values()) / 60,
        seconds=", ".join(f"{stage} {took:.0f} s" for stage, took in said["seconds"].items()),
        trained="" if trained == all_runs else f" (only {trained} of {all_runs} runs trained then)",
        notes="\n".join(
            f"- {name}: {note}" for name, one in said["forecasts"].items() for note in one["notes"]
        ),
        versions=", ".join(f"{name} {version}" for name, version in said["versions"].items()),
    )


def figure(said: dict[str, Any]) -> Figure:
    """A panel a forecast: the runs, the band of new runs along compute, and what was reached."""
    forecasts = said["forecasts"]
    with style():
        drawn = Figure(figsize=(5.6 * len(forecasts), 4.4))
        for axis, (name, one) in zip(
            np.atleast_1d(drawn.subplots(1, len(forecasts))), forecasts.items(), strict=True
        ):
            _panel(axis, name, one, said)
    return drawn


def _panel(axis: Axes, name: str, one: dict[str, Any], said: dict[str, Any]) -> None:
    response, band, beyond = one["response"], one["band"], said["beyond"]
    label = f"{said['prob']:.0%} of new runs"
    axis.fill_between(
        band["flops"], band["lower"], band["upper"], color=MODEL, alpha=0.18, lw=0, label=label
    )
    axis.plot(band["flops"], band["median"], color=MODEL, lw=1.4, label="median")
    widths = sorted({row["width"] for row in said["ladder"]})
    for width, colour in zip(widths, COLOURS, strict=False):
        mine = [row for row in said["ladder"] if row["width"] == width]
        x, y = [row["flops_6nd"] for row in mine], [row[response] for row in mine]
        label = f"{human(mine[0]['params'])} parameters"
        axis.plot(x, y, color=colour, marker="o", ms=5, lw=0.6, label=label)
    ends = [[one["median"] - one["lower"]], [one["upper"] - one["median"]]]
    axis.errorbar(
        beyond["flops_6nd"], one["median"], ends, color=INK, capsize=5, lw=1.4, label="forecast"
    )
    axis.plot(
        beyond["flops_6nd"],
        one["reached"],
        **{"ls": "", "marker": "D", "ms": 7, "color": SURPRISE, "mec": "white"},
        label="reached",
        zorder=5,
    )
    verdict = "held" if one["held"] else "missed"
    axis.axvspan(max(row["flops_6nd"] for row in said["ladder"]), band["flops"][-1],
                 color="#F2F2F2", zorder=0, lw=0)  # fmt: skip
    axis.set(xscale="log", xlabel="training compute (FLOP, 6 N D)", title=f"{name}: {verdict}")
    axis.set(ylabel=f"{response} ({COLUMNS[response].unit})")
    axis.set_xlim(min(row["flops_6nd"] for row in said["ladder"]) / 1.3, band["flops"][-1])
    axis.legend()


def _forecast(name: str, one: dict[str, Any]) -> dict[str, str]:
    return {
        "spec": f"`{name}`",
        "of": f"{one['response']}, {COLUMNS[one['response']].unit}",
        "median": f"{one['median']:.3f}",
        "90 % interval": f"{one['lower']:.3f} to {one['upper']:.3f}",
        "reached": f"{one['reached']:.3f}",
        "held": "yes" if one["held"] else "**no**",
        "decades outside (N, D)": f"{one['decades_outside']:.2f}",
        "R-hat": f"{one['r_hat']:.3f}" + ("" if one["converged"] else ", not converged"),
    }


def _run(row: dict[str, Any]) -> dict[str, str]:
    return {
        "parameters": f"{row['params']:,.0f}",
        "tokens": f"{row['tokens']:,.0f}",
        "FLOP, 6ND": f"{row['flops_6nd']:.3g}",
        "FLOP, counted": f"{row['flops']:.3g}",
        "loss": f"{row['loss']:.3f}",
        "BPC": f"{row['bpc']:.3f} ± {row['bpc_se']:.3f}",
    }


def _table(rows: list[dict[str, str]]) -> str:
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
