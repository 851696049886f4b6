"""Priors: densities and draws of the distributions that a spec may name, without PyMC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.seeds import random
from bayescale.model.discrepancy.axes import local_length
from bayescale.model.discrepancy.process import Parameters
from bayescale.model.parts import DISTRIBUTIONS, Prior
from bayescale.model.spec import Spec

if TYPE_CHECKING:
    from bayescale.model.design import Design


class _Half:
    """The absolute value of a distribution that is symmetric around 0."""

    def __init__(self, symmetric: Any) -> None:
        self._symmetric = symmetric

    def logpdf(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, -np.inf, np.log(2) + self._symmetric.logpdf(x))

    def ppf(self, share: Any) -> np.ndarray:
        return np.asarray(self._symmetric.ppf((1 + np.asarray(share)) / 2))

    def rvs(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.abs(self._symmetric.rvs(shape, rng))


# Arguments as PyMC has them, in the order of `DISTRIBUTIONS`; `tests/model/test_spec.py` holds each
# against PyMC's own.
_FORMS: dict[str, Callable[..., Any]] = {
    "Normal": lambda mu, sigma: scipy.stats.norm(mu, scale=sigma),
    "StudentT": lambda nu, mu, sigma: scipy.stats.t(nu, mu, scale=sigma),
    "LogNormal": lambda mu, sigma: scipy.stats.lognorm(sigma, scale=np.exp(mu)),
    "HalfNormal": lambda sigma: scipy.stats.halfnorm(scale=sigma),
    "HalfStudentT": lambda nu, sigma: _Half(scipy.stats.t(nu, scale=sigma)),
    "Exponential": lambda lam: scipy.stats.expon(scale=1 / lam),
    "Gamma": lambda alpha, beta: scipy.stats.gamma(alpha, scale=1 / beta),
    "InverseGamma": lambda alpha, beta: scipy.stats.invgamma(alpha, scale=beta),
    "Beta": lambda alpha, beta: scipy.stats.beta(alpha, b=beta),
}


def log_density(prior: Prior, values: xr.DataArray) -> xr.DataArray:
    """Log density of a prior at values, in the values' dims."""
    return values.copy(data=_form(prior).logpdf(values.to_numpy()))


def quantile(prior: Prior, share: Sequence[float]) -> np.ndarray:
    """Quantiles of a prior."""
    return np.asarray(_form(prior).ppf(share))


def typical(spec: Spec) -> Parameters:
    """The discrepancy's parameters in the middle of their priors."""
    middle = {name: quantile(prior, [0.5]) for name, prior in spec.discrepancy.items()}
    return Parameters.named(spec.axes, middle, local_lengths(spec))


def local_lengths(spec: Spec) -> list[float]:
    """Lengths of the discrepancy's local process, along each axis."""
    return [
        local_length(axis, float(quantile(spec.discrepancy[f"length_{axis.name}"], [0.5])[0]))
        for axis in spec.axes
    ]


def draws(spec: Spec, design: Design, number: int, seed: int) -> xr.Dataset:
    """Draws from the prior of everything that a posterior of these runs holds, as one chain.

    Returns
    -------
    Dataset
        (chain, draw, ...): parameters of the law, the noise and the discrepancy, standard
        deviations between groups and effects of the groups, and standardised latent counts as
        `tokens_z`.
    """
    sizes = {**design.data.sizes, "chain": 1, "draw": number}

    def drawn(name: str, prior: Prior, *inner: str | None) -> xr.Variable:
        dims = ["chain", "draw", *filter(None, inner)]
        shape = tuple(sizes[dim] for dim in dims)
        return xr.Variable(dims, drawn_from(prior, shape, random(seed, "prior", name)))

    standard = Prior.model_validate({"dist": "Normal", "mu": 0.0, "sigma": 1.0})
    values = {name: drawn(name, prior, prior.by) for name, prior in spec.all_priors().items()}
    for effect in spec.effect_list():
        standardised = drawn(effect.name, standard, effect.group, effect.sd.by)
        values[effect.name] = standardised * values[effect.sd_name]
    if sizes["latent"]:
        values["tokens_z"] = drawn("tokens_z", standard, "latent")
    dims = {str(dim) for value in values.values() for dim in value.dims}
    labels = {dim: names for dim, names in design.coords.items() if dim in dims}
    return xr.Dataset(values, {"chain": [0], "draw": np.arange(number), **labels})


def drawn_from(prior: Prior, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws from one prior."""
    return np.asarray(_form(prior).rvs(shape, rng))


def _form(prior: Prior) -> Any:
    arguments = [prior.arguments[name] for name in DISTRIBUTIONS[prior.dist][0]]
    return _FORMS[prior.dist](*arguments)
