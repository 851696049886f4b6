"""Covariance along curves: model discrepancy, wandering within a run, observation noise.

A model discrepancy that runs of one setup share in part, a Matern-3/2 process over ln progress and
ln rate; a wandering of each run, an Ornstein-Uhlenbeck process over ln progress, so that
checkpoints of one run are not independent; independent noise; and, where a law says so, a
parameter that differs a little between the runs of a setup.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from bayescale.laws.curves import CurveLaw
from bayescale.laws.curves.base import Coordinate

_ROOT3 = math.sqrt(3.0)
# Coordinates where no parameters are shared.
_ALONE = 5
# e-folds of the learning rate that are as far as one length of the discrepancy.
_RATE_LENGTH = 1.5
# Keeps a covariance of many equal points positive definite.
_JITTER = 1e-10


def coordinates(law: CurveLaw, several: bool) -> tuple[Coordinate, ...]:
    """What the covariance is made of, each the logarithm of a size unless it says otherwise.

    Parameters
    ----------
    law : CurveLaw
    several : bool
        Whether runs share parameters.
    """
    (size, length), (wander, spread) = law.discrepancy, law.wander
    own = (
        Coordinate("size", "discrepancy over the mean slope of ln loss", math.log(size), 0.7),
        Coordinate("length", "its length in e-folds of progress", math.log(length), 0.5),
        Coordinate("wander", "standard deviation of a run's wandering", math.log(wander), spread),
        Coordinate("wander_length", "its length in e-folds", math.log(0.1), 0.7),
        Coordinate("noise", "standard deviation of independent noise", math.log(0.003), 1.0),
    )
    if not several:
        return own
    return (
        *own,
        Coordinate("shared", "logit of the discrepancy's share that runs share", 0.0, 1.5),
        Coordinate("variation", "spread of what varies between runs", math.log(0.1), 0.3),
    )


@dataclass(frozen=True)
class Places:
    """Where points lie, for the covariance.

    Attributes
    ----------
    position, rate, run : (setup, point) array
        ln progress, ln rate, and which of the setup's runs.
    slope : (setup,) array
        Mean slope of ln loss, per e-fold.
    varying : (setup, point) array
        Derivative of ln loss by what varies between runs, 0 where nothing does.
    """

    position: np.ndarray
    rate: np.ndarray
    run: np.ndarray
    slope: np.ndarray
    varying: np.ndarray


def between(h: np.ndarray, a: Places, b: Places) -> np.ndarray:
    """Covariance without independent noise.

    Parameters
    ----------
    h : (setup, coordinate) array
    a, b : Places

    Returns
    -------
    (setup, point of a, point of b) array
    """
    several = h.shape[1] > _ALONE
    shared = 1 / (1 + np.exp(-h[:, _ALONE])) if several else np.ones(len(h))
    where = (
        np.ascontiguousarray(values, dtype=float)  # one layout, one compilation
        for places in (a, b)
        for values in (places.position, places.rate, places.run, places.varying)
    )
    slope = np.ascontiguousarray(a.slope)
    return np.asarray(_between(np.exp(h), shared, slope, *where, several))


@njit(nogil=True, fastmath=True)
def _between(  # type: ignore[no-untyped-def] # noqa: PLR0917 - Numba takes plain arrays
    sizes, shared, slope, position, rate, run, varying,
    position_b, rate_b, run_b, varying_b, several,
):  # fmt: skip
    """`between` of plain arrays, entry by entry: as array operations it would fill memory."""
    setups, n = position.shape
    m = position_b.shape[1]
    out = np.empty((setups, n, m))
    for s in range(setups):
        smooth, length = (sizes[s, 0] * slope[s]) ** 2, sizes[s, 1]
        wander, wander_length = sizes[s, 2] ** 2, sizes[s, 3]
        for i in range(n):
            for j in range(m):
                apart = abs(position[s, i] - position_b[s, j])
                rates = (rate[s, i] - rate_b[s, j]) / _RATE_LENGTH
                far = apart / length
                if rates != 0:
                    far = math.sqrt(far * far + rates * rates)
                far *= _ROOT3
                value = smooth * (1 + far) * math.exp(-far)
                if not several or run[s, i] == run_b[s, j]:
                    value += wander * math.exp(-apart / wander_length)
                    if several:
                        value += sizes[s, 6] ** 2 * varying[s, i] * varying_b[s, j]
                else:
                    value *= shared[s]
                out[s, i, j] = value
    return out


def noise_variance(h: np.ndarray) -> np.ndarray:
    """Variance of independent noise, (setup,)."""
    return np.exp(2 * h[:, 4])


def covariance(h: np.ndarray, places: Places, real: np.ndarray) -> np.ndarray:
    """Covariance of observed points; padding is independent with variance 1."""
    full = between(h, places, places) * (real[:, :, None] * real[:, None, :])
    diagonal = np.arange(full.shape[1])
    own = np.where(real > 0, noise_variance(h)[:, None] + _JITTER, 1.0)
    full[:, diagonal, diagonal] += own
    return full
