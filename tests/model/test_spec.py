import dataclasses

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from bayescale import Runs, ScalingModel, Settings, Spec
from bayescale.base import bundled
from bayescale.base.errors import BayescaleError, SpecError
from bayescale.model import priors
from bayescale.model.design import design
from bayescale.model.parts import DISTRIBUTIONS, Prior

TEXT = bundled.specs()["chinchilla"].read_text("utf-8")


@pytest.mark.parametrize("name", bundled.specs())
def test_shipped_specs_survive_being_written(name: str) -> None:
    spec = Spec.load(name)
    assert spec.name == name
    assert Spec.parse(spec.to_toml()) == spec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('law = "chinchilla"', 'law = "chinchila"', "law 'chinchila' is unknown; use one of"),
        ('law = "chinchilla"', "", "law: Field required"),
        ('response = "bpc"', 'response = "bcp"', "response: no response is called 'bcp'"),
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
        ("[effects.family]", "[effects.familly]", "effects.familly: no group is called 'familly'"),
        ('level = { dist = "LogNormal", mu = -4', 'lvl = { dist = "LogNormal", mu = -4', "'lvl'"),
        ('dist = "LogNormal", mu = -4.0', 'dist = "Normal", mu = -4.0', "sd is positive"),
        ('name = "chinchilla"', 'name = "a b/c"', "name: "),
        ('title = "', 'tilte = "', "tilte: Extra inputs are not permitted"),
        ("[priors]", "[priors", "not TOML"),
        ("sigma = 1.5 }", 'sigma = 1.5, by = "corpus" }', "prior of level by = .* needs corpora"),
        ("sigma = 1.5 }", "sigma = 1e-300 }", "priors.level: LogNormal sigma=1e-300 must lie from"),
        ("sigma = 1.5 }", "sigma = 1e999 }", "priors.level.sigma=inf: write a finite number"),
        ("sigma = 1.5 }", "sigma = nan }", "priors.level.sigma=nan: write a finite number"),
        ("sigma = 1.5 }", f"sigma = {'9' * 400} }}", "priors.level.sigma: an integer beyond 64"),
        ("sigma = 1.5 }", f"sigma = {'9' * 5000} }}", "not TOML: Exceeds the limit"),
        ("mu = 0.0", "mu = 1e308", r"LogNormal mu=1e\+308 must lie from -50 to 50"),
        ("alpha = 2.0", "alpha = 1e9", r"Beta alpha=1e\+09 must lie from 1e-06 to 1e\+06"),
        ("[noise]", "[noise]\nfloor = 1e9", "noise.floor: Input should be less than"),
        ('title = "', 'title = "\\u001b[31m', r"title: holds a control character \(U\+001B\)"),
        ('name = "chinchilla"', f'name = "{"a" * 200}"', "name: "),
        ("[noise]", f"x = {'[' * 50_000}", "brackets nest too deeply"),
    ],
)  # fmt: skip
def test_what_a_spec_must_not_say(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(SpecError, match=message) as caught:
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
        spec.replace(response="accurracy")


def test_some_priors_are_replaced_and_the_others_kept() -> None:
    spec = Spec.load("chinchilla")
    narrow = {"dist": "LogNormal", "mu": -1.0, "sigma": 0.1}
    changed = spec.replace(priors={"alpha": narrow}, name="mine", params="total")
    assert changed.priors["alpha"].arguments == {"mu": -1.0, "sigma": 0.1}
    assert changed.priors["beta"] == spec.priors["beta"]
    assert (changed.name, changed.params) == ("mine", "total")
    assert changed.replace(priors={"alpha": spec.priors["alpha"]}).priors == spec.priors
    for wrong, message in [
        ({"priors": {"alfa": narrow}}, "prior for 'alfa', which is no parameter; there are level"),
        ({"priors": {"alpha": {**narrow, "sigma": 0.0}}}, r"priors\.alpha: LogNormal sigma=0 must"),
        ({"priors": {"alpha": {**narrow, "sigma": 10**400}}}, "sigma=huge must lie from"),
        ({"responce": "loss"}, "responce: Extra inputs are not permitted"),
    ]:
        with pytest.raises(SpecError, match=message):
            spec.replace(**wrong)


def test_a_law_of_ones_own_survives_a_replacement() -> None:
    law = dataclasses.replace(Spec.load("chinchilla").law, name="mine")
    assert Spec.load("chinchilla").replace(law=law).replace(response="loss").law is law


def test_the_only_response_of_the_runs_is_taken_and_said() -> None:
    spec = Spec.load("chinchilla")
    table = pd.DataFrame({"params": [7e9], "tokens": [2e12], "loss": [2.1]})
    chosen, notes = spec.for_runs(Runs.from_frame(table, name="mine.csv"))
    assert chosen == spec.replace(response="loss")
    assert [note.code for note in notes] == ["only-response"]
    assert "mine.csv has no bpc" in notes[0].text
    for other in (table.assign(bpc=0.5), table.assign(bpb=0.7), table.drop(columns="loss")):
        assert spec.for_runs(Runs.from_frame(other)) == (spec, [])


ARGUMENTS = st.one_of(
    *(st.floats(), st.integers(), st.booleans(), st.text(max_size=3)),
    st.sampled_from([10**400, 1e-300, float("nan"), float("inf"), [1.0], {"a": 1.0}, None]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*DISTRIBUTIONS, "Cauchy"]),
    st.dictionaries(
        st.sampled_from(["mu", "sigma", "nu", "alpha", "beta", "lam", "by", "\x1b"]), ARGUMENTS
    ),
)
def test_any_prior_has_finite_quantiles_or_is_refused_on_one_line(name: str, arguments) -> None:
    message = "a prior"
    try:
        spec = Spec.load("kaplan").replace(priors={"level": {"dist": name, **arguments}})
        assert np.isfinite(priors.quantile(spec.priors["level"], [0.5])).all()
    except SpecError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    assert "\x1b" not in message


