"""Fits of `make more-compute`, each kept in `build/more-compute/` until its spec or runs change."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.base.intervals import interval

KEPT = Path(__file__).parents[2] / "build" / "more-compute"
# Of specs with six groups, whose default would take an hour for all fits on one core.
SETTINGS = Settings(draws=2500, tune=600, chains=4, target_accept=0.9, ess=450)


def fitted(spec: Spec, runs: Runs, settings: Settings | None = None) -> Fit:
    """The spec fitted to the runs, now or before."""
    said = f"{spec.to_toml()}\n{runs.to_jsonl()}\n{settings}"
    path = KEPT / f"{spec.name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    if path.is_dir():
        return Fit.load(path)
    fit = ScalingModel(spec).fit(runs, settings, show_progress=False)
    KEPT.mkdir(parents=True, exist_ok=True)
    fit.save(path)
    print(spec.name, len(runs), fit.convergence, flush=True)
    return fit


def three(draws: Any) -> dict[str, float]:
    """Median and 90 % interval."""
    found = interval(draws)
    return {name: float(found[name]) for name in ("median", "lower", "upper")}


def quantiles(draws: np.ndarray) -> dict[str, float]:
    """Median and 90 % interval of plain draws."""
    return three(xr.DataArray(draws.reshape(1, -1), dims=("chain", "draw")))
