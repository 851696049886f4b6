"""Inducing points: the runs at which the discrepancy's values are sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayescale.model.discrepancy.axes import Axis
from bayescale.model.discrepancy.process import Parameters, coordinates, covariance, variance

# Numbers of inducing points: a sampler is compiled for each that is met, so they are few, and a
# gradient's cost grows as the square of them, so a table of 8 runs does not pay for 40.
SIZES = (10, 20, 40)
MOST = SIZES[-1]
# Padding points sit 1,000 e-folds apart, so their covariance with any run is zero.
_PADDING_APART = 1000.0


def inducing_points(
    axes: Sequence[Axis], x: Mapping[str, np.ndarray], typical: Parameters
) -> dict[str, np.ndarray]:
    """Where the inducing points lie, padded to the next of `SIZES`.

    Parameters
    ----------
    axes : sequence of Axis
    x : mapping
        Each input of the law, centred: ndarray (run).
    typical : Parameters
        See `inducing_runs`.

    Returns
    -------
    dict
        The same inputs: ndarray (inducing).
    """
    chosen = inducing_runs(axes, x, typical)
    size = next(size for size in SIZES if size >= len(chosen))
    padding = _PADDING_APART * np.arange(1, size - len(chosen) + 1)
    return {name: np.concatenate([values[chosen], padding]) for name, values in x.items()}


def inducing_runs(
    axes: Sequence[Axis], x: Mapping[str, np.ndarray], typical: Parameters
) -> np.ndarray:
    """Positions of the runs that are inducing points, at most `MOST`.

    Pivoted Cholesky of the prior covariance under typical parameters: each next run is the one
    about which those before say least.
    """
    count = len(next(iter(x.values())))
    if count <= MOST:
        return np.arange(count)
    runs = coordinates(axes, x, coordinates(axes, x, 0.0, np).places[0].max(), np)
    left = np.broadcast_to(variance(typical, runs, np), count).copy()
    factor = np.zeros((MOST, count))
    chosen: list[int] = []
    for i in range(MOST):
        pivot = int(left.argmax())
        if left[pivot] < 1e-10:
            break
        row = covariance(typical, runs.at([pivot]), runs, np)[0]
        factor[i] = (row - factor[:i, pivot] @ factor[:i]) / np.sqrt(left[pivot])
        left = np.maximum(left - factor[i] ** 2, 0)
        chosen.append(pivot)
        left[chosen] = 0
    return np.sort(chosen)
