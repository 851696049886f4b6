import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy.stats import ks_2samp

from bayescale import Runs, Spec
from bayescale.base import bundled
from bayescale.base.errors import BayescaleError, SpecError
from bayescale.model import priors
from bayescale.model.design import design
from bayescale.model.spec import DISTRIBUTIONS, Prior

TEXT = bundled.specs()["chinchilla"].read_text("utf-8")


@pytest.mark.parametrize("name", bundled.specs())
def test_shipped_specs_survive_being_written(name: str) -> None:
    spec = Spec.load(name)
    assert spec.name == name
    assert Spec.parse(spec.to_toml()) == spec


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('law = "chinchilla"', 'law = "chinchila"', "law 'chinchila' is unknown; use one of"),
        ('law = "chinchilla"', "", "law: Field required"),
        ('response = "bpc"', 'response = "bcp"', "response: Input should be 'bpc', 'bpb' or"),
        ('params = "active"', 'params = "some"', "params: "),
        ('on = "log"', 'on = "logg"', "noise.on"),
        ('dist = "StudentT"', 'dist = "Cauchy"', "noise.dist"),
        ("alpha = { dist", "alfa = { dist", "no prior for alpha|prior for 'alfa'"),
        ("alpha = { dist", "gamma = { dist", "no prior for alpha|prior for 'gamma'"),
        ('alpha = { dist = "LogNormal"', 'alpha = { dist = "Normal"', "alpha is positive"),
        ('reducible = { dist = "Beta"', 'reducible = { dist = "Gamma"', "reducible is unit"),
        ('dist = "Beta", alpha = 2.0', 'dist = "Beta", a = 2.0', "Beta takes alpha, beta, not"),
        ("sigma = 1.5 }", "sigma = -1.5 }", "must be above 0"),
        ("sigma = 1.5 }", 'sigma = "wide" }', "is not a number"),
        ("[effects.family]", "[effects.familly]", "effects.familly"),
        ('level = { dist = "LogNormal", mu = -4', 'lvl = { dist = "LogNormal", mu = -4', "'lvl'"),
        ('dist = "LogNormal", mu = -4.0', 'dist = "Normal", mu = -4.0', "sd is positive"),
        ('name = "chinchilla"', 'name = "a b/c"', "name: "),
        ('title = "', 'tilte = "', "tilte: Extra inputs are not permitted"),
        ("[priors]", "[priors", "not TOML"),
        ("sigma = 1.5 }", 'sigma = 1.5, by = "corpus" }', "needs corpora"),
    ],
)  # fmt: skip
def test_what_a_spec_must_not_say(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(SpecError, match=said) as caught:
        Spec.parse(TEXT.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_noise_on_the_log_needs_a_positive_law() -> None:
    text = bundled.specs()["compute-only"].read_text("utf-8")
    with pytest.raises(SpecError, match="can cross zero"):
        Spec.parse(text.replace('on = "response"', 'on = "log"'))


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(BayescaleError, match="did you mean chinchilla"):
        Spec.load("chinchila")


def test_another_response_and_no_groups() -> None:
    spec = Spec.load("chinchilla").replace(response="loss", groups=False)
    assert (spec.response, spec.groups) == ("loss", ())
    with pytest.raises(SpecError, match="response"):
        spec.replace(response="accuracy")


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_of_a_prior_are_spread_as_pymcs(name: str) -> None:
    given = dict(zip(DISTRIBUTIONS[name][0], (0.7, 1.8, 0.6), strict=False))
    spec = Spec.load("kaplan").replace(groups=False)
    spec = spec.model_copy(update={"priors": {"level": Prior(dist=name, **given)}})
    runs = Runs.read("open-llm-bpc")
    ours = priors.draws(spec, design(spec, runs), 20_000, seed=1)["level"].to_numpy().ravel()
    theirs = pm.draw(getattr(pm, name).dist(**given), 20_000, random_seed=2)
    assert ks_2samp(ours, theirs).statistic < 0.02  # exceeded once in 700 times by chance


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_density_of_a_prior_is_pymcs(name: str) -> None:
    given = dict(zip(DISTRIBUTIONS[name][0], (0.7, 1.8, 0.6), strict=False))
    values = np.array([-0.4, 0.01, 0.3, 0.9, 2.5, 40.0])
    theirs = pm.logp(getattr(pm, name).dist(**given), values).eval(mode="FAST_COMPILE")
    ours = priors.log_density(Prior(dist=name, **given), xr.DataArray(values, dims="draw"))
    assert ours.to_numpy() == pytest.approx(theirs, rel=1e-8)
