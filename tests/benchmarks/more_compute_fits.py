"""Fits and intervals of `make more-compute`."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayescale import Fit, Runs, ScalingModel, Spec
from bayescale.base.intervals import interval


def fitted(spec: Spec, runs: Runs) -> Fit:
    """The spec fitted to the runs."""
    return ScalingModel(spec).fit(runs, show_progress=False)


def three(draws: Any) -> dict[str, float]:
    """Median and 90 % interval."""
    found = interval(draws)
    return {name: float(found[name]) for name in ("median", "lower", "upper")}


def quantiles(draws: np.ndarray) -> dict[str, float]:
    """Median and 90 % interval of plain draws."""
    return three(xr.DataArray(draws.reshape(1, -1), dims=("chain", "draw")))
