"""R-hat and effective draws of many quantities are those of ArviZ."""

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from bayescale.sampling.diagnostics import diagnostics


def chains(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draws (chain, draw) of a kind."""
    noise = rng.standard_normal(shape)
    if kind == "slow":
        for i in range(1, shape[1]):
            noise[:, i] += 0.95 * noise[:, i - 1]
    if kind == "alternating":
        for i in range(1, shape[1]):
            noise[:, i] -= 0.7 * noise[:, i - 1]
    if kind == "apart":
        noise += np.arange(shape[0])[:, None]
    if kind == "heavy":
        noise = noise / rng.random(shape)
    if kind == "ties":
        noise = noise.round()
    if kind == "constant":
        noise[:] = 1.5
    if kind == "stuck":
        noise[:] = np.arange(shape[0])[:, None]
    if kind == "no number":
        noise[0, 3] = np.nan
    if kind == "infinite":
        noise[1, 5] = np.inf
    return noise


KINDS = (
    *("good", "slow", "alternating", "apart", "heavy", "ties"),
    *("constant", "stuck", "no number", "infinite"),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(4, 1000), (2, 251), (4, 200), (3, 12)])
def test_they_are_those_of_arviz(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    draws = np.array([chains(kind, shape, rng) for kind in KINDS for _ in range(9)])
    found = diagnostics(draws)
    theirs = xr.DataArray(draws, dims=("quantity", "chain", "draw"))
    expected = {
        "r_hat": arviz_stats.rhat(theirs),
        "ess_bulk": arviz_stats.ess(theirs, method="bulk"),
        "ess_tail": arviz_stats.ess(theirs, method="tail"),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-9, err_msg=name)
