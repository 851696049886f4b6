"""Minima and roots of a function of one variable, for every draw at once.

SciPy's elementwise solvers on arrays with named dims: the other arguments of the function are
broadcast against each other, and the answer has the dims of them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import elementwise

type Arguments = Mapping[str, Any]
type Function = Callable[[Any, Arguments], Any]

_CELLS = 128
# In place of an infinite value, so that differences of two stay numbers.
_HUGE = 1e300


def exp(x: Any) -> xr.DataArray:
    """The exponential of a number or DataArray, with its dims; infinite where too large."""
    with np.errstate(over="ignore"):
        return xr.DataArray(np.exp(x))


def log(x: Any) -> xr.DataArray:
    """The natural logarithm of a number or DataArray, with its dims."""
    return xr.DataArray(np.log(x))


def minimum(function: Function, low: float, high: float, arguments: Arguments) -> xr.DataArray:
    """The x in [low, high] with the least value of a function that falls and then rises.

    Parameters
    ----------
    function : callable (x, arguments) -> value
        Of arrays of one shape; infinite where x is impossible.
    low, high : float
        Either is the answer where no x between them is better.
    arguments : mapping
        Name to number or DataArray: what the function is called with beside x.
    """
    flat, arrays, named = _elementwise(function, arguments)
    grid = np.linspace(low, high, _CELLS + 1)
    best, least = np.zeros(arrays[0].shape, int), np.full(arrays[0].shape, np.inf)
    for i, x in enumerate(grid):
        value = flat(np.full(arrays[0].shape, x), *arrays)
        best, least = np.where(value < least, i, best), np.fmin(value, least)
    inner = best.clip(1, _CELLS - 1)
    bracket = (grid[inner - 1], grid[inner], grid[inner + 1])

    def finite(x: np.ndarray, *values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(flat(x, *values), nan=_HUGE, posinf=_HUGE)

    solution = elementwise.find_minimum(finite, bracket, args=tuple(arrays))
    return named(np.where(best == inner, solution.x, grid[best]))


def root(function: Function, low: float, high: float, arguments: Arguments) -> xr.DataArray:
    """The x in [low, high] where a function crosses zero, NaN where it does not.

    Parameters as for `minimum`.
    """
    flat, arrays, named = _elementwise(function, arguments)
    ends = tuple(np.full(arrays[0].shape, end) for end in (low, high))
    solution = elementwise.find_root(flat, ends, args=tuple(arrays))
    return named(np.where(solution.success, solution.x, np.nan))


def _elementwise(
    function: Function, arguments: Arguments
) -> tuple[Callable[..., np.ndarray], list[np.ndarray], Callable[[np.ndarray], xr.DataArray]]:
    """The function of arrays of one dim, those arrays, and the way back to named dims."""
    names = list(arguments)
    alike = xr.broadcast(*(xr.DataArray(value) for value in arguments.values()))

    def flat(x: np.ndarray, *values: np.ndarray) -> np.ndarray:
        return np.asarray(function(x, dict(zip(names, values, strict=True))))

    def named(x: np.ndarray) -> xr.DataArray:
        return alike[0].copy(data=x.reshape(alike[0].shape)).rename(None)

    return flat, [array.to_numpy().astype(float).ravel() for array in alike], named
