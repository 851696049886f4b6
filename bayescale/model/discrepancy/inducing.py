"""Inducing points: the runs at which the discrepancy's values are sampled."""

from __future__ import annotations

import numpy as np

from bayescale.model.discrepancy.process import (
    Coordinates,
    Parameters,
    coordinates,
    covariance,
    variance,
)

# Numbers of inducing points: a sampler is compiled for each that is met, so they are few, and a
# gradient's cost grows as the square of them, so a table of 8 runs does not pay for 40.
SIZES = (10, 20, 40)
MOST = SIZES[-1]
# Used to choose the inducing points and the sampler's coordinates, and for nothing else.
TYPICAL = Parameters(
    amplitude=np.float64(0.05),
    length_compute=np.float64(6.0),
    length_split=np.float64(3.0),
    local_amplitude=np.float64(0.006),
    local_growth=np.float64(0.45),
)
# Padding points sit 1,000 e-folds apart, so their covariance with any run is zero.
_PADDING_APART = 1000.0


def inducing_points(params: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Where the inducing points lie, padded to the next of `SIZES`.

    Parameters
    ----------
    params, tokens : ndarray (run)
        Centred ln N and ln D.

    Returns
    -------
    dict
        `params` and `tokens`: ndarray (inducing).
    """
    chosen = inducing_runs(params, tokens)
    size = next(size for size in SIZES if size >= len(chosen))
    padding = _PADDING_APART * np.arange(1, size - len(chosen) + 1)
    return {
        "params": np.concatenate([params[chosen], padding]),
        "tokens": np.concatenate([tokens[chosen], padding]),
    }


def inducing_runs(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Positions of the runs that are inducing points, at most `MOST`.

    Pivoted Cholesky of the prior covariance under typical parameters: each next run is the one
    about which those before say least.
    """
    if len(params) <= MOST:
        return np.arange(len(params))
    runs = coordinates(params, tokens, coordinates(params, tokens, 0.0, np).compute.max(), np)
    left = variance(TYPICAL, runs, np).copy()
    factor = np.zeros((MOST, len(params)))
    chosen: list[int] = []
    for i in range(MOST):
        pivot = int(left.argmax())
        if left[pivot] < 1e-10:
            break
        pivot_run = Coordinates(*(values[[pivot]] for values in runs))
        row = covariance(TYPICAL, pivot_run, runs, np)[0]
        factor[i] = (row - factor[:i, pivot] @ factor[:i]) / np.sqrt(left[pivot])
        left = np.maximum(left - factor[i] ** 2, 0)
        chosen.append(pivot)
        left[chosen] = 0
    return np.sort(chosen)
