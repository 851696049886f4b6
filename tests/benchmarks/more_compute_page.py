"""The pages, the figures and the numbers of `make more-compute`.

Run as a script, it writes them again from the published numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import more_compute_figures as figures
import numpy as np
from more_compute_html import standalone

from bayescale.report.figures.files import as_svg

OUT = Path(__file__).parents[2] / "reports" / "more-compute"
TEXT = Path(__file__).with_name("more_compute_page.md")
ENDS = ("lower", "median", "upper")
SLOPES = ("params", "tokens")
HO = 2 ** (12 / 8)  # a year, arXiv 2403.05812
WHOLE, SATURATING = "embeddings and inactive parameters", "diminishing returns"
DATED, BOTH = "date of release", "diminishing returns, and date"


# What is said of earlier dates: the column, and how many digits.
EARLIER = {"coverage": ("coverage of 90 %", 2), "rmse": ("RMSE", 3)}


def write(content: dict[str, Any], out: Path) -> None:
    """Write `README.md`, `index.html`, the figures and `more-compute.json`."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, default=float)
    content = json.loads(text)
    (out / "more-compute.json").write_text(text + "\n", "utf-8")
    drawn = {
        "ratio": figures.ratio(content),
        "since": figures.since(content["points"]),
        "steps": figures.steps(content["steps"]),
        "labs": figures.labs(content["labs"]),
    }
    for name, figure in drawn.items():
        (out / f"{name}.svg").write_text(as_svg(figure, f"more-compute-{name}"), "utf-8")
    markdown = page(content)
    (out / "README.md").write_text(markdown, "utf-8")
    (out / "index.html").write_text(standalone(markdown, out), "utf-8")


def page(content: dict[str, Any]) -> str:
    """The page in Markdown."""
    steps, grid, the_28 = content["steps"], content["grid"], content["the_28"]
    since, latest = content["since"], content["latest"]
    read, slopes = grid["read_at_open_models"], grid["slopes"]
    later, tests = since["released_after"], content["tests"]
    saved = content["without_new_tokens"]
    anyone = next(iter(latest["models"].values()))
    return TEXT.read_text("utf-8").format(
        models=since["never_seen"]["models"],
        coverage=f"{100 * later['relative']['coverage']:.0f}",
        coverage_anchored=f"{100 * later['anchored']['coverage']:.0f}",
        later=later["models"],
        ratio=f"{steps[WHOLE]['ratio']['median']:.1f}",
        ratio_90=_range(steps[WHOLE]["ratio"], 1),
        ratio_28=f"{the_28['ratio']['median']:.2f}",
        ratio_28_90=_range(the_28["ratio"], 2),
        grid_params=f"{slopes['slope_params']['median']:.4f}",
        grid_tokens=f"{slopes['slope_tokens']['median']:.4f}",
        grid_params_90=_range(slopes["slope_params"], 4),
        grid_tokens_90=_range(slopes["slope_tokens"], 4),
        per_grid=f"{tests['controlled grid']['per_param'][1]:.0f}",
        per_since=f"{tests['models since']['per_param'][1]:.0f}",
        ratio_read=f"{read['farseer']['ratio']['median']:.1f}",
        ratio_ls=f"{read['observed']['params'] / read['observed']['tokens']:.1f}",
        progress=_factor(steps[DATED]["progress"]["median"]),
        progress_90=_factors(steps[DATED]["progress"]),
        progress_sat=_factor(steps[BOTH]["progress"]["median"]),
        progress_sat_90=_factors(steps[BOTH]["progress"]),
        slower=_probability(steps[DATED]),
        slower_sat=_probability(steps[BOTH]),
        ho=f"{HO:.1f}",
        slope_28=f"{the_28['slope_per_decade']['median']:.4f}",
        slope_28_90=_range(the_28["slope_per_decade"], 4),
        gap_28=f"{the_28['gap']['median']:+.4f}",
        gap_28_90=_range(the_28["gap"], 4),
        since_table=_since(since),
        rounds_table=_rounds(content["rounds"]),
        grid_table=_laws(grid["laws"]),
        forecast_r2=f"{_forecast_r2():.3f}",
        line_error=f"{abs(100 * grid['laws']['separate-slopes']['error']):.1f} %",
        read_rows=content["least_squares"]["rows"],
        read_table=_read(read),
        steps_table=_steps(steps),
        gap_ls=f"{read['observed']['params'] - read['observed']['tokens']:.4f}",
        gap_groups=f"{steps['groups alone']['gap']['median']:.4f}",
        gap_worth=f"{steps["worth of a lab's tokens"]['gap']['median']:.4f}",
        zero=_zero(steps),
        latest_models=anyone["models"],
        latest_rows=anyone["rows"],
        latest_table=_latest(latest),
        latest_chance=0.9 ** anyone["models"],
        earlier_table=_earlier(content["earlier"]),
        per_param=40,
        round="2025-07",
        next_table=_next(content["next"]),
        saved_line=f"{saved['line']['balanced']['median']:.3f}",
        saved_sat=f"{saved['diminishing returns']['balanced']['median']:.3f}",
        without_table=_without(content["without_new_tokens"]),
        versions=", ".join(f"{name} {version}" for name, version in content["versions"].items()),
    )


def _forecast_r2() -> float:
    """As `make bench-scalebench` found it."""
    text = (OUT.parent / "scalebench" / "scalebench.json").read_text("utf-8")
    return float(json.loads(text)["tasks"]["farseer"]["r2"])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _range(found: dict[str, float], digits: int) -> str:
    lower, upper = sorted((found["lower"], found["upper"]))
    return f"{lower:.{digits}f} to {upper:.{digits}f}"


