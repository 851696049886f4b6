"""What rows cost: `make bench-rows`.

Time per gradient of `compute-only` and `forecast` on simulated tables of 100 to 100,000 runs;
beside the first, a loop over the runs that computes the same density and gradient, written by hand
and compiled; loading such a table; and the peak memory of a fit with few draws, in a process of its
own. Ratios are of times within this one process, on one thread. Exit code 1 if a target is missed.
`--most N` leaves out larger tables.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescale import Runs, ScalingModel, Settings, Spec
from bayescale.model.design import Design, design
from bayescale.predictive.predictive import Predictive
from bayescale.sampling.sampler import Sampler

SIZES = (100, 1_000, 10_000, 100_000)
GROUPS = {"family": 20, "tokenizer": 7}

# Targets, at the largest size: time over that of the loop, growth per row since 1,000 rows, GB.
LOOP_MOST, GROWTH_MOST, MEMORY_MOST = 2.0, 2.0, 2.0

# A fit keeps as many replicates with these as with the usual draws.
FEW = Settings(draws=200, tune=200, chains=2)

TRUTH: dict[str, dict[str, float]] = {
    "compute-only": {"level": 0.45, "slope": -0.01, "sigma": 0.004, "nu": 7.0},
    "forecast": {
        "level": 1.9,
        "params_ratio": 0.25,
        "tokens_ratio": 0.25,
        "alpha": 0.3,
        "beta": 0.3,
        "corner": 0.5,
        "floor_exponent": 0.01,
        "vocabulary": 2e4,
        "sigma": 0.005,
        "nu": 7.0,
    },
}

type Density = Callable[[np.ndarray], tuple[float, np.ndarray]]


def simulated(spec: Spec, count: int) -> Runs:
    """Runs of the spec's law, with effects of families and tokenizers where it has any."""
    rng = np.random.default_rng(count)
    names = {name: rng.integers(most, size=count) for name, most in GROUPS.items()}
    frame = pd.DataFrame(
        {
            "params": np.exp(rng.uniform(np.log(5e7), np.log(1e11), count)),
            "tokens": np.exp(rng.uniform(np.log(1e9), np.log(1e13), count)),
            spec.response: 1.0,
            **{name: [f"{name}-{i}" for i in index] for name, index in names.items()},
        }
    )
    spec = spec.model_copy(update={"discrepancy": {}})
    arrays = design(spec, Runs.from_frame(frame))
    values = xr.Dataset(TRUTH[spec.name])
    for effect in spec.effect_list():
        labels = arrays.data[effect.group].values
        values[effect.name] = (effect.group, rng.normal(0, 0.01, len(labels)))
    truth = values.expand_dims(chain=1, draw=1)
    response = Predictive.of_design(spec, truth, arrays, seed=count).replicates()
    return Runs.from_frame(frame.assign(**{spec.response: response.values.ravel()}))


@numba.njit(error_model="numpy")
def digamma(x: float) -> float:
    total = 0.0
    while x < 10:
        total -= 1 / x
        x += 1
    y = 1 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    return total + math.log(x) - 0.5 / x - series


@numba.njit(error_model="numpy")
def normal(x: float, mu: float, sd: float) -> tuple[float, float]:
    """Log density and its derivative."""
    z = (x - mu) / sd
    return -0.5 * z * z - math.log(sd) - 0.5 * math.log(2 * math.pi), -z / sd


@numba.njit(error_model="numpy", fastmath=True)
def loop(
    x: np.ndarray,
    compute: np.ndarray,
    response: np.ndarray,
    index: tuple[np.ndarray, np.ndarray],
    runs_of: tuple[np.ndarray, np.ndarray],
) -> tuple[float, np.ndarray]:
    """`compute-only` as one would write it by hand: value and gradient in one pass.

    `x` holds level, slope, ln sigma, ln nu, then for families and for tokenizers ln sd and the
    partly centred effects. `index` holds each run's family and tokenizer, `runs_of` their runs.
    """
    gradient = np.zeros_like(x)
    starts = np.array([4, 5 + len(runs_of[0])])
    value, gradient[0] = normal(x[0], 0.5, 0.25)
    density, gradient[1] = normal(x[1], 0.0, 0.05)
    value += density
    density, gradient[2] = normal(x[2], -4.6, 0.7)
    value += density
    density, gradient[3] = normal(x[3], 2.0, 0.6)
    value += density
    effects = np.empty_like(x)
    for start, runs in zip(starts, runs_of):  # noqa: B905 - numba has no strict
        density, gradient[start] = normal(x[start], -4.8, 0.8)
        value += density
        for i in range(len(runs)):
            at = start + 1 + i
            weight = runs[i] / (runs[i] + 4)
            density, gradient[at] = normal(x[at], 0.0, math.exp(weight * x[start]))
            value += density
            z = x[at] / math.exp(weight * x[start])
            gradient[start] += weight * (z * z - 1)
            effects[at] = x[at] * math.exp((1 - weight) * x[start])
    level, slope, sigma, nu = x[0], x[1], math.exp(x[2]), math.exp(x[3])
    scale = 1 / (sigma * sigma * nu)
    logs = pulled = tilted = squares = 0.0
    shifts = np.zeros_like(x)
    one, other = starts + 1
    family, tokenizer = index
    for i in range(len(response)):
        f, t = one + family[i], other + tokenizer[i]
        error = response[i] - level - slope * compute[i] - effects[f] - effects[t]
        square = error * error * scale
        weight = 1 / (1 + square)
        logs += math.log1p(square)
        squares += square * weight
        pull = error * weight
        pulled += pull
        tilted += pull * compute[i]
        shifts[f] += pull
        shifts[t] += pull
    count, half = len(response), (nu + 1) / 2
    constant = math.lgamma(half) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * nu) - x[2]
    value += count * constant - half * logs
    each = 2 * half * scale
    gradient[0] += each * pulled
    gradient[1] += each * tilted
    gradient[2] += 2 * half * squares - count
    slope_of_constant = (digamma(half) - digamma(nu / 2)) / 2 - 0.5 / nu
    gradient[3] += nu * (count * slope_of_constant - 0.5 * logs) + half * squares
    for start, runs in zip(starts, runs_of):  # noqa: B905
        for i in range(len(runs)):
            at = start + 1 + i
            rest = 4 / (runs[i] + 4)
            gradient[at] += each * shifts[at] * math.exp(rest * x[start])
            gradient[start] += each * shifts[at] * rest * effects[at]
    return value, gradient


