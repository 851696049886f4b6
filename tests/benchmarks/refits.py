"""What a refit costs: `make bench-refits`.

All leave-one-out refits of the default spec on the bundled table, through one compiled sampler
and by the loop that people write (build the model, `pm.sample`, once a run); the elpd of both.
`pm.sample` takes nutpie where it is installed, and PyMC's own NUTS, some times slower, where it is
not: both loops are timed, the second on the first few runs. Then effective draws a second of
Chinchilla's law on the 240 digitised points, ours and `pm.sample` with PyMC's own NUTS. Ratios are
of times within this one process. `--rows N` times the loops on the first N runs only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import arviz_stats
import numpy as np
import pymc as pm
import xarray as xr

from bayescale import Runs, Settings, Spec
from bayescale.evaluation.folds import folds
from bayescale.model.design import design
from bayescale.model.graph import build
from bayescale.predictive.predictive import Predictive
from bayescale.sampling.sampler import Sampler

# PyMC's own NUTS is timed on this many runs: all would take a quarter of an hour.
OWN_NUTS = 5


def elpd(sampler: Sampler, posterior: xr.Dataset, out: np.ndarray) -> float:
    holdout = Predictive.of_design(sampler.spec, posterior, sampler.design, seed=0, rows=out)
    return float(holdout.log_predictive_density(holdout.observed).sum())


def leave_one_out(rows: int | None) -> dict[str, Any]:
    spec, runs = Spec.load("compute-only"), Runs.read("open-llm-bpc")
    arrays = design(spec, runs)
    out = [fold.out for fold in folds(runs, "run")][:rows]
    start = time.perf_counter()
    sampler = Sampler(spec, arrays)
    sampler.sample(Settings(draws=100, tune=100))
    compiled = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        refits = list(pool.map(lambda mask: sampler.refit(~mask), out))
    ours = (time.perf_counter() - compiled) / len(out)
    mine = [elpd(sampler, refit.posterior, mask) for refit, mask in zip(refits, out, strict=True)]
    said: dict[str, Any] = {
        "refits": len(out),
        "compile_seconds": compiled - start,
        "seconds_a_refit": ours,
        "worst_r_hat": max(refit.convergence.r_hat for refit in refits),
        "sampled_again": sum(len(refit.retries) > 0 for refit in refits),
        "elpd": float(np.sum(mine)),
    }
    for name, few in (("nutpie", out), ("pymc", out[:OWN_NUTS])):
        start = time.perf_counter()
        theirs = [loop(sampler, mask, name, seed) for seed, mask in enumerate(few)]
        seconds = (time.perf_counter() - start) / len(few)
        difference = np.subtract(mine[: len(few)], theirs)
        said[f"loop_{name}"] = {
            "refits": len(few),
            "seconds_a_refit": seconds,
            "ratio": seconds / ours,
            "elpd": float(np.sum(theirs)),
            "largest_difference_of_one_run": float(np.abs(difference).max()),
        }
    return said


def loop(sampler: Sampler, out: np.ndarray, nuts: str, seed: int) -> float:
    """One turn of the loop that people write: build, compile, sample; the elpd of the run."""
    arrays = sampler.design
    some = arrays.data.isel(run=np.flatnonzero(~out))
    with build(sampler.spec, type(arrays)(some, arrays.centre)):
        tree = pm.sample(random_seed=seed, progressbar=False, target_accept=0.9, nuts_sampler=nuts)
    print(f"loop with {nuts}: {seed + 1}", file=sys.stderr)
    return elpd(sampler, tree["posterior"].to_dataset(), out)


def effective_draws() -> dict[str, float]:
    spec = Spec.load("chinchilla").replace(response="loss", groups=False)
    runs = Runs.fetch("chinchilla-points", where="drop_in_besiroglu == False")
    said = {}
    for name in ("nutpie", "pymc"):
        sampler = Sampler(spec, design(spec, runs))
        if name == "nutpie":
            sampler.sample(Settings(draws=100, tune=100))  # compile
            start = time.perf_counter()
            posterior, _ = sampler.sample(Settings())
        else:
            with sampler.model:
                warm = {"draws": 10, "tune": 10, "progressbar": False}
                pm.sample(**warm, nuts_sampler="pymc", random_seed=0)  # compile
                start = time.perf_counter()
                tree = pm.sample(progressbar=False, random_seed=0, nuts_sampler="pymc")
            posterior = tree["posterior"].to_dataset()
        seconds = time.perf_counter() - start
        least = min(float(v.min()) for v in arviz_stats.ess(posterior).data_vars.values())
        said[f"{name}_least_ess"] = least
        said[f"{name}_seconds"] = seconds
    ours = said["nutpie_least_ess"] / said["nutpie_seconds"]
    stock = said["pymc_least_ess"] / said["pymc_seconds"]
    return {**said, "ours_per_second": ours, "stock_per_second": stock, "ratio": ours / stock}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="leave out the first N runs only")
    result = {"leave_one_out": leave_one_out(parser.parse_args().rows)}
    result["chinchilla_240"] = effective_draws()
    print(json.dumps(result, indent=2))
