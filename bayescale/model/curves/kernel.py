"""Covariance along curves: what the law misses, wandering within a run, and noise.

A model discrepancy that runs of one setup share in part, a Matern-3/2 process over ln progress and
ln rate; a wandering of each run, an Ornstein-Uhlenbeck process over ln progress, so that
checkpoints of one run are not independent; independent noise; and, where a law says so, a
parameter that differs a little between the runs of a setup.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bayescale.laws.curves import CurveLaw
from bayescale.laws.curves.base import Coordinate

_ROOT3 = math.sqrt(3.0)
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
    size, length = law.discrepancy
    own = (
        Coordinate("size", "discrepancy over the mean slope of ln loss", math.log(size), 0.7),
        Coordinate("length", "its length in e-folds of progress", math.log(length), 0.5),
        Coordinate("wander", "standard deviation of a run's wandering", math.log(0.005), 1.0),
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
    sizes = np.exp(h)[:, :, None, None]
    apart = np.abs(a.position[:, :, None] - b.position[:, None, :])
    rates = (a.rate[:, :, None] - b.rate[:, None, :]) / _RATE_LENGTH
    far = apart / sizes[:, 1]
    if rates.any():
        far = np.sqrt(far**2 + rates**2)
    far *= _ROOT3
    smooth = (sizes[:, 0] * a.slope[:, None, None]) ** 2 * (1 + far) * np.exp(-far)
    wander = sizes[:, 2] ** 2 * np.exp(-apart / sizes[:, 3])
    if h.shape[1] == 5:
        return smooth + wander
    same = a.run[:, :, None] == b.run[:, None, :]
    shared = 1 / (1 + np.exp(-h[:, 5]))[:, None, None]
    effect = sizes[:, 6] ** 2 * a.varying[:, :, None] * b.varying[:, None, :]
    return smooth * np.where(same, 1.0, shared) + same * (wander + effect)


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