@pytest.mark.slow
def test_a_prior_far_from_the_runs_is_refused_on_one_line() -> None:
    far = {"alpha": {"dist": "LogNormal", "mu": 50.0, "sigma": 1.0}}
    spec = Spec.load("chinchilla").replace(groups=False, priors=far)
    runs = Runs.read("open-llm-bpc").keep("tokens == tokens")
    with pytest.raises(BayescaleError, match="no starting point has a finite density") as caught:
        ScalingModel(spec).fit(runs, Settings(draws=100, tune=100, chains=2), show_progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_of_a_prior_are_spread_as_pymcs(name: str) -> None:
    arguments = dict(zip(DISTRIBUTIONS[name][0], (0.7, 1.8, 0.6), strict=False))
    spec = Spec.load("kaplan").replace(groups=False)
    spec = spec.model_copy(update={"priors": {"level": Prior(dist=name, **arguments)}})
    runs = Runs.read("open-llm-bpc")
    ours = priors.draws(spec, design(spec, runs), 20_000, seed=1)["level"].to_numpy().ravel()
    theirs = pm.draw(getattr(pm, name).dist(**arguments), 20_000, random_seed=2)
    assert ks_2samp(ours, theirs).statistic < 0.02  # exceeded once in 700 times by chance


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_density_of_a_prior_is_pymcs(name: str) -> None:
    arguments = dict(zip(DISTRIBUTIONS[name][0], (0.7, 1.8, 0.6), strict=False))
    values = np.array([-0.4, 0.01, 0.3, 0.9, 2.5, 40.0])
    theirs = pm.logp(getattr(pm, name).dist(**arguments), values).eval(mode="FAST_COMPILE")
    ours = priors.log_density(Prior(dist=name, **arguments), xr.DataArray(values, dims="draw"))
    assert ours.to_numpy() == pytest.approx(theirs, rel=1e-8)


def test_learnt_priors_are_taken_unless_the_spec_states_its_own() -> None:
    text = bundled.specs()["forecast"].read_text("utf-8")
    learnt = bundled.learnt_priors()["ladders"]
    spec = Spec.parse(text)
    assert {name: prior.arguments["mu"] for name, prior in spec.priors.items()} == {
        name: prior["mu"] for name, prior in learnt["priors"].items()
    }
    own = '[priors]\nalpha = { dist = "LogNormal", mu = -2.0, sigma = 0.1 }\n'
    assert Spec.parse(text + own).priors["alpha"].arguments["mu"] == -2.0
    assert Spec.parse(text + own).priors["beta"] == spec.priors["beta"]
    # A fit's folder holds the priors themselves, whatever is learnt later.
    assert "params_ratio" in spec.to_toml()


def test_learnt_priors_that_there_are_not() -> None:
    text = bundled.specs()["forecast"].read_text("utf-8")
    with pytest.raises(SpecError, match="priors_from 'lader': there is no such set; use ladders"):
        Spec.parse(text.replace('"ladders"', '"lader"'))
    with pytest.raises(SpecError, match="no prior for reducible"):
        Spec.parse(text.replace('"joint-power"', '"chinchilla"'))
