"""Each law against published values, and its two parametrisations against each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayescale.base.bundled import published_laws
from bayescale.laws import LAWS, Law
from bayescale.laws.joint_power import beyond_vocabulary

ORIGIN = {"params": 1.0, "tokens": 1.0, "unique_tokens": 1.0}
CENTRE = {"params": 2e10, "tokens": 3e12, "unique_tokens": 3e12}

# Other tests register laws of their own.
SHIPPED = {
    name: law for name, law in LAWS.items() if law.mean.__module__.startswith("bayescale.laws")
}


def value(law: Law, constants: dict, params: float, tokens: float, centre: dict = CENTRE) -> float:
    """A law with published constants, in published units, through its sampled form."""
    centre = centre if law.centred else ORIGIN
    counts = {"params": params, "tokens": tokens, "unique_tokens": tokens}
    x = {name: np.log(counts[name] / centre[name]) for name in centre}
    return float(law.mean(x, law.sampled(constants, centre), np))


@pytest.mark.parametrize(
    ("name", "params", "tokens", "loss"),
    [
        ("kaplan-2020", 1.5e9, 22e9, 2.3125),
        ("hoffmann-2022", 32.2e9, 5.76e23 / 6 / 32.2e9, 1.9307),
        ("devries-2023", 41.7e9, 5.76e23 / 6 / 41.7e9, 1.9301),
        ("besiroglu-2024", 72.2e9, 5.76e23 / 6 / 72.2e9, 1.9744),
        ("muennighoff-2023", 70.0e9, 5.76e23 / 6 / 70.0e9, 2.0252),
        ("muennighoff-2023", 8.7e9, 178e9, 2.19216),
    ],
)
def test_published_constants_give_published_losses(
    name: str, params: float, tokens: float, loss: float
) -> None:
    entry = published_laws()[name]
    digits = len(str(loss).partition(".")[2])
    computed = value(LAWS[entry["law"]], entry["constants"], params, tokens)
    assert computed == pytest.approx(loss, abs=0.6 * 10**-digits)


def test_the_line_in_published_units() -> None:
    """R14: BPC of 1e9 parameters and 1e12 tokens is the intercept; a decade costs the slope."""
    law = LAWS["compute-linear"]
    constants = {"slope_per_decade": -0.0704, "intercept": 0.572}
    assert value(law, constants, 1e9, 1e12) == pytest.approx(0.572)
    assert value(law, constants, 1e9, 1e13) == pytest.approx(0.572 - 0.0704)
    assert value(law, constants, 1e10, 1e12) == pytest.approx(0.572 - 0.0704)


POSITIVE = st.floats(min_value=0.05, max_value=0.9)
THETA = {"real": st.floats(min_value=-1, max_value=1), "positive": POSITIVE, "unit": POSITIVE}


@pytest.mark.parametrize("law", SHIPPED.values(), ids=SHIPPED)
@given(data=st.data())
def test_published_and_sampled_are_inverse(law: Law, data: st.DataObject) -> None:
    theta = {p.name: data.draw(THETA[p.support], label=p.name) for p in law.parameters}
    constants = law.published(theta, CENTRE)
    assert set(constants) == set(law.units)
    back = law.sampled(constants, CENTRE)
    assert set(back) == set(theta)
    for name, expected in theta.items():
        assert back[name] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("law", [law for law in SHIPPED.values() if law.centred])
def test_level_is_the_value_at_the_centre(law: Law) -> None:
    theta = {p.name: 0.3 for p in law.parameters}
    assert law.mean(dict.fromkeys(law.inputs, 0.0), theta, np) == pytest.approx(0.3)


@pytest.mark.parametrize("law", SHIPPED.values(), ids=SHIPPED)
def test_where_one_centres_does_not_matter(law: Law) -> None:
    constants = law.published({p.name: 0.3 for p in law.parameters}, CENTRE)
    here, there = value(law, constants, 7e9, 1e12), value(law, constants, 7e9, 1e12, ORIGIN)
    assert here == pytest.approx(there, rel=1e-6)


@pytest.mark.parametrize("law", SHIPPED.values(), ids=SHIPPED)
def test_compute_only_means_that_the_split_does_not_matter(law: Law) -> None:
    theta = {p.name: 0.3 + 0.05 * i for i, p in enumerate(law.parameters)}
    here = dict.fromkeys(law.inputs, 0.0)
    by_params = law.mean({**here, "params": 1.0}, theta, np)
    by_tokens = law.mean({**here, "tokens": 1.0}, theta, np)
    assert (abs(by_params - by_tokens) < 1e-12) == law.compute_only


@pytest.mark.parametrize("law", SHIPPED.values(), ids=SHIPPED)
def test_slopes_are_the_changes_per_decade(law: Law) -> None:
    """Of the response, for tenfold N and tenfold D; their difference tests the compute law."""
    if law.slopes is None:
        assert law.name != "separate-linear"
        return
    theta = {p.name: -0.3 - 0.05 * i for i, p in enumerate(law.parameters)}
    origin = dict.fromkeys(law.inputs, 0.0)
    params, tokens = (
        law.mean({**origin, name: np.log(10)}, theta, np) - law.mean(origin, theta, np)
        for name in ("params", "tokens")
    )
    constants = law.published(theta, CENTRE)
    slopes = [constants[name] for name in law.slopes]
    assert slopes == pytest.approx([params, tokens, params - tokens])


@pytest.mark.parametrize("law", SHIPPED.values(), ids=SHIPPED)
def test_the_extension_to_repeats_is_the_law_where_all_tokens_are_new(law: Law) -> None:
    if law.with_repeats is None:
        assert law.name not in ("chinchilla", "joint-power")
        return
    constants = law.published({p.name: 0.3 for p in law.parameters}, CENTRE)
    # Spare parameters lose their worth in the extension; with R_N without end they do not.
    extended = {**constants, "R_D": 15.0, "R_N": 1e9}
    assert law.with_repeats.units.keys() - law.units.keys() == {"R_D", "R_N"}
    for params, tokens in ((1e9, 1e12), (7e10, 1e12)):
        same = value(law.with_repeats, extended, params, tokens)
        assert same == pytest.approx(value(law, constants, params, tokens), rel=1e-6)


JOINT = {"level": 1.9, "params_ratio": 0.2, "tokens_ratio": 0.25, "alpha": 0.34, "beta": 0.28}
JOINT |= {"corner": 1.0, "floor_exponent": 1e-12, "vocabulary": 1e-6}


def test_the_joint_power_law_nests_chinchillas_and_kaplans() -> None:
    law, x = LAWS["joint-power"], {"params": np.log(7e9), "tokens": np.log(1e12)}
    from_params, from_tokens = 0.2 * 7**-0.34, 0.25 * 50**-0.28
    chinchilla = 1.9 * (1 + from_params + from_tokens)
    assert law.mean(x, JOINT, np) == pytest.approx(chinchilla, rel=1e-6)
    bracket = from_params ** (1 / 0.28) + from_tokens ** (1 / 0.28)
    kaplan = law.mean(x, JOINT | {"corner": 0.28}, np)
    assert kaplan == pytest.approx(1.9 * (1 + bracket**0.28), rel=1e-6)
    # Where the floor is all there is, compute alone counts.
    bare = JOINT | {"params_ratio": 1e-9, "tokens_ratio": 1e-9, "floor_exponent": 0.05}
    assert law.mean(x, bare, np) == pytest.approx(1.9 * (7 * 50) ** -0.05, rel=1e-6)


@pytest.mark.parametrize(("params", "vocabulary"), [(5.2e6, 4.7e4), (1e9, 2e5), (7e10, 1e3)])
def test_parameters_beyond_the_vocabulary(params: float, vocabulary: float) -> None:
    beyond = np.exp(beyond_vocabulary(np.log(params), vocabulary, np))
    assert beyond + vocabulary * beyond ** (1 / 3) == pytest.approx(params, rel=1e-9)


def test_a_fingerprint_tells_equations_apart_and_nothing_else() -> None:
    prints = {law.fingerprint for law in SHIPPED.values()}
    assert len(prints) == len(SHIPPED)
    law = LAWS["chinchilla"]
    assert replace(law, name="another", title="another").fingerprint == law.fingerprint
    steeper = replace(law, mean=lambda x, theta, xp: 1.0001 * law.mean(x, theta, xp))
    assert steeper.fingerprint != law.fingerprint


@pytest.mark.parametrize(("support", "start"), [("real", 0.3), ("positive", 0.3), ("unit", 0.3)])
def test_an_effect_keeps_a_parameter_in_its_support(support: str, start: float) -> None:
    from bayescale.laws import Parameter

    parameter = Parameter("p", support, "")  # type: ignore[arg-type]
    shifted = parameter.shifted(start, np.array([-5.0, 0.0, 5.0]), np)
    assert shifted[1] == pytest.approx(start)
    assert (np.diff(shifted) > 0).all()
    if support != "real":
        assert shifted[0] > 0
    if support == "unit":
        assert shifted[2] < 1
