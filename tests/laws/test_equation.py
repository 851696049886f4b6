"""A law that a spec writes as an equation: what it says, and how it is refused."""

import numpy as np
import pytest

from bayescale import BayescaleError, Spec
from bayescale.laws.chinchilla import LAW as CHINCHILLA

TEXT = """
name = "mine"
title = "A law of my own"
response = "loss"
params = "total"
noise = { on = "log", dist = "Normal" }
[law]
equation = "EQUATION"
[inputs]
mixture = { unit = "share of code", scale = "linear", low = 0, high = 1 }
[priors]
E = { dist = "LogNormal", mu = 0.5, sigma = 1.0 }
A = { dist = "LogNormal", mu = 6.0, sigma = 3.0 }
B = { dist = "LogNormal", mu = 6.0, sigma = 3.0 }
alpha = { dist = "LogNormal", mu = -1.0, sigma = 0.7 }
beta = { dist = "LogNormal", mu = -1.0, sigma = 0.7 }
sigma = { dist = "LogNormal", mu = -5.0, sigma = 1.0 }
"""
PRIOR = '{ dist = "Normal", mu = 0, sigma = 1 }'
WHOLE = "E + A / params**alpha + B / tokens**beta * (1 + mixture)"


def spec_of(equation: str, text: str = TEXT) -> Spec:
    return Spec.parse(text.replace("EQUATION", equation), "mine.toml")


def test_its_value_is_that_of_the_published_constants() -> None:
    law = spec_of(WHOLE).law
    constants = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
    x = {"params": np.log(70e9), "tokens": np.log(1.4e12), "mixture": 0.0}
    centre = {"params": 1e9, "tokens": 1e10}
    theirs = CHINCHILLA.mean(
        {"params": np.log(70), "tokens": np.log(140)}, CHINCHILLA.sampled(constants, centre), np
    )
    assert float(law.mean(x, constants, np)) == pytest.approx(float(theirs))
    assert law.inputs == ("params", "tokens", "mixture")
    assert not law.compute_only


def test_a_law_of_compute_alone_is_known() -> None:
    text = (
        TEXT.replace("[inputs]\nmixture", "[inputs]\n#").replace("B =", "#").replace("beta =", "#")
    )
    assert spec_of("E + A * exp(-alpha * log(params * tokens))", text).law.compute_only


def test_parts_have_names() -> None:
    text = TEXT.replace("[inputs]", 'where = { size = "A / params**alpha" }\n[inputs]')
    one, other = spec_of("E + size + B / tokens**beta * (1 + mixture)", text), spec_of(WHOLE)
    x = {"params": 20.0, "tokens": 25.0, "mixture": 0.3}
    theta = dict.fromkeys("EAB", 2.0) | {"alpha": 0.3, "beta": 0.4}
    assert one.law.mean(x, theta, np) == pytest.approx(other.law.mean(x, theta, np))


def test_a_spec_survives_being_written() -> None:
    spec = spec_of(WHOLE)
    again = Spec.parse(spec.to_toml())
    assert again.to_toml() == spec.to_toml()
    assert again.law.fingerprint == spec.law.fingerprint
    assert spec.replace(response="bpc").law.inputs == spec.law.inputs


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        ("", "empty"),
        ("E +", "character"),
        ("E + A / params**", "character"),
        ("E + (A / params**alpha", "character"),
        ("E + A / params**alpha)", "character"),
        ("E + A / N**alpha", "N is no input"),
        ("E + A / params**gamma", "gamma is no input"),
        ("E + A params", "character"),
        ("E + A ^ params", r"write \*\* for a power"),
        ("E = A", "character"),
        ("E + sin(params)", "sin"),
        ("E + log(params, tokens)", "log"),
        ("E + __import__('os')", "character"),
        ("E + params.values", "no methods"),
        ("E + params[0]", "character"),
        ("E if A else B", "character"),
        ("E + 'A'", "text"),
        ("E > A", "condition"),
        ("E + A", "names no input"),
        ("log(params)", "nothing that has a prior"),
        ("E + 1e9x", "number"),
        ("E + max(A)", "max"),
        ("lambda: E", "character"),
        ("E + A/params**alpha;B", "character"),
    ],
)
def test_a_malformed_equation_is_one_line(equation: str, words: str) -> None:
    with pytest.raises(BayescaleError, match=words) as caught:
        spec_of(equation)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mixture = {", "params = { unit = 'x' }\nmixture = {", "params: this column is known"),
        ("mixture = {", "spare = { unit = 'x' }\nmixture = {", "spare: the law takes no such"),
        ("low = 0, high = 1", "low = 1, high = 0", "low=1 is not below"),
        ("E = {", f"mixture = {PRIOR}\nE = {{", "mixture is an input and has a prior"),
    ],
)
def test_a_wrong_declaration_is_one_line(old: str, new: str, words: str) -> None:
    with pytest.raises(BayescaleError, match=words):
        spec_of(WHOLE, TEXT.replace(old, new, 1))
