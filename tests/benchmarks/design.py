"""Which run next, held against ScaleBench: `make bench-design`.

From a pool of runs whose costs differ, buy one after another within a share of the pool's cost,
and predict the expensive region (arXiv 2604.22753), from nothing but the shipped specs' priors.
Writes the page, the figure and `design.json` to `reports/design/`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import design_page
import numpy as np
import pandas as pd
from design_buying import POLICIES, Pool, buy
from design_simulated import simulated
from scalebench import DATA, ROOT, TASKS, read

from bayescale import Runs, Spec
from bayescale.base.expression import Formula
from bayescale.evaluation.backtest import backtest
from bayescale.evaluation.splits import split
from bayescale.fit.folder import versions
from bayescale.model.scale import scale_of
from bayescale.plan.linear import LinearForecast

SEEDS, SIMULATIONS = 5, 40
# Of a run, by the columns as `scalebench.toml` names them.
COSTS = {
    "moe": "params * experts",
    "parallel": "params",
    "vocab": "params * characters",
    "sparsity": "6 * dense * dense_tokens + 6 * active * tokens",
    "domain_mixture": "1",
}
USUAL = "6 * params * tokens"
# Shares of the pool's cost, and the best published R squared of each (the benchmark's README).
BUDGETS = {name: (0.01, 0.05, 0.1) for name in TASKS}
BUDGETS |= {name: (0.2, 0.35, 0.5) for name in ("domain_mixture", "sparsity")}
PUBLISHED = {
    "lr_bsz": (-0.65, 0.00, 0.22),
    "domain_mixture": (0.64, 0.91, 0.95),
    "vocab": (0.96, 0.98, 0.98),
    "parallel": (-1.00, 0.77, 0.99),
    "moe": (0.67, 0.80, 0.83),
    "data_constrained": (0.73, 0.85, 0.86),
    "sparsity": (0.31, 0.44, 0.53),
    "farseer": (0.67, 0.88, 0.93),
}


def pool_of(name: str, folder: Path) -> tuple[Spec, Runs, np.ndarray]:
    """A spec, the pool's runs and below them the targets, and what each run of the pool costs."""
    spec, one = read(name, folder)
    pool = one.train.table
    known = {
        str(column): pool[column].to_numpy(float)
        for column in pool
        if pd.api.types.is_numeric_dtype(pool[column])
    }
    if name == "sparsity":  # in billions, as text: a label
        known["dense"] = pool["family"].astype(float).to_numpy() * 1e9
    cost = np.broadcast_to(Formula.parse(COSTS.get(name, USUAL)).value(known), len(pool))
    both = pd.concat([pool, one.test.table], ignore_index=True)
    return spec, Runs(both, name), np.array(cost, float)


def purchase(
    spec: Spec, runs: Runs, cost: np.ndarray, share: float, how: tuple[str, int]
) -> tuple[list[int], LinearForecast]:
    """Buy by one policy with one seed: what is bought, and the forecast that has read it."""
    targets = np.arange(len(cost), len(runs))
    planner = forecast = LinearForecast(spec, runs)
    if not (spec.discrepancy or spec.corpora):
        planner = LinearForecast(spec.replace(discrepancy=True), runs)
    bought = buy(planner, Pool(cost, targets, share * float(cost.sum())), *how)
    if bought:
        forecast.update(bought, rounds=4 if len(bought) <= 100 else 2, starts=3)
    return bought, forecast


def scored(spec: Spec, forecast: LinearForecast, targets: np.ndarray) -> dict[str, float]:
    """R squared of the targets, clipped at -1, and the share inside 90 % intervals."""
    found, scale = forecast.moments(targets), scale_of(spec)
    reached = forecast.observed(targets).ravel()
    deviation = np.sqrt(np.maximum(np.diagonal(found.covariance), 0) + forecast.noise_variance)
    responses, predicted = scale.back(reached), scale.back(found.mean)
    spread = ((responses - responses.mean()) ** 2).sum()
    r2 = max(-1.0, 1 - float(((predicted - responses) ** 2).sum() / spread))
    inside = np.abs(reached - found.mean) <= 1.645 * deviation
    return {"r2": r2, "inside_90": float(inside.mean())}


def one_try(
    spec: Spec, runs: Runs, cost: np.ndarray, share: float, how: tuple[str, int]
) -> dict[str, Any]:
    """Buy by one policy with one seed, predict the targets: scores, and what was spent."""
    start = time.perf_counter()
    bought, forecast = purchase(spec, runs, cost, share, how)
    scores = scored(spec, forecast, np.arange(len(cost), len(runs)))
    return {
        "r2": scores["r2"] if bought else -1.0,
        "inside_90": scores["inside_90"],
        "runs": len(bought),
        "spent": float(cost[bought].sum() / cost.sum()),
        "seconds": time.perf_counter() - start,
    }


def sampled(name: str, folder: Path) -> dict[str, Any]:
    """The first seed's purchase of the largest budget: the linear forecast's score, and NUTS'."""
    spec, runs, cost = pool_of(name, folder)
    share = BUDGETS[name][-1]
    bought, forecast = purchase(spec, runs, cost, share, ("ours", 0))
    kept = [*bought, *range(len(cost), len(runs))]
    table = runs.table.iloc[kept].reset_index(drop=True)
    scores = backtest(spec, split(Runs(table, name), "split == 'train'", name)).to_dict()
    return {
        "task": name,
        "share": share,
        "runs": len(bought),
        "linear": scored(spec, forecast, np.arange(len(cost), len(runs)))["r2"],
        "sampled": scores["r2"],
        "inside_90": scores["coverage"]["90"],
        "rhat": scores["rhat"],
        "ess": scores["ess"],
        "divergences": scores["divergences"],
        "seconds": scores["seconds"],
    }


def run(folder: Path, names: list[str], seeds: int) -> Iterator[dict[str, Any]]:
    """All that is known after each task."""
    tasks: dict[str, Any] = {}
    for name in names:
        spec, runs, cost = pool_of(name, folder)
        tasks[name] = {"spec": spec.name, "pool": len(cost), "budgets": []}
        for share, published in zip(BUDGETS[name], PUBLISHED[name], strict=True):
            row: dict[str, Any] = {"share": share, "published": published}
            for policy in POLICIES:
                tries = [
                    one_try(spec, runs, cost, share, (policy, seed))
                    for seed in range(seeds if policy in ("ours", "random") else 1)
                ]
                row[policy] = {
                    key: float(np.mean([each[key] for each in tries])) for key in tries[0]
                }
                row[policy]["r2_of_seeds"] = [each["r2"] for each in tries]
            tasks[name]["budgets"].append(row)
            print(name, share, json.dumps(row), flush=True)
        yield {"tasks": tasks, "versions": versions(), **design_page.summary(tasks)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "design")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"{options.data.name}: no such folder; name one with --data")
    content: dict[str, Any] = {}
    for content in run(options.data, options.tasks, options.seeds):
        design_page.write(content, options.out)
    content["simulated"] = simulated(SIMULATIONS)
    rows: list[dict[str, Any]] = []
    for name in options.tasks:
        rows.append(sampled(name, options.data))
        print(rows[-1], flush=True)
        content["sampled"] = {"rows": rows}
        design_page.write(content, options.out)


if __name__ == "__main__":
    main()
