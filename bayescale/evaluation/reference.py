"""Reference: the ordinary least-squares line that a reader would draw, beside the posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used

from bayescale.runs.table import Runs


@dataclass(frozen=True)
class LeastSquares:
    """A line through the response over ln(N D), as in arXiv 2404.19484.

    Attributes
    ----------
    slope, slope_error : float
        Change of the response per e-fold of N D, and its standard error, in the response's unit.
    slope_per_decade : float
        Change of the response per tenfold N D.
    intercept : float
        Response at N = 1e9 parameters and D = 1e12 tokens.
    r_squared : float
    runs : int
        How many were fitted.
    """

    slope: float
    slope_error: float
    slope_per_decade: float
    intercept: float
    r_squared: float
    runs: int


def reference_runs(runs: Runs) -> Runs:
    """The runs for the line: those marked `reference_fit`, else dense ones with known tokens."""
    table = runs.table
    if "reference_fit" in table:
        kept = table["reference_fit"].astype(bool)
    else:
        kept = runs.known_tokens & (runs.seen_params("active") == table["params"])
    return Runs(table[kept], runs.name)


def least_squares(runs: Runs, response: str) -> LeastSquares:
    """The line through the runs; it has no groups, and its error assumes independent residuals.

    Parameters
    ----------
    runs : Runs
        With known tokens.
    response : str
        A column of theirs.
    """
    table = runs.table
    compute = np.log(table["params"] / 1e9) + np.log(table["tokens"] / 1e12)
    line = scipy.stats.linregress(compute, table[response])
    return LeastSquares(
        slope=float(line.slope),
        slope_error=float(line.stderr),
        slope_per_decade=float(line.slope * np.log(10)),
        intercept=float(line.intercept),
        r_squared=float(line.rvalue**2),
        runs=len(table),
    )
