"""Normal observation noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayescale.laws.base import Values
from bayescale.model.noise.base import ARRAYS, Noise


class Normal(Noise):
    """Normal noise: a sum with a Normal is Normal, so every density is closed."""

    name = "Normal"
    parameters = ("sigma",)
    kernel = "second_normal"

    def formula(self, values: Values, error: Any, scale: Any, xp: Any) -> Any:
        z = error / scale
        return self.height(values, scale, xp) - xp.log(scale) - 0.5 * (z * z)

    def height(self, values: Values, scale: Any, xp: Any) -> Any:
        return -0.5 * np.log(2 * np.pi)

    def draws(self, values: Values, like: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
        return like.copy(data=rng.standard_normal(like.shape))

    def log_density(self, values: Values, error: xr.DataArray, scale: Any) -> xr.DataArray:
        return xr.DataArray(self.formula(values, error, scale, ARRAYS))

    def log_density_around(
        self, values: Values, error: xr.DataArray, scale: Any, variance: Any
    ) -> xr.DataArray:
        return self.log_density(values, error, (scale**2 + variance) ** 0.5)

    def graph_log_density(self, values: Values, error: Any, scale: Any, variance: Any) -> Any:
        import pymc as pm  # noqa: PLC0415 - predictions do without

        total = (scale**2 + variance) ** 0.5
        return pm.logp(pm.Normal.dist(mu=0, sigma=total), error)

    def equivalent_variance(self, values: Values, scale: Any, prob: float) -> Any:
        return scale**2

    def mixing(self, values: Values, like: xr.DataArray, rng: np.random.Generator) -> Any:
        return 1.0

    def degrees_of_freedom(self, values: Values) -> Any:
        return np.inf
