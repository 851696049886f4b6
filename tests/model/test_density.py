"""The compiled density is PyMC's, in coordinates of its own; its gradient is its own slope."""

from dataclasses import replace

import numpy as np
import pytest
from pytensor.compile.mode import Mode

from bayescale import Runs, Spec
from bayescale.base import bundled
from bayescale.base.errors import LawError
from bayescale.model.density import formulas
from bayescale.model.density.formulas import unconstrained
from bayescale.model.density.nodes import Recorder, data, param
from bayescale.model.design import design
from bayescale.model.discrepancy.process import (
    PREFIX,
    WEIGHTS,
    Parameters,
    coordinates,
    covariance,
)
from bayescale.model.priors import local_lengths, log_density
from bayescale.sampling.density import Density
from bayescale.sampling.sampler import Sampler
from bayescale.testing import ladder

LOGIT = {"on": "logit", "dist": "Normal"}
ACCURACY = {"response": "accuracy", "law_of": "odds", "noise": LOGIT, "bounds": (0.25, 1.0)}
# A discrepancy without compute, priors for each label, several corpora.
OTHER_INPUTS = ("experts", "parallel-streams", "data-mixture")
CASES = [
    *((name, {}) for name in bundled.specs() if Spec.load(name).law.centred),
    *((name, {}) for name in OTHER_INPUTS),
    ("compute-only", {"discrepancy": True}),  # groups, latent tokens, noise on the response
    ("kaplan", {"discrepancy": True, "noise": {"on": "response", "dist": "Normal"}}),
    ("data-constrained", {"discrepancy": True}),  # Normal noise on the log
    ("chinchilla", {"response": "error", "noise": LOGIT}),
    ("chinchilla", ACCURACY),
    ("chinchilla", ACCURACY | {"discrepancy": True, "groups": False}),
]


def of_any_inputs(spec: Spec) -> Runs:
    """Runs with every input, group and response of a spec."""
    rng = np.random.default_rng(5)
    table = ladder(2).table.sample(30, random_state=1).drop(columns="bpc")
    table["dataset"] = table["family"]
    for name, column in spec.inputs.items():
        if name not in table:
            middle, spread = column.middle, rng.uniform(-1, 1, len(table))
            table[name] = middle * np.exp(spread) if column.scale == "log" else 0.5 + 0.4 * spread
    for name in spec.columns:
        table[name] = rng.uniform(2.0, 3.0, len(table))
    return Runs.from_frame(table.reset_index(drop=True))


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def case(request: pytest.FixtureRequest, table: Runs) -> tuple[Sampler, Density]:
    name, changes = request.param[0], dict(request.param[1])
    spec, runs = Spec.load(name), table
    if not spec.law.centred:
        sampler = Sampler(spec, design(spec, of_any_inputs(spec)))
        return sampler, sampler.density(sampler.design.data)
    simulated = name == "data-constrained" or "response" in changes
    if simulated or not set(spec.columns) <= set(runs.table):
        runs = ladder(3)
        rng = np.random.default_rng(3)
        noise = np.exp(rng.normal(0, 0.02, len(runs)))
        compute = runs.table["params"] * runs.table["tokens"]
        bpc = compute**-0.03 * noise
        runs = Runs.from_frame(runs.table.assign(bpc=bpc, error=bpc, accuracy=1 - bpc))
        changes = {"response": "bpc", **changes}
    if "noise" in changes:
        priors = {name: prior for name, prior in spec.priors.items() if name != "nu"}
        whole = {**spec.model_dump(), "law": spec.law, "priors": priors}
        of_noise = {k: changes.pop(k) for k in ("noise", "response", "bounds") if k in changes}
        spec = Spec.model_validate({**whole, **of_noise})
    spec = spec.replace(**changes)
    sampler = Sampler(spec, design(spec, runs))
    return sampler, sampler.density(sampler.design.data)


