"""Linear regressions whose posteriors are drawn directly: no sampler is needed.

Gelman et al., Bayesian Data Analysis, 3rd edition: section 14.2 for exact responses, section 5.6
(meta-analysis) for responses that are themselves estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.runs.table import Runs

_RECORDS = 4
# Values of the intrinsic standard deviation that are tried, up to so many times the residuals'.
_GRID, _WIDEST = 200, 100.0


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A linear regression by least squares.

    Attributes
    ----------
    coefficients : array (coefficient)
    variance : float
        Of the residuals, by their degrees of freedom.
    freedom : int
        Rows minus coefficients.
    covariance : array (coefficient, coefficient)
        Of the coefficients, where the residuals' variance is 1.
    """

    coefficients: np.ndarray
    variance: float
    freedom: int
    covariance: np.ndarray


def least_squares(predictors: np.ndarray, response: np.ndarray) -> LeastSquares:
    """The least-squares regression of a response (row) on predictors (row, coefficient).

    Raises
    ------
    BayescaleError
        If the rows are too few, or too much alike, for the coefficients.
    """
    rows, columns = predictors.shape
    coefficients, _, rank, _ = np.linalg.lstsq(predictors, response, rcond=None)
    if rank < columns or rows <= columns:
        raise BayescaleError(
            f"{rows} rows for {columns} coefficients: a regression needs more, and different ones"
        )
    residual = response - predictors @ coefficients
    return LeastSquares(
        coefficients=coefficients,
        variance=float(residual @ residual) / (rows - columns),
        freedom=rows - columns,
        covariance=np.linalg.inv(predictors.T @ predictors),
    )


def regression_draws(
    predictors: np.ndarray, response: np.ndarray, rng: np.random.Generator, count: int
) -> np.ndarray:
    """Posterior draws (count, coefficient) of a linear regression under the reference prior.

    sigma^2 is scaled-inverse-chi-squared, and the coefficients are normal given it.

    Parameters
    ----------
    predictors : array (row, coefficient)
    response : array (row)
    rng : Generator
    count : int

    Raises
    ------
    BayescaleError
        As for `least_squares`.
    """
    fitted = least_squares(predictors, response)
    variance = fitted.variance * fitted.freedom / rng.chisquare(fitted.freedom, count)
    root = np.linalg.cholesky(fitted.covariance)
    standard = rng.standard_normal((count, predictors.shape[1]))
    return fitted.coefficients + np.sqrt(variance)[:, None] * (standard @ root.T)


def measured_regression_draws(
    predictors: np.ndarray,
    response: np.ndarray,
    errors: np.ndarray,
    rng: np.random.Generator,
    count: int,
) -> np.ndarray:
    """Posterior draws (count, coefficient) of a regression on responses with known errors.

    A response differs from the line by its own error and by an intrinsic deviation, both normal;
    the standard deviation tau of the second is estimated. Its prior density is proportional to
    1 / (s + tau), s the errors' harmonic mean in squares: flat where the errors hide tau, and
    the reference prior of `regression_draws` where they are small. The prior of the coefficients
    is flat, so given tau they are normal; tau is drawn from its marginal posterior on a grid.

    Parameters
    ----------
    predictors : array (row, coefficient)
    response : array (row)
    errors : array (row)
        Standard errors of the responses, above 0.
    rng : Generator
    count : int

    Raises
    ------
    BayescaleError
        As for `least_squares`.
    """
    fitted = least_squares(predictors, response)
    typical = np.mean(errors**-2.0) ** -0.5
    widest = _WIDEST * max(float(np.sqrt(fitted.variance)), typical)
    tau = typical * np.expm1(np.linspace(0, np.log1p(widest / typical), _GRID))
    weight = 1 / (errors**2 + tau[:, None] ** 2)  # (tau, row)
    precision = np.einsum("tr,rc,rd->tcd", weight, predictors, predictors)
    covariance = np.linalg.inv(precision)
    coefficients = np.einsum("tcd,tr,rd,r->tc", covariance, weight, predictors, response)
    residual = response - coefficients @ predictors.T
    log_density = (
        0.5 * np.log(weight).sum(axis=1)
        - 0.5 * np.linalg.slogdet(precision)[1]
        - 0.5 * (weight * residual**2).sum(axis=1)
        - np.log(typical + tau)
    )
    mass = np.exp(log_density - log_density.max()) * np.gradient(tau)
    drawn = rng.choice(_GRID, count, p=mass / mass.sum())
    root = np.linalg.cholesky(covariance)[drawn]
    standard = rng.standard_normal((count, predictors.shape[1]))
    return coefficients[drawn] + np.einsum("dij,dj->di", root, standard)


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
