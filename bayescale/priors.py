"""Priors: the densities of the distributions that a spec may name, without PyMC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from bayescale.spec import DISTRIBUTIONS, Prior

# Arguments as PyMC has them, in the order of `DISTRIBUTIONS`; `tests/test_spec.py` holds each
# against PyMC's own density.
_LOG_DENSITY: dict[str, Callable[..., Any]] = {
    "Normal": stats.norm.logpdf,
    "StudentT": stats.t.logpdf,
    "LogNormal": lambda x, mu, sigma: stats.lognorm.logpdf(x, sigma, scale=np.exp(mu)),
    "HalfNormal": lambda x, sigma: stats.halfnorm.logpdf(x, scale=sigma),
    "HalfStudentT": lambda x, nu, sigma: np.where(
        x < 0, -np.inf, np.log(2) + stats.t.logpdf(x, nu, scale=sigma)
    ),
    "Exponential": lambda x, lam: stats.expon.logpdf(x, scale=1 / lam),
    "Gamma": lambda x, alpha, beta: stats.gamma.logpdf(x, alpha, scale=1 / beta),
    "InverseGamma": lambda x, alpha, beta: stats.invgamma.logpdf(x, alpha, scale=beta),
    "Beta": stats.beta.logpdf,
}


def log_density(prior: Prior, values: xr.DataArray) -> xr.DataArray:
    """Log density of a prior at values, in the values' dims."""
    given = [prior.arguments[name] for name in DISTRIBUTIONS[prior.dist][0]]
    return values.copy(data=_LOG_DENSITY[prior.dist](values.to_numpy(), *given))
