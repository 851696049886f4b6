"""Linear regression under the reference prior, whose posterior is exact: no sampler is needed.

Gelman et al., Bayesian Data Analysis, 3rd edition, section 14.2.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.runs.table import Runs

_RECORDS = 4


def regression_draws(
    predictors: np.ndarray, response: np.ndarray, rng: np.random.Generator, count: int
) -> np.ndarray:
    """Posterior draws (count, coefficient) of a linear regression under the reference prior.

    sigma^2 is scaled-inverse-chi-squared, and the coefficients are normal given it.
    """
    rows, columns = predictors.shape
    estimate, _, rank, _ = np.linalg.lstsq(predictors, response, rcond=None)
    if rank < columns or rows <= columns:
        raise BayescaleError(
            f"{rows} rows for {columns} coefficients: a regression needs more, and different ones"
        )
    freedom = rows - columns
    residual = response - predictors @ estimate
    variance = float(residual @ residual) / rng.chisquare(freedom, count)
    root = np.linalg.cholesky(np.linalg.inv(predictors.T @ predictors))
    standard = rng.standard_normal((count, columns))
    return estimate + np.sqrt(variance)[:, None] * (standard @ root.T)


def trend(table: str, quantity: str, year: float, seed: int, count: int) -> xr.Dataset:
    """How the records of a table of runs grow, a line in log10 over the date of release.

    Parameters
    ----------
    table : str
        A bundled table or a file, with a column `release_date`.
    quantity : {"tokens", "flops"}
        Tokens as stated, or 6 N D with the parameters active per token.
    year : float
        Calendar year of the level.
    seed, count : int

    Returns
    -------
    Dataset
        (chain, draw): `level` in tokens or FLOP, and `growth` in decades a year.

    Raises
    ------
    BayescaleError
        If the table lacks dates, or fewer than four runs with stated tokens set a record.
    """
    runs = Runs.read(table)
    if "release_date" not in runs.table:
        raise BayescaleError(f"{table}: no column release_date; a trend needs dates")
    stated = runs.table[runs.known_tokens & runs.table["release_date"].notna()]
    try:
        dates = pd.to_datetime(stated["release_date"])
    except ValueError as error:
        raise BayescaleError(f"{table}: release_date: {error}; write 2024-04-18") from error
    size = stated["tokens"]
    if quantity == "flops":
        size = 6 * size * Runs(stated, table).seen_params("active")
    frame = pd.DataFrame({"date": dates, "size": size}).sort_values(["date", "size"])
    records = frame[frame["size"] > frame["size"].cummax().shift(fill_value=0)]
    if len(records) < _RECORDS:
        raise BayescaleError(f"{table}: {len(records)} records of {quantity}; a trend needs 4")
    when = records["date"].dt.year + records["date"].dt.day_of_year / 365.25
    predictors = np.column_stack([np.ones(len(records)), when - year])
    rng = random(seed, "trend", quantity)
    draws = regression_draws(predictors, np.log10(records["size"].to_numpy()), rng, count)
    return xr.Dataset(
        {
            "level": (SAMPLE_DIMS, 10 ** draws[None, :, 0]),
            "growth": (SAMPLE_DIMS, draws[None, :, 1]),
        }
    )
