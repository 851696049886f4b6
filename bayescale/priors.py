"""Priors: the densities of the distributions that a spec may name, without PyMC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from bayescale.spec import Prior

# As PyMC parametrises them; `tests/test_spec.py` holds each against PyMC's own.
_LOG_DENSITY: dict[str, Callable[..., Any]] = {
    "Normal": lambda x, mu, sigma: stats.norm.logpdf(x, mu, sigma),
    "StudentT": lambda x, nu, mu, sigma: stats.t.logpdf(x, nu, mu, sigma),
    "LogNormal": lambda x, mu, sigma: stats.lognorm.logpdf(x, sigma, scale=np.exp(mu)),
    "HalfNormal": lambda x, sigma: stats.halfnorm.logpdf(x, scale=sigma),
    "HalfStudentT": lambda x, nu, sigma: np.where(
        x < 0, -np.inf, np.log(2) + stats.t.logpdf(x, nu, scale=sigma)
    ),
    "Exponential": lambda x, lam: stats.expon.logpdf(x, scale=1 / lam),
    "Gamma": lambda x, alpha, beta: stats.gamma.logpdf(x, alpha, scale=1 / beta),
    "InverseGamma": lambda x, alpha, beta: stats.invgamma.logpdf(x, alpha, scale=beta),
    "Beta": lambda x, alpha, beta: stats.beta.logpdf(x, alpha, beta),
}


def log_density(prior: Prior, values: xr.DataArray) -> xr.DataArray:
    """Log density of a prior at values, in the values' dims."""
    return values.copy(data=_LOG_DENSITY[prior.dist](values.to_numpy(), **prior.arguments))
