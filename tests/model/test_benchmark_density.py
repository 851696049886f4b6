"""The density of benchmark scores: PyMC's model and the compiled function are the same."""

import ctypes

import numpy as np
import pytest
import xarray as xr
from known_scores import DESIGNS, score_table

from bayescale import Runs
from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design, as_x, design
from bayescale.model.benchmarks.graph import build
from bayescale.runs.benchmarks.scores import Scores
from bayescale.sampling.benchmarks import ScoreDensity

_PLACE = ctypes.c_void_p
SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, _PLACE, _PLACE, _PLACE, _PLACE)


def evaluated(density: ScoreDensity, x: np.ndarray) -> tuple[float, np.ndarray]:
    value, gradient = np.empty(1), np.empty_like(x)
    arrays = (x, gradient, value, density.table)
    SIGNATURE(density.native.address)(len(x), *(a.ctypes.data for a in arrays))
    return float(value[0]), gradient


def at_chance() -> Design:
    """As `latent`, and on one benchmark every model is at chance."""
    table = score_table(0, families=5, each=4)
    table["mmlu"] = 0.251
    return design(Scores.of(Runs.from_frame(table, blank_counts=True)), "latent")


ALL = {**DESIGNS, "at chance": at_chance()}
QUICK = ("latent", "measured own")


@pytest.mark.long
@pytest.mark.parametrize("name", ALL)
def test_the_compiled_density_is_that_of_pymcs_model(name: str) -> None:
    designed = ALL[name]
    density, model = ScoreDensity(designed), build(designed)
    logp = model.compile_logp(jacobian=False)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(3):
        x = rng.normal(0, 0.5, density.count)
        named = xr.Dataset(density.values(x[None, None])).isel(chain=0, draw=0)
        point = {n: named[n].transpose(*model.named_vars_to_dims.get(n, ())).values for n in named}
        differences.append(float(logp(point)) - evaluated(density, x)[0])
    assert np.ptp(differences) < 1e-8  # a constant apart


@pytest.mark.long
def test_the_gradient_is_that_of_the_density() -> None:
    density = ScoreDensity(DESIGNS["latent"])
    x = np.random.default_rng(1).normal(0, 0.5, density.count)
    gradient = evaluated(density, x)[1]
    for i in range(0, density.count, 7):
        step = np.zeros_like(x)
        step[i] = 1e-5
        slope = (evaluated(density, x + step)[0] - evaluated(density, x - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, abs=1e-3)


def blocks(designed: Design, x: np.ndarray) -> dict[str, xr.DataArray]:
    """The blocks of a vector."""
    found, start = {}, 0
    for name, dims in designed.blocks.items():
        shape = [designed.data.sizes[dim] for dim in dims]
        stop = start + int(np.prod(shape))
        found[name] = xr.DataArray(x[start:stop].reshape(shape), dims=dims)
        start = stop
    return found


def flat(designed: Design, z: dict[str, xr.DataArray]) -> np.ndarray:
    return np.concatenate([z[n].transpose(*d).values.ravel() for n, d in designed.blocks.items()])


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in ALL],
)
def test_where_it_is_sampled_leaves_the_distribution_as_it_is(name: str) -> None:
    """The change of the density is the logarithm of the determinant of what was moved."""
    designed = ALL[name]
    arrays = as_x(designed.data)
    count = sum(
        int(np.prod([designed.data.sizes[d] for d in dims])) for dims in designed.blocks.values()
    )
    x = np.random.default_rng(0).normal(0, 0.5, count)

    def moved(at: np.ndarray) -> np.ndarray:
        return flat(designed, formulas.standardised(blocks(designed, at), arrays, np)[0])

    step = 1e-6 * np.eye(count)
    slopes = np.array([(moved(x + each) - moved(x - each)) / 2e-6 for each in step])
    change = sum(float(c.sum()) for c in formulas.standardised(blocks(designed, x), arrays, np)[1])
    prior = 0.5 * (x @ x - moved(x) @ moved(x))
    assert change - prior == pytest.approx(np.linalg.slogdet(slopes)[1], abs=1e-3)
