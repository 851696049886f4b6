"""Student's t observation noise: single runs may lie far off."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.laws.base import Values
from bayescale.model.noise.base import ARRAYS, Noise

# A sum of a Normal and a Student's t has no closed density. Gauss-Hermite nodes over the Normal
# give it: off by less than .002 nats up to 20 scales out while its variance is at most the squared
# scale of the noise, and by .02 at twice that; FITC residual variances of runs are smaller.
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(11)
LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())


class StudentT(Noise):
    """Student's t with `nu` degrees of freedom: a Normal whose variance is inverse-Gamma."""

    name = "StudentT"
    parameters = ("sigma", "nu")
    kernel = "second_student_t"

    def formula(self, values: Values, error: Any, scale: Any, xp: Any) -> Any:
        z, nu = error / scale, values["nu"]
        return self.height(values, scale, xp) - (nu + 1) / 2 * xp.log1p(z * z / nu)

    def height(self, values: Values, scale: Any, xp: Any) -> Any:
        nu = values["nu"]
        ratio = xp.gammaln((nu + 1) / 2) - xp.gammaln(nu / 2)
        return ratio - 0.5 * xp.log(nu * np.pi) - xp.log(scale)

    def draws(self, values: Values, like: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
        nu = values["nu"].broadcast_like(like).transpose(*like.dims)
        return like.copy(data=rng.standard_t(nu.values))

    def log_density(self, values: Values, error: xr.DataArray, scale: Any) -> xr.DataArray:
        return xr.DataArray(self.formula(values, error, scale, ARRAYS))

    def log_density_around(
        self, values: Values, error: xr.DataArray, scale: Any, variance: Any
    ) -> xr.DataArray:
        node = xr.DataArray(NODES, dims="node")
        shifted = error - np.sqrt(variance) * node
        terms = self.log_density(values, shifted, scale) + xr.DataArray(LOG_WEIGHTS, dims="node")
        return xr.apply_ufunc(
            scipy.special.logsumexp, terms, input_core_dims=[["node"]], kwargs={"axis": -1}
        )

    def graph_log_density(self, values: Values, error: Any, scale: Any, variance: Any) -> Any:
        import pymc as pm  # noqa: PLC0415 - predictions do without
        import pytensor.tensor as pt  # noqa: PLC0415

        # Off 0, where the root has no slope.
        shifted = error[:, None] - pt.sqrt(variance + 1e-16)[:, None] * NODES
        noise = pm.StudentT.dist(nu=values["nu"], mu=0, sigma=scale)
        return pt.logsumexp(pm.logp(noise, shifted) + LOG_WEIGHTS, axis=1)

    def equivalent_variance(self, values: Values, scale: Any, prob: float) -> Any:
        end = (1 + prob) / 2
        wider = xr.apply_ufunc(scipy.stats.t.ppf, end, values["nu"])
        return (scale * wider / scipy.stats.norm.ppf(end)) ** 2

    def mixing(self, values: Values, like: xr.DataArray, rng: np.random.Generator) -> Any:
        half = (values["nu"] / 2).broadcast_like(like).transpose(*like.dims)
        return like.copy(data=half.to_numpy() / rng.gamma(half.to_numpy()))

    def degrees_of_freedom(self, values: Values) -> Any:
        return values["nu"]
