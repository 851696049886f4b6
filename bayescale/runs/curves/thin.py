"""Thinning: as many points of a curve as a fit needs, log-spaced, the last third dense."""

from __future__ import annotations

import numpy as np

MOST = 80


def thinned(position: np.ndarray, most: int = MOST) -> np.ndarray:
    """Indices of the points to use, in order; the first and the last are among them.

    Parameters
    ----------
    position : (point,) array
        Increases.
    most : int
        Half of them are log-spaced over the curve, half evenly over its last third.
    """
    if len(position) <= most:
        return np.arange(len(position))
    spaced = np.geomspace(position[0], position[-1], most // 2)
    near = np.abs(np.log(position)[:, None] - np.log(spaced)).argmin(axis=0)
    dense = np.linspace(2 * len(position) // 3, len(position) - 1, most - most // 2).round()
    return np.unique(np.concatenate([near, dense.astype(int)]))
