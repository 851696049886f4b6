"""Laws of any inputs, held against ScaleBench: `make bench-scalebench`.

Fits each table's cheap runs with one spec and predicts its expensive region (arXiv 2604.22753),
beside least squares of the same law and a plain Gaussian process. Writes the page, the figure and
`scalebench.json` to `reports/scalebench/`. A folder of other tables with the same columns takes
the specs as they are: `scalebench.py --data FOLDER --out FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scalebench_page
from rivals import gaussian_process, least_squares

from bayescale import Runs, Spec
from bayescale.evaluation.backtest import backtest
from bayescale.evaluation.splits import Split, split
from bayescale.fit.folder import versions

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "scalebench"
TASKS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def read(name: str, folder: Path) -> tuple[Spec, Split]:
    task = TASKS[name]
    table = pd.read_csv(folder / f"{name}.csv", dtype={"run": str, "group": str})
    columns = task.get("columns", {})
    if "family" in columns:
        table[columns["family"]] = table[columns["family"]].round(3).astype(str)
    for each in task.get("billions", ()):
        table[columns[each]] *= 1e9
    units = task.get("units", False)
    runs = Runs.from_frame(table, name=f"{name}.csv", columns=columns, units=units)
    spec = Spec.load(task["spec"]).replace(response=task.get("response"))
    return spec, split(runs, "split == 'train'", name)


def ours(spec: Spec, one: Split) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    done = backtest(spec, one)
    scores = done.to_dict()
    levels = {level: scores["coverage"][level] for level in ("50", "90")}
    kept = ("r2", "interval_score", "rmse", "bias", "rhat", "ess", "divergences", "seconds")
    points = done.points[["reached", "predicted", "inside_90"]]
    return {"spec": spec.name, "coverage": levels, **{k: scores[k] for k in kept}}, (
        points.to_dict(orient="records")
    )


def rival(method: Any, spec: Spec, one: Split) -> dict[str, Any]:
    start = time.perf_counter()
    predicted = method(spec, one)
    reached = one.test.table[list(spec.columns)].to_numpy(float).ravel()
    spread = ((reached - reached.mean()) ** 2).sum()
    r2 = max(-1.0, 1 - float(((predicted - reached) ** 2).sum() / spread))
    return {"r2": r2, "seconds": time.perf_counter() - start}


def run(folder: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """All that is known after each task."""
    tasks: dict[str, Any] = {}
    points: dict[str, Any] = {}
    for name in names:
        spec, one = read(name, folder)
        tasks[name], points[name] = ours(spec, one)
        tasks[name] |= {
            "n_train": len(one.train),
            "n_test": len(points[name]),
            "published": TASKS[name].get("published"),
            "least_squares": rival(least_squares, spec, one),
            "gaussian_process": rival(gaussian_process, spec, one),
        }
        print(name, json.dumps(tasks[name]), flush=True)
        every = [point for one in points.values() for point in one]
        yield {
            "tasks": tasks,
            "points": points,
            "mean_r2": float(np.mean([task["r2"] for task in tasks.values()])),
            "coverage_of_all": float(np.mean([point["inside_90"] for point in every])),
            "versions": versions(),
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "scalebench")
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"{options.data.name}: no such folder; name one with --data")
    for content in run(options.data, options.tasks):
        scalebench_page.write(content, options.out)


if __name__ == "__main__":
    main()