def by_hand(arrays: Design) -> Density:
    data = arrays.data
    compute = data["params"].values + data["tokens"].values
    index = tuple(data[f"{group}_index"].values for group in GROUPS)
    runs_of = tuple(data[f"{group}_runs"].values for group in GROUPS)
    families, tokenizers = map(len, runs_of)
    # Of our vector, which has both standard deviations before the effects.
    effects = 6 + np.arange(families + tokenizers)
    order = np.concatenate([range(5), effects[:families], [5], effects[families:]])

    def density(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slopes = loop(x[order], compute, data["response"].values, index, runs_of)
        gradient = np.empty_like(slopes)
        gradient[order] = slopes
        return value, gradient

    return density


def seconds(density: Density, x: np.ndarray) -> float:
    """Time of one gradient: the least of five means."""
    start = time.perf_counter()
    density(x)  # touches all memory once
    repeats = max(1, int(0.2 / (time.perf_counter() - start)))
    means = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeats):
            density(x)
        means.append((time.perf_counter() - start) / repeats)
    return min(means)


def measured(name: str, count: int) -> dict[str, float]:
    spec = Spec.load(name)
    runs = simulated(spec, count)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs.csv"
        runs.table.to_csv(file, index=False)
        start = time.perf_counter()
        arrays = design(spec, Runs.read(file))
        loading = time.perf_counter() - start
    start = time.perf_counter()
    sampler = Sampler(spec, arrays)
    density = sampler.density(arrays.data)
    said = {"load_seconds": loading, "compile_seconds": time.perf_counter() - start}
    x = np.random.default_rng(0).uniform(-0.5, 0.5, density.count)
    said["nanoseconds_a_row"] = 1e9 * seconds(density, x) / count
    if name == "compute-only":
        hand = by_hand(arrays)
        for ours, theirs in zip(density(x), hand(x), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-6)
        said["by_hand"] = 1e9 * seconds(hand, x) / count
    print(f"{name}, {count} rows: done", file=sys.stderr)
    return said


def fit(count: int) -> dict[str, float]:
    """One fit, in this process: what it took beyond the imports, and its peak memory."""
    runs = simulated(Spec.load("compute-only"), count)
    start = time.perf_counter()
    done = ScalingModel("compute-only").fit(runs, FEW)
    gradients = int(done.groups["sample_stats"]["n_steps"].sum())
    return {
        "seconds": time.perf_counter() - start,
        "gradients_after_warmup": gradients,
        "replicated_draws": done.replicates().sizes["draw"] * FEW.chains,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=SIZES[-1], help="leave out larger tables")
    parser.add_argument("--fit", type=int, help="only fit a table of this size")
    asked = parser.parse_args()
    if asked.fit:
        print(json.dumps(fit(asked.fit)))
        sys.exit()
    sizes = [size for size in SIZES if size <= asked.most]
    with threadpool_limits(1):  # as chains run
        by_rows: dict[str, dict[int, dict[str, float]]] = {
            name: {size: measured(name, size) for size in sizes} for name in TRUTH
        }
    print(f"fit of {sizes[-1]} rows ...", file=sys.stderr)
    alone = [sys.executable, __file__, "--fit", str(sizes[-1])]
    fitted = json.loads(subprocess.run(alone, check=True, stdout=subprocess.PIPE).stdout)
    last = by_rows["compute-only"][sizes[-1]]
    figures: dict[str, Any] = {"over_loop_by_hand": last["nanoseconds_a_row"] / last["by_hand"]}
    targets = {"over_loop_by_hand": LOOP_MOST, "peak_gb": MEMORY_MOST}
    figures["peak_gb"] = fitted["peak_gb"]
    for name, said in by_rows.items():
        growth = said[sizes[-1]]["nanoseconds_a_row"] / said[1_000]["nanoseconds_a_row"]
        figures[f"growth_a_row_{name}"], targets[f"growth_a_row_{name}"] = growth, GROWTH_MOST
    missed = [name for name, most in targets.items() if figures[name] > most]
    result = {"rows": by_rows, "fit": fitted, "figures": figures, "targets": targets}
    print(json.dumps({**result, "missed": missed}, indent=2))
    sys.exit(1 if missed else 0)
