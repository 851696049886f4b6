"""What a distribution of observation noise is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.laws.base import Values


def _gammaln(x: Any) -> Any:
    return scipy.special.gammaln(x)


# What a formula takes of a module, for arrays.
ARRAYS = SimpleNamespace(log=np.log, log1p=np.log1p, gammaln=_gammaln)


class Noise(ABC):
    """A symmetric distribution around 0 whose scale is `sigma`.

    Errors and scales are on the scale that a spec puts its noise on: the response, or its
    logarithm. Parameters of the distribution come as `values`, draws by name.

    Attributes
    ----------
    name : str
        As specs and PyMC name it.
    parameters : tuple of str
        Each has a prior in a spec; all are positive.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]
    # Of `bayescale.model.density.kernels`: what the density of a model discrepancy calls.
    kernel: ClassVar[str]

    @abstractmethod
    def formula(self, values: Values, error: Any, scale: Any, xp: Any) -> Any:
        """Log density of errors, for any module's functions; scalars in `values`."""

    @abstractmethod
    def height(self, values: Values, scale: Any, xp: Any) -> Any:
        """What `density.noise` leaves out of each run's log density."""

    @abstractmethod
    def draws(self, values: Values, like: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
        """Draws of noise of scale 1, in the shape of `like`."""

    @abstractmethod
    def log_density(self, values: Values, error: xr.DataArray, scale: Any) -> xr.DataArray:
        """Log density of errors, in nats; `scale` broadcasts against them."""

    @abstractmethod
    def log_density_around(
        self, values: Values, error: xr.DataArray, scale: Any, variance: Any
    ) -> xr.DataArray:
        """Log density of noise plus an independent Normal of this variance, in nats."""

    @abstractmethod
    def graph_log_density(self, values: Values, error: Any, scale: Any, variance: Any) -> Any:
        """`log_density_around` as a PyTensor graph: vectors (run), scalars in `values`."""

    @abstractmethod
    def equivalent_variance(self, values: Values, scale: Any, prob: float) -> Any:
        """Variance of the Normal whose central interval of `prob` is as wide."""

    @abstractmethod
    def mixing(self, values: Values, like: xr.DataArray, rng: np.random.Generator) -> Any:
        """Factors on the squared scale with which a Normal of random variance is this noise."""

    @abstractmethod
    def degrees_of_freedom(self, values: Values) -> Any:
        """Of the Student's t that it is; infinite for a Normal."""