def _factor(folds: float) -> str:
    return f"{np.exp(folds):.2f}"


def _factors(found: dict[str, float]) -> str:
    return f"{_factor(found['lower'])} to {_factor(found['upper'])}"


def _since(since: dict[str, Any]) -> str:
    rows = [
        _since_row("all", since["never_seen"]),
        _since_row("released after the 28", since["released_after"]),
        _since_row("of them transformers", since["released_after_transformers"]),
    ]
    for kind, labels in since["by"].items():
        rows += [_since_row(f"{kind}: {label}", said) for label, said in labels.items()]
    head = ["models that the paper did not see", "models", "coverage, relative", "bias"]
    return _table([*head, "models anchored", "coverage, anchored", "bias"], rows)


def _since_row(name: str, said: dict[str, Any]) -> list[str]:
    cells = [name]
    for way in ("relative", "anchored"):
        one = said[way]
        if one is None:
            cells += ["-"] * 3
        else:
            cells += [str(one["models"]), f"{one['coverage']:.2f}", f"{one['bias']:+.3f}"]
    return cells


def _rounds(rounds: dict[str, Any]) -> str:
    rows = [
        [name, str(one["rows"]), f"{one['median']:.4f}", _range(one, 4)]
        for name, one in rounds.items()
    ]
    return _table(["round", "rows", "slope a decade", "90 %"], rows)


def _laws(laws: dict[str, Any]) -> str:
    best = max(one["elpd"] for one in laws.values())
    rows = [
        [
            f"`{name}`",
            f"{one['elpd'] - best:.0f}",
            f"{100 * one['rmse_inside']:.2f} %",
            f"{100 * one['error']:+.2f} %",
            f"{100 * one['rmse']:.2f} %",
        ]
        for name, one in laws.items()
    ]
    return _table(["law", "elpd less the best", "RMSE left out", "error ahead", "RMSE ahead"], rows)


def _read(read: dict[str, Any]) -> str:
    observed = read["observed"]
    ratio = observed["params"] / observed["tokens"]
    cells = [f"{observed[name]:.4f}" for name in SLOPES]
    rows = [["open models, observed", *cells, f"{ratio:.1f}"]]
    for name in ("farseer", "chinchilla"):
        one = read[name]
        cells = [f"{one[key]['median']:.4f}" for key in SLOPES]
        ratio_90 = _range(one["ratio"], 1)
        rows.append([f"`{name}` of the grid", *cells, f"{one['ratio']['median']:.1f} ({ratio_90})"])
    return _table(["", "slope of ln N", "slope of ln D", "ratio"], rows)


def _steps(steps: dict[str, Any]) -> str:
    rows = []
    for name, one in steps.items():
        slopes = [f"{one[key]['median']:.4f}" for key in SLOPES]
        gap = f"{one['gap']['median']:.4f} ({_range(one['gap'], 4)})"
        rows.append([name, *slopes, gap, f"{one['ratio']['median']:.1f}"])
    return _table(["model of the measurement", "ln N", "ln D", "difference", "ratio"], rows)


def _probability(step: dict[str, Any]) -> str:
    found = step["probability_slower_than_ho"]
    return "above 0.99" if found > 0.99 else f"{found:.2f}"


def _zero(steps: dict[str, Any]) -> str:
    holding = [name for name, one in steps.items() if one["gap"]["upper"] >= 0]
    return f"Intervals of {', '.join(holding)} hold 0." if holding else "No interval holds 0."


def _earlier(earlier: dict[str, Any]) -> str:
    """Coverage and RMSE of each model of the measurement, by the date up to which it was fitted."""
    rows = []
    for since, one in earlier.items():
        models = one["models"].values()
        cells = [
            f"{each[key]:.{digits}f}" for each in models for key, (_, digits) in EARLIER.items()
        ]
        rows.append([since, str(one["fitted"]), str(next(iter(models))["models"]), *cells])
    first = next(iter(earlier.values()))["models"]
    scores = [f"{name}: {title}" for name in first for title, _ in EARLIER.values()]
    return _table(["up to", "rows", "models since", *scores], rows)


def _latest(latest: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{one['coverage']:.2f}",
            f"{one['bias']:+.4f}",
            f"{one['rmse']:.4f}",
            f"{one['width']:.3f}",
            f"{one['log_score']:.1f}",
            f"{latest['weights'][name]:.2f}",
        ]
        for name, one in latest["models"].items()
    ]
    head = ["model", "coverage of 90 %", "bias", "RMSE", "width", "log score", "weight"]
    return _table(head, rows)


def _next(following: dict[str, Any]) -> str:
    rows = []
    for budget, one in following.items():
        size = f"{one['params'] / 1e9:.0f}B on {one['tokens'] / 1e12:.0f}T"
        for name, found in one["bpb"].items():
            rows.append([budget, size, name, f"{found['median']:.3f}", _range(found, 3)])
    return _table(["FLOP", "model", "law", "bits per byte", "90 %"], rows)


def _without(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{one['balanced']['median']:.3f}",
            f"{one['params_alone']['median']:.3f}",
            f"{one['share']['median']:.2f} ({_range(one['share'], 2)})",
        ]
        for name, one in found.items()
    ]
    return _table(["law", "bits per byte saved, both", "parameters alone", "share"], rows)


if __name__ == "__main__":
    write(json.loads((OUT / "more-compute.json").read_text("utf-8")), OUT)
