"""Through JAX a spec has the same posterior; without it, one line says what is missing."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import arviz_stats
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from test_recovery import TRUTH, ladder, simulate

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from bayescale import (
    BayescaleError,
    Fit,
    Runs,
    Settings,
    Spec,
    bundled,
    discrepancy_ops,
    tangent_ops,
)
from bayescale.design import design
from bayescale.discrepancy import PARAMETERS
from bayescale.discrepancy_ops import weighed
from bayescale.inference import Sampler
from bayescale.tangent_ops import placed

JAX = Settings(draws=150, tune=200, target_accept=0.95, backend="jax")
FORECAST = Settings(draws=150, tune=150, chains=2, target_accept=0.9)

needs_jax = pytest.mark.skipif(
    find_spec("jax") is None, reason="JAX is not installed: pip install 'bayescale[jax]'"
)


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(BayescaleError, match="backend='torch': use numba or jax"):
        Settings(backend="torch")
    with pytest.raises(BayescaleError, match="backend jax needs nutpie"):
        Settings(backend="jax", sampler="pymc")


# Where JAX is installed, it is hidden from the import system, as if it were not.
WITHOUT = """
import sys
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name.partition(".")[0] in ("jax", "jaxlib") else find(name, path, target)
)
from bayescale.cli import main