def near_the_start(density: Density, number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    return [density.start(0) + 0.2 * rng.standard_normal(density.count) for _ in range(number)]


def test_the_gradient_is_the_slope(case: tuple[Sampler, Density]) -> None:
    _, density = case
    for x in near_the_start(density, 2):
        value, gradient = density(x)
        assert np.isfinite(value)
        steps = 1e-5 * np.eye(len(x))
        slopes = [(density(x + step)[0] - density(x - step)[0]) / 2e-5 for step in steps]
        assert gradient == pytest.approx(slopes, abs=1e-5 * max(1, np.abs(gradient).max()))


def test_the_density_is_pymcs(case: tuple[Sampler, Density]) -> None:
    sampler, density = case
    model, spec = sampler.model, sampler.spec
    theirs = model.compile_logp(mode=Mode("py", None))
    start = model.initial_point()
    law = {p.name: p.support for p in spec.law.parameters} if spec.follows_runs else {}

    def in_their_coordinates(x: np.ndarray) -> dict[str, np.ndarray]:
        """What PyMC samples, at our vector."""
        draws = density.posterior(x[None, None]).isel(chain=0, draw=0)
        supports = {name: prior.support for name, prior in spec.all_priors().items()}
        values = {name: unconstrained(supports[name], draws[name].values) for name in supports}
        for effect in spec.effect_list():
            runs = sampler.design.data[f"{effect.group}_runs"].values
            runs = runs[:, None] if effect.sd.by else runs
            weight = runs / (runs + 4)
            values[f"{effect.name}_z"] = draws[effect.name].values / (
                draws[effect.sd_name].values ** (1 - weight)
            )
        values |= {name: draws[name].values for name in ("tokens_z", WEIGHTS) if name in draws}
        point = {}
        for variable in model.value_vars:
            name = variable.name.removesuffix("_log__").removesuffix("_logodds__")
            point[variable.name] = np.reshape(values[name], np.shape(start[variable.name]))
        return point

    def whitened(points: np.ndarray) -> np.ndarray:
        """The law's parameters without bounds, and the weights; of several vectors (point, ...)."""
        draws = density.posterior(points[None]).isel(chain=0)
        parts = [unconstrained(law[name], draws[name].values) for name in law]
        parts += [draws[WEIGHTS].values] if WEIGHTS in draws else []
        return np.concatenate([part.reshape(len(points), -1) for part in parts], axis=1)

    gaps = []
    for x in near_the_start(density, 3):
        log_volume = 0.0
        if law:
            count = whitened(x[None]).shape[1]  # law_z and discrepancy_z are the end of the vector
            steps = 1e-5 * np.eye(len(x))[-count:]
            log_volume = np.linalg.slogdet((whitened(x + steps) - whitened(x - steps)) / 2e-5)[1]
        gaps.append(density(x)[0] - log_volume - float(theirs(in_their_coordinates(x))))
    assert np.ptp(gaps) < 1e-5


def test_with_normal_noise_the_density_is_that_of_a_dense_gaussian() -> None:
    whole = Spec.load("forecast").replace(response="bpc").model_dump()
    priors = {name: prior for name, prior in whole["priors"].items() if name != "nu"}
    noise = {"on": "log", "dist": "Normal", "floor": 0.0015}
    spec = Spec.model_validate({**whole, "priors": priors, "noise": noise})
    runs = Runs(ladder().table.sample(12, random_state=2).reset_index(drop=True), "twelve")
    arrays = design(spec, runs)
    density = Sampler(spec, arrays).density(arrays.data)
    rng = np.random.default_rng(0)
    data, law = arrays.data, [p.name for p in spec.law.parameters]
    at = coordinates(
        spec.axes, {n: data[n].values for n in spec.law.inputs}, float(data["frontier"]), np
    )
    inducing = data.sizes["inducing"]

    def law_at(points: np.ndarray) -> np.ndarray:
        draws = density.posterior(points[None]).isel(chain=0)
        supports = [p.support for p in spec.law.parameters]
        free = [unconstrained(s, draws[n].values) for n, s in zip(law, supports, strict=True)]
        return np.stack(free, axis=1)

    gaps = []
    for x in near_the_start(density, 4):
        x[-inducing:] = rng.standard_normal(inducing)
        draws = density.posterior(x[None, None])
        named = {name: draws[PREFIX + name].values[0, 0][None] for name in spec.discrepancy}
        theta = Parameters.named(spec.axes, named, local_lengths(spec))
        noise_variance = float(draws["sigma"][0, 0]) ** 2 + spec.noise.floor**2
        dense = covariance(theta, at, at, np) + np.eye(12) * noise_variance
        values = {name: float(draws[name][0, 0]) for name in law}
        mean = np.log(spec.law.mean(data, values, np).values)
        factor = np.linalg.cholesky(dense)  # scipy takes a smooth covariance for singular
        error = np.linalg.solve(factor, np.log(data["response"].values) - mean)
        expected = -error @ error / 2 - np.log(np.diag(factor)).sum() - 6 * np.log(2 * np.pi)
        expected -= (x[-inducing:] ** 2).sum() / 2
        for name, prior in spec.all_priors().items():
            value = draws[name].values[0, 0]
            expected += float(log_density(prior, draws[name])[0, 0])
            free = unconstrained(prior.support, value)
            expected += formulas.log_jacobian(prior.support, free, np)
        steps = 1e-5 * np.eye(len(x))[-inducing - len(law) : -inducing]
        slopes = (law_at(x + steps) - law_at(x - steps)) / 2e-5
        gaps.append(density(x)[0] - expected - np.linalg.slogdet(slopes)[1])
    assert np.ptp(gaps) < 1e-4


def test_an_equation_may_use_what_the_recorder_has() -> None:
    xp, x = Recorder(), param("x", ())
    assert xp.log(xp.exp(x)) is x
    assert (x + 0) is x
    assert (2 * x * 0).number == 0
    assert xp.exp(0.0) == 1
    values = data("height", ["family"]).isel({"family": data("family_index", ["run"])})
    assert values.dims == ("run",)
    with pytest.raises(Exception, match=r"cannot use xp\.sin; it can use exp"):
        xp.sin(x)


def numpys_own(x, theta, xp):
    return theta["level"] + theta["slope"] * np.tanh(x["params"] + x["tokens"])


def a_comparison(x, theta, xp):
    return theta["level"] + (theta["slope"] if theta["slope"] > 0 else 0) * x["params"]


@pytest.mark.parametrize("equation", [numpys_own, a_comparison])
def test_an_equation_that_cannot_be_compiled_is_one_line(equation, table: Runs) -> None:
    spec = Spec.load("compute-only").replace(groups=False)
    spec = spec.model_copy(update={"law": replace(spec.law, mean=equation)})
    sampler = Sampler(spec, design(spec, table))
    with pytest.raises(LawError, match=r"compute-linear: its equation cannot be compiled: .*xp"):
        sampler.density(sampler.design.data)


@pytest.mark.parametrize("support", ["real", "positive", "unit"])
def test_supports_go_there_and_back(support) -> None:
    value = np.array([0.1, 0.5, 0.9])
    free = unconstrained(support, value)
    assert formulas.constrained(support, free, np) == pytest.approx(value)
    slope = (formulas.constrained(support, free + 1e-6, np) - value) / 1e-6
    assert np.exp(formulas.log_jacobian(support, free, np)) == pytest.approx(slope, rel=1e-4)
