"""Intervals: equal-tailed, with one default probability everywhere."""

from __future__ import annotations

from typing import Any

import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB

SAMPLE_DIMS = ("chain", "draw")


def check_prob(prob: float) -> float:
    """The probability itself, if it is one.

    Raises
    ------
    BayescaleError
    """
    if not 0 < prob < 1:
        raise BayescaleError(f"prob={prob:g}: a probability lies between 0 and 1, such as 0.9")
    return prob


def interval(draws: xr.DataArray, prob: float = PROB) -> xr.Dataset:
    """Mean, median, and the equal-tailed interval that holds `prob`, over chains and draws.

    Returns
    -------
    Dataset
        `mean`, `median`, `lower`, `upper` in the unit of the draws, with their other dims.
    """
    tail = (1 - check_prob(prob)) / 2
    quantiles = draws.quantile([tail, 0.5, 1 - tail], dim=SAMPLE_DIMS)
    lower, median, upper = (quantiles.isel(quantile=i, drop=True) for i in range(3))
    return xr.Dataset(
        {"mean": draws.mean(SAMPLE_DIMS), "median": median, "lower": lower, "upper": upper}
    )


def flat(draws: xr.DataArray) -> xr.DataArray:
    """All chains as one, along the dim `sample`."""
    return draws.stack(sample=SAMPLE_DIMS, create_index=False).drop_vars(
        SAMPLE_DIMS, errors="ignore"
    )


def one_chain(samples: xr.DataArray) -> xr.DataArray:
    """Samples as the draws of a single chain."""
    return samples.rename(sample="draw").expand_dims("chain").transpose(*SAMPLE_DIMS, ...)


def holds(ends: xr.Dataset, values: Any) -> xr.DataArray:
    """Which values lie in their intervals, the ends included."""
    return (values >= ends["lower"]) & (values <= ends["upper"])
