"""Rotation: a density in coordinates in which its values are nearly uncorrelated and of one scale.

Short chains find where the density is; the mean of the local covariances there, from the density's
curvature at some of their draws, gives the coordinates. The distribution is the same. A mass matrix
that nutpie learns along the way would take many more draws to see hundreds of correlated values.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescale.sampling import chains, compiled
from bayescale.sampling.compiled import Native

# Of the short chains, and of their draws the ones at which the curvature is taken.
_CHAINS, _TUNE, _DRAWS, _EACH = 2, 200, 50, 5
_STEP = 1e-5
# Least curvature: less than half of the prior's, which is 1, is that of an outlier's shoulder.
_LEAST = 0.5
# Correlations smaller than this are left out of the coordinates: nearly all are.
_NEGLIGIBLE = 0.03
_PLACE = ctypes.c_void_p
_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, _PLACE, _PLACE, _PLACE, _PLACE)


class _Density(Protocol):
    native: Native
    table: np.ndarray
    count: int

    def posterior(self, draws: np.ndarray) -> xr.Dataset: ...


class Rotated:
    """A density in coordinates u, x = centre + root' u; as `sampling.chains` takes it.

    Parameters
    ----------
    density : ScoreDensity
    centre : ndarray (count,)
    root : ndarray (count, count)
        Mostly zeros, which cost nothing.
    """

    def __init__(self, density: _Density, centre: np.ndarray, root: np.ndarray) -> None:
        self._density, self._centre, self._root = density, np.ascontiguousarray(centre), root
        self.native, self.count = compiled.rotation(), density.count
        rows, columns = np.nonzero(root)
        starts = np.searchsorted(rows, np.arange(self.count + 1))
        self._sparse = root[rows, columns], columns.astype(np.int64), starts.astype(np.int64)
        arrays = (density.table, self._centre, *self._sparse)
        addresses = [density.native.address, *(each.ctypes.data for each in arrays)]
        self.table = np.array(addresses, np.int64)

    def start(self, seed: int) -> np.ndarray:
        """Where a chain of this seed starts."""
        return np.random.default_rng(seed).uniform(-1, 1, self.count)

    def posterior(self, draws: np.ndarray) -> xr.Dataset:
        """Draws of the blocks, (chain, draw, ...)."""
        return self._density.posterior(self._centre + draws @ self._root)


def rotated(density: _Density, seed: int) -> Rotated:
    """The density in coordinates that follow it; the same for the same seed."""
    options = {"adaptation": "diag", "target_accept": 0.8}
    plan = chains.Plan(_CHAINS, _TUNE, _DRAWS, seed, None, options)
    draws, _ = chains.run(cast("Any", density), plan)
    places = draws[:, ::_EACH].reshape(-1, density.count)
    gradient = _gradient(density)
    with threadpool_limits(1), ThreadPoolExecutor() as pool:  # threads of BLAS would get in the way
        covariance = sum(pool.map(lambda x: _covariance(gradient, x), places)) / len(places)
    root = np.linalg.cholesky(covariance).T
    share = np.abs(root) / np.sqrt((root**2).sum(0))
    return Rotated(density, places.mean(0), np.where(share < _NEGLIGIBLE, 0.0, root))


def _covariance(gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Inverse of the curvature at a place, by differences of the gradient."""
    here, curvature = gradient(x), np.empty((len(x), len(x)))
    for i in range(len(x)):
        near = x.copy()
        near[i] += _STEP
        curvature[i] = (here - gradient(near)) / _STEP
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    return np.asarray((vectors / np.maximum(values, _LEAST)) @ vectors.T)


def _gradient(density: _Density) -> Callable[[np.ndarray], np.ndarray]:
    function = _SIGNATURE(density.native.address)

    def gradient(x: np.ndarray) -> np.ndarray:
        value, slope = np.empty(1), np.empty_like(x)
        function(len(x), *(a.ctypes.data for a in (x, slope, value, density.table)))
        return slope

    return gradient
