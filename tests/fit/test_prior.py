"""Priors before any data: what they expect, and priors made from an expectation."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayescale import ScalingModel, Spec, figures
from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.fit.prior import along_compute, changes, elicited
from bayescale.model import priors

CHINCHILLA = Spec.load("chinchilla")


def test_a_tenfold_input_changes_what_the_equation_says() -> None:
    """With exact priors: share of the term, times what is left of it."""
    exact = {"dist": "Normal", "mu": 0.0, "sigma": 1e-6}
    spec = Spec.load("compute-only").replace(
        priors={"level": exact | {"mu": 2.0}, "slope": exact | {"mu": -0.03}}
    )
    found = changes(spec)
    for name in ("params", "tokens"):
        assert float(found[name].mean()) == pytest.approx(-0.03 * np.log(10) / 2, rel=1e-4)


@pytest.mark.parametrize("name", bundled.specs())
def test_every_shipped_spec_says_what_it_expects(name: str) -> None:
    spec = Spec.load(name)
    found = changes(spec)
    assert {n for n, column in spec.inputs.items() if column.scale == "log"} >= set(found)
    assert found
    assert all(np.isfinite(values).all() for values in found.values())
    compute, predictive = along_compute(spec)
    draws = predictive.draws("run")
    assert draws.sizes["run"] == len(compute)
    assert float(np.isfinite(draws).mean()) > 0.99  # some prior draws of a law are no number


def test_an_expectation_becomes_a_prior() -> None:
    """The curve's change at the prior's quantiles, others at their medians, is the one expected."""
    pytest.importorskip("preliz")
    prior = elicited(CHINCHILLA, "alpha", "params", (-0.09, -0.03), 0.9)
    assert prior.dist == "LogNormal"
    # At the medians of its Beta(2, 2) priors the term is a quarter of the curve.
    ends = [-np.log10(1 - change / 0.25) for change in (0.03, 0.09)]
    draws = priors.quantile(prior, np.linspace(0, 1, 4001)[1:-1].tolist())
    assert np.mean((draws > ends[0]) & (draws < ends[1])) == pytest.approx(0.9, abs=0.01)


def test_what_no_prior_can_do_is_refused() -> None:
    pytest.importorskip("preliz")
    with pytest.raises(BayescaleError, match=r"alpha: no value makes a tenfold params .* -25\s%"):
        elicited(CHINCHILLA, "alpha", "params", (-0.5, -0.4))
    narrow = CHINCHILLA.replace(priors={"alpha": {"dist": "Exponential", "lam": 3.0}})
    with pytest.raises(BayescaleError, match=r"no Exponential holds 90\s% there"):
        elicited(narrow, "alpha", "params", (-0.09, -0.03))


def test_the_command_writes_a_spec_that_can_be_fitted(run, tmp_path: Path) -> None:
    pytest.importorskip("preliz")
    code, out, error = run(
        *("prior", "chinchilla", "--response", "loss", "--expect", "alpha=params:3:9"),
        *("--out", "mine.toml", "--figure", "prior.svg", "--json"),
    )
    assert code == 0, error
    ends = {row["tenfold"]: row for row in json.loads(out)["changes"]}
    assert ends["params"]["lower"] > ends["tokens"]["lower"]  # now it expects less of N
    mine = ScalingModel(tmp_path / "mine.toml").spec
    assert mine.priors["alpha"] != CHINCHILLA.priors["alpha"]
    assert mine.priors["beta"] == CHINCHILLA.priors["beta"]
    assert mine.response == "loss"
    assert "relative to the data's centre" in (tmp_path / "prior.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha", "write PARAMETER=INPUT:LOW:HIGH"),
        ("alpha=params:3", "write PARAMETER=INPUT:LOW:HIGH"),
        ("alfa=params:3:9", "did you mean alpha?"),
        ("alpha=param:3:9", "did you mean params?"),
        ("alpha=params:9:3", "needs LOW below HIGH"),
        ("alpha=params:3:x", "--expect"),
    ],
)
def test_an_expectation_that_is_none_is_one_line(run, text: str, message: str) -> None:
    code, _, error = run("prior", "chinchilla", "--expect", text)
    assert code == 2
    assert message in error.splitlines()[-1]


def test_the_figure_shows_both_panels() -> None:
    left, right = figures.prior_predictive(CHINCHILLA).axes
    assert left.get_yscale() == "log"
    assert [text.get_text().partition(":")[0] for text in right.get_legend().get_texts()] == [
        "parameters",
        "training tokens",
    ]
