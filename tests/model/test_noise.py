"""Observation noise around a FITC residual: one density, in the sampler and in predictions."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats
from scipy.integrate import quad

from bayescale.model.noise import NOISES

ERRORS = np.array([0.0, 0.5, 2.0, 6.0, 15.0])


def convolved(error: float, variance: float, nu: float) -> float:
    """Log density of Student's t of scale 1 plus a Normal, by quadrature."""
    deviation = np.sqrt(variance)

    def density(u: float) -> float:
        return float(stats.t.pdf(error - deviation * u, nu) * stats.norm.pdf(u))

    middle = float(np.clip(error / deviation, -9, 9))
    return float(np.log(quad(density, -9, 9, points=[0.0, middle], limit=500)[0]))


@pytest.mark.parametrize("variance", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("nu", [2.5, 8.0])
def test_students_t_around_a_normal_is_their_sum(variance: float, nu: float) -> None:
    """Adding the variance to the scale of the t would put outliers off by nats."""
    noise, values = NOISES["StudentT"], {"nu": xr.DataArray(nu)}
    error = xr.DataArray(ERRORS, dims="run")
    density = noise.log_density_around(values, error, 1.0, xr.DataArray(variance))
    exact = np.array([convolved(value, variance, nu) for value in ERRORS])
    np.testing.assert_allclose(density, exact, atol=0.03)
    naive = stats.t.logpdf(ERRORS, nu, scale=np.sqrt(1 + variance))
    assert np.abs(naive - exact).max() > 0.1


@pytest.mark.parametrize("name", NOISES)
def test_the_samplers_density_is_that_of_predictions(name: str) -> None:
    noise = NOISES[name]
    variance = np.full(len(ERRORS), 0.4)
    values = {"nu": xr.DataArray(4.0)}
    ours = noise.log_density_around(
        values, xr.DataArray(ERRORS, dims="run"), 0.7, xr.DataArray(variance, dims="run")
    )
    graph = noise.graph_log_density(
        {"nu": pt.constant(4.0)}, pt.constant(ERRORS), pt.constant(0.7), pt.constant(variance)
    )
    theirs = pytensor.function([], graph, mode="FAST_COMPILE")()
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)


@pytest.mark.parametrize("name", NOISES)
def test_a_normal_of_random_variance_is_the_noise(name: str) -> None:
    noise, rng = NOISES[name], np.random.default_rng(0)
    like = xr.DataArray(np.zeros((1, 200_000)), dims=("chain", "draw"))
    values = {"nu": xr.full_like(like, 5.0)}
    mixed = rng.standard_normal(like.shape) * np.sqrt(noise.mixing(values, like, rng))
    direct = noise.draws(values, like, rng)
    for share in (0.6, 0.9, 0.99):
        pair = np.quantile(mixed, share), np.quantile(direct, share)
        assert pair[0] == pytest.approx(pair[1], rel=0.03)