sys.argv = ["bayescale", "fit", "compute-only", "--backend", "jax", "--json"]
main()
"""


def test_without_jax_one_line_says_how_to_install_it(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "jax is not installed" in ended.stderr
    assert "pip install 'bayescale[jax]'" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_who_does_not_ask_for_jax_keeps_its_precision() -> None:
    """And PyTensor, which would change it, has not been told to translate."""
    script = "import sys, bayescale.inference, bayescale.model; sys.exit(MODULE in sys.modules)"
    module = "'pytensor.link.jax.dispatch'"
    subprocess.run([sys.executable, "-c", script.replace("MODULE", module)], check=True)


@needs_jax
def test_the_discrepancys_weights_have_numbas_values_and_slopes() -> None:
    import jax

    rng = np.random.default_rng(0)
    discrepancy_ops.register_with_jax()
    few, many = 5, 9
    flat = pt.vector(shape=(9 + 3 * few + 3 * many + many + few,))
    theta = {name: flat[i] for i, name in enumerate(PARAMETERS)}
    places, at = [], 9
    for count in (few, many):
        places.append({axis: flat[at + i * count : at + (i + 1) * count]
                       for i, axis in enumerate(("s", "r", "depth"))})  # fmt: skip
        at += 3 * count
    said = weighed(theta, stand_in=places[0], runs=places[1], residual=flat[at : at + many],
                   noise=flat[7], tails=flat[8], standard=flat[at + many :])  # fmt: skip
    pulls = [(said.weights, few), (said.missed, many), (said.own, many), (said.correction, ())]
    total = sum((one * rng.normal(size=size)).sum() for one, size in pulls)
    x = rng.lognormal(0, 0.5, size=flat.type.shape)
    x[9:at] *= 3 * rng.choice([-1, 1], size=at - 9)  # places apart
    ours = pytensor.function([flat], [total, pytensor.grad(total, flat)], mode="FAST_COMPILE")(x)
    function = pytensor.function([flat], [total], mode="JAX").vm.jit_fn
    theirs = jax.value_and_grad(lambda x: function(x)[0])(x)
    for got, expected in zip(theirs, ours, strict=True):
        assert got.dtype == np.float64
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * scale)


@needs_jax
def test_the_laws_parameters_have_numbas_values_and_slopes() -> None:
    import jax

    rng = np.random.default_rng(0)
    tangent_ops.register_with_jax()
    few, law = 5, 3
    flat = pt.vector(shape=(8 + few + law,))
    moved, volume = placed(
        {name: flat[i] for i, name in enumerate(PARAMETERS)},
        noise=flat[7], residual=flat[8 : 8 + few], standard=flat[8 + few :],
        stand_in={axis: pt.as_tensor(rng.normal(size=few)) for axis in ("s", "r", "depth")},
        runs=pt.as_tensor(1.0 + np.arange(few)), slope=pt.as_tensor(rng.normal(size=(few, law))),
    )  # fmt: skip
    total = (moved * rng.normal(size=law)).sum() + volume
    x = rng.lognormal(0, 0.5, size=flat.type.shape)
    ours = pytensor.function([flat], [total, pytensor.grad(total, flat)], mode="FAST_COMPILE")(x)
    function = pytensor.function([flat], [total], mode="JAX").vm.jit_fn
    theirs = jax.value_and_grad(lambda x: function(x)[0])(x)
    for got, expected in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


def runs_for(spec: Spec, table: Runs) -> Runs:
    """The bundled table, where it has what the spec needs."""
    if "unique_tokens" not in spec.law.inputs:
        return table
    truth = TRUTH[spec.name] | {"sigma": 0.005, "nu": 5.0}
    return simulate(spec.replace(response="bpc", groups=False), ladder(), truth, seed=3)


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in bundled.specs() if n != "forecast"])
def test_every_spec_has_its_density(name: str, table: Runs) -> None:
    """As PyTensor computes it step by step, which it cannot for what `forecast` fuses."""
    from backends import by_jax

    spec = Spec.load(name).replace(response="bpc")
    sampler = Sampler(spec, design(spec, runs_for(spec, table)))
    model = sampler.model
    point = {name: value + 0.1 for name, value in model.initial_point().items()}
    density, slopes = by_jax(sampler)(np.concatenate([np.ravel(x) for x in point.values()]))
    assert density == pytest.approx(float(model.compile_logp(mode="FAST_COMPILE")(point)), rel=1e-9)
    assert np.isfinite(slopes).all()


def assert_same_posterior(one: xr.Dataset, other: xr.Dataset) -> None:
    """Means and standard deviations within 4 Monte Carlo standard errors of their difference."""
    scalars = [name for name in one.data_vars if set(one[name].dims) == {"chain", "draw"}]
    assert scalars
    both = [draws[scalars] for draws in (one, other)]
    for of, function in (("mean", np.mean), ("sd", np.std)):
        errors = [arviz_stats.mcse(draws, method=of) for draws in both]
        for name in scalars:
            found = [float(function(draws[name].values)) for draws in both]
            error = np.hypot(*(float(each[name]) for each in errors))
            assert abs(found[0] - found[1]) < 4 * error, (name, of, found, error)


@needs_jax
@pytest.mark.slow
def test_groups_and_hidden_counts_have_numbas_posterior(fitted: Fit) -> None:
    spec = fitted.spec
    posterior, _ = Sampler(spec, design(spec, fitted.runs)).sample(JAX)
    assert_same_posterior(posterior, fitted.posterior)


@needs_jax
@pytest.mark.slow
def test_forecast_has_numbas_posterior() -> None:
    spec = Spec.load("forecast").replace(response="bpc")
    truth = TRUTH["chinchilla"] | {"sigma": 0.005, "nu": 5.0}
    law = Spec.load("chinchilla").replace(response="bpc", groups=False)
    sampler = Sampler(spec, design(spec, simulate(law, ladder(), truth, seed=3)))
    posterior, stats = sampler.sample(replace(FORECAST, backend="jax"))
    assert int(stats["diverging"].sum()) == 0
    assert_same_posterior(posterior, sampler.sample(FORECAST)[0])


@needs_jax
@pytest.mark.slow
def test_other_rows_and_the_same_seed(table: Runs) -> None:
    """Of fewer runs the same sampler has their posterior, and the same seed the same draws."""
    spec = Spec.load("separate-slopes").replace(groups=False)
    sampler = Sampler(spec, design(spec, table))
    data, short = sampler.design.data, replace(JAX, chains=2)
    kept = data.isel(run=np.flatnonzero(data["tokens_sd"].sum("hidden") == 0)[:15])
    few, again = (sampler.sample(short, data=kept)[0] for _ in range(2))
    xr.testing.assert_equal(few, again)
    numbas = replace(JAX, draws=1000, backend="numba")
    assert_same_posterior(few, sampler.sample(numbas, data=kept)[0])


@needs_jax
@pytest.mark.slow
def test_a_fit_from_the_command_line_is_saved_with_its_backend(run, tmp_path: Path) -> None:
    code, _, err = run("fit", "separate-slopes", "--no-groups", "--backend", "jax",
                         "--draws", 100, "--tune", 100, "--chains", 2, "--out", "fit")  # fmt: skip
    assert code in (0, 3), err
    assert Fit.load("fit").settings.backend == "jax"
    file = tmp_path / "fit" / "fit.json"
    said = json.loads(file.read_text())
    del said["settings"]["backend"]  # as in a fit from before there was a choice
    file.write_text(json.dumps(said))
    assert Fit.load("fit").settings.backend == "numba"
