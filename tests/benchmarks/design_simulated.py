"""Simulated ladders for `design.py`: is the width that a purchase promises what is then found?

Laws, discrepancies and noise are drawn from the priors of `forecast`, at usual losses. A few cheap
runs are known; the next are bought in turns for a share of the target's cost. Beside it, an evenly
spaced ladder of the same cost: sizes in even steps of their logarithm, each with three durations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from design_buying import Pool

from bayescale import Runs, Spec
from bayescale.plan.buying import Beliefs, best_basket
from bayescale.plan.linear import LinearForecast

TARGET = (7e10, 1.4e12)
SHARE = 0.01
# Runs of a purchase at most, and turns in which they are bought.
MOST, TURNS = 12, 3
RATIOS = (5.0, 20.0, 80.0)


def simulated(count: int) -> dict[str, Any]:
    """What so many simulated ladders say."""
    spec = Spec.load("forecast").replace(groups=False)
    found = pd.DataFrame([_one(spec, seed) for seed in range(count)])
    ratio = found["expected"] / found["width"]
    return {
        "spec": spec.name,
        "simulations": count,
        "first": int(found["first"].iloc[0]),
        "share": SHARE,
        "expected_over_found": float(ratio.median()),
        "expected_over_found_10": float(ratio.quantile(0.1)),
        "expected_over_found_90": float(ratio.quantile(0.9)),
        "ours_over_even": float((found["width"] / found["width_even"]).median()),
        "coverage": float(found["inside"].mean()),
        "coverage_even": float(found["inside_even"].mean()),
        "width": float(found["width"].median()),
        "width_even": float(found["width_even"].median()),
        "runs": float(found["runs"].mean()),
    }


def _tables() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The target, first runs, candidates and the even ladder: one table, and positions of each."""
    params, tokens = TARGET
    aim = 6 * params * tokens
    first = [(n, n * r) for n in np.geomspace(3e7, 3e8, 4) for r in RATIOS]
    grid = [(n, n * r) for n in np.geomspace(3e7, 1e10, 16) for r in (5, 10, 20, 40, 80, 160)]
    grid = [each for each in grid if 6 * each[0] * each[1] <= SHARE * aim]
    largest = 1e8  # of the even ladder, which spends as much
    while sum(6 * n * n * r for n, r in _even(largest * 1.02)) <= SHARE * aim:
        largest *= 1.02
    even = [(n, n * r) for n, r in _even(largest)]
    parts = {"target": [TARGET], "first": first, "grid": grid, "even": even}
    places, rows = {}, []
    for name, part in parts.items():
        places[name] = np.arange(len(rows), len(rows) + len(part))
        rows += part
    return pd.DataFrame(rows, columns=["params", "tokens"]), places


def _even(largest: float) -> list[tuple[float, float]]:
    return [(n, r) for n in np.geomspace(5e8, largest, 4) for r in RATIOS]


def _one(spec: Spec, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    table, places = _tables()
    named = table.assign(run=[f"r{i}" for i in range(len(table))], loss=1.0)
    every = np.arange(len(table))
    truth = LinearForecast(_of_usual_height(spec), Runs.from_frame(named, name="simulated"))
    reach = np.concatenate([places["grid"], places["even"]])
    drawn = truth.simulated(every, reach, rng)
    while not ((drawn > 0) & (drawn < np.log(12))).all():  # 1 to 12 nats: no other losses are seen
        drawn = truth.simulated(every, reach, rng)
    runs = Runs.from_frame(named.assign(loss=np.exp(drawn)), name="simulated")
    cost = (6 * table["params"] * table["tokens"]).to_numpy()
    budget = SHARE * 6 * TARGET[0] * TARGET[1]
    forecast = LinearForecast(spec, runs)
    known = list(places["first"])
    forecast.update(known, rounds=4, starts=3)
    expected, spent, bought = None, 0.0, list[int]()
    for turn in range(TURNS):
        pool = Pool(cost[places["grid"]], places["target"], budget - spent)
        beliefs = _beliefs(forecast, pool, places["grid"])
        plan = best_basket(beliefs, pool.budget, most=MOST - len(bought))
        order = sorted(plan.bought, key=lambda i: float(pool.cost[i]))
        if not order:
            break
        if turn == TURNS - 1:
            expected = _width(plan.left, forecast.noise_variance)
        new = order if turn == TURNS - 1 else order[: -(-len(order) // 3)]
        bought += [int(places["grid"][i]) for i in new]
        spent += float(pool.cost[new].sum())
        forecast.update([*known, *bought], rounds=3)
    width, inside = _found(forecast, places["target"], drawn)
    other = LinearForecast(spec, runs)
    other.update([*known, *places["even"]], rounds=4, starts=3)
    width_even, inside_even = _found(other, places["target"], drawn)
    return {
        "first": len(known),
        "expected": width if expected is None else expected,
        "width": width,
        "width_even": width_even,
        "inside": inside,
        "inside_even": inside_even,
        "runs": len(bought),
    }


def _of_usual_height(spec: Spec) -> Spec:
    """Its losses lie near 2.6 nats per token: the prior's own go from .1 to 10."""
    parts = spec.model_dump(by_alias=True)
    parts["priors"]["level"] = {"dist": "LogNormal", "mu": 0.95, "sigma": 0.1}
    return Spec.model_validate(parts)


def _beliefs(forecast: LinearForecast, pool: Pool, grid: np.ndarray) -> Beliefs:
    found = forecast.moments([*pool.targets, *grid], reach=grid)
    targets = len(pool.targets)
    return Beliefs.of(found.covariance, found.noise[targets:], pool.cost, targets)


def _width(variance: float, noise: float) -> float:
    """Of the 90 % interval of one new run, on the logarithm."""
    return float(2 * 1.645 * np.sqrt(max(variance, 0.0) + noise))


def _found(forecast: LinearForecast, target: np.ndarray, drawn: np.ndarray) -> tuple[float, bool]:
    found = forecast.moments(target)
    width = _width(float(found.covariance[0, 0]), forecast.noise_variance)
    return width, bool(abs(drawn[target[0]] - found.mean[0]) <= width / 2)


if __name__ == "__main__":
    import json

    print(json.dumps(simulated(20), indent=1))
