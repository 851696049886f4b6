"""A law from another package: one object and one spec, without a private name or an edited file."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.base.errors import FitError, LawError
from bayescale.laws import LAWS, Law, Parameter, find, register

# All that its author writes. The response falls with the logarithm of N and of D, by one slope.
LAW = """
from bayescale.laws import Law, Parameter


def mean(x, theta, xp):
    return theta["level"] * xp.exp(-{power} * theta["rate"] * (x["params"] + 2 * x["tokens"]))


def published(theta, centre):
    return {{"K": theta["level"], "rate": theta["rate"]}}


def sampled(constants, centre):
    return {{"level": constants["K"], "rate": constants["rate"]}}


LAW = Law(
    name="token-heavy",
    title="Tokens count twice",
    equation="y = K (N D^2)^-rate at the centre's units",
    citation="ours",
    parameters=(
        Parameter("level", "positive", "response at the data's centre"),
        Parameter("rate", "positive", "exponent of N D^2"),
    ),
    mean=mean,
    published=published,
    sampled=sampled,
    units={{"K": "response at the data's centre", "rate": "exponent of N D^2"}},
    compute_only=False,
    has_optimum=False,
)
"""
SPEC = """
name = "mine"
title = "Tokens count twice"
law = "token-heavy"
response = "loss"
params = "active"

[noise]
on = "log"
dist = "Normal"

[priors]
level = { dist = "LogNormal", mu = 0.0, sigma = 1.5 }
rate = { dist = "LogNormal", mu = -3.0, sigma = 1.0 }
sigma = { dist = "LogNormal", mu = -4.2, sigma = 0.7 }
"""
RATE = 0.04


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a table of runs that follow the law, a spec, and no package yet."""
    rng = np.random.default_rng(0)
    params = rng.uniform(np.log(1e8), np.log(1e10), 12)
    tokens = rng.uniform(np.log(1e9), np.log(1e11), 12)
    falls = -RATE * (params - params.mean() + 2 * (tokens - tokens.mean()))
    loss = 2.5 * np.exp(falls + rng.normal(0, 0.01, 12))
    rows = zip(np.exp(params), np.exp(tokens), loss, strict=True)
    lines = ["run,params,tokens,loss", *(f"r{i},{n},{d},{y}" for i, (n, d, y) in enumerate(rows))]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "mine.toml").write_text(SPEC)
    return tmp_path


def install(place: Path, *, offer: str = "theirs.laws:LAW", source: str = LAW) -> Path:
    """A package as pip leaves it: modules, and metadata with an entry point."""
    site = place / "site"
    metadata = site / "theirs-1.0.dist-info"
    for folder in (site / "theirs", metadata):
        folder.mkdir(parents=True, exist_ok=True)
    (site / "theirs" / "__init__.py").write_text("")
    (site / "theirs" / "laws.py").write_text(source.format(power="1"))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[bayescale.laws]\ntoken-heavy = {offer}\n")
    return site


def command(place: Path, *arguments: str) -> subprocess.CompletedProcess:
    """A command in a process of its own, which finds what is installed in `site`."""
    environment = os.environ | {"PYTHONPATH": str(place / "site")}
    asked = [sys.executable, "-m", "bayescale.cli.process", *arguments]
    return subprocess.run(
        asked, cwd=place, env=environment, capture_output=True, text=True, check=False
    )


SHORT = ("--draws", "200", "--tune", "200", "--chains", "2")


@pytest.mark.slow
def test_the_command_line_uses_the_law_of_an_installed_package(place: Path) -> None:
    install(place)
    fitted = command(place, "fit", "mine.toml", "runs.csv", "--out", "fit", *SHORT)
    assert fitted.returncode in (0, 3), fitted.stderr
    predicted = command(place, "predict", "fit", "--at", "params=1B,tokens=20B")
    assert predicted.returncode in (0, 3), predicted.stderr
    plan = command(place, "plan", "serve", "fit", "--target", "2.4", "--max-tokens", "1T", "--json")
    assert json.loads(plan.stdout)["response"] == "loss", plan.stderr
    # Without the package the fit is whole, and says what it needs.
    shutil.rmtree(place / "site")
    lost = command(place, "predict", "fit", "--at", "params=1B,tokens=20B")
    assert lost.returncode == 2
    assert lost.stderr.count("\n") == 1
    assert "law 'token-heavy' is unknown" in lost.stderr
    assert "damaged" not in lost.stderr


@pytest.mark.parametrize(
    ("offer", "source", "says"),
    [
        ("theirs.absent:LAW", LAW, "No module named 'theirs.absent'"),
        ("theirs.laws:LAWS", LAW, "no attribute 'LAWS'"),
        ("theirs.laws:LAW", "raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("theirs.laws:mean", LAW, "not a bayescale.laws.Law"),
        ("theirs.laws:LAW", LAW.replace('"token-heavy"', '"other"'), "one name"),
        ("theirs.laws:LAW", LAW.replace('"level"', '"height"'), "no parameter level"),
    ],
)
def test_a_package_that_fails_is_one_line(place: Path, offer: str, source: str, says: str) -> None:
    install(place, offer=offer, source=source)
    failed = command(place, "fit", "mine.toml", "runs.csv", "--out", "fit")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1, failed.stderr
    assert says in failed.stderr
    assert "mine.toml" in failed.stderr
    assert not (place / "fit").exists()


def test_a_spec_names_a_law_and_imports_nothing(place: Path) -> None:
    """Neither a path to a module nor a package without the entry point is ever imported."""
    site = install(place, source="open('ran', 'w').close()")
    (site / "theirs-1.0.dist-info" / "entry_points.txt").unlink()
    for name in ("theirs.laws:LAW", "theirs.laws", "token-heavy"):
        (place / "mine.toml").write_text(SPEC.replace("token-heavy", name))
        refused = command(place, "fit", "mine.toml", "runs.csv", "--out", "fit")
        assert refused.returncode == 2
        assert "is unknown" in refused.stderr
    assert not (place / "ran").exists()


def mean(x, theta, xp):
    return theta["level"] * xp.exp(-theta["rate"] * (x["params"] + 2 * x["tokens"]))


def twice_as_steep(x, theta, xp):
    return mean(x, {**theta, "rate": 2 * theta["rate"]}, xp)


MINE = Law(
    name="token-heavy",
    title="Tokens count twice",
    equation="",
    citation="",
    parameters=(Parameter("level", "positive", ""), Parameter("rate", "positive", "")),
    mean=mean,
    published=lambda theta, centre: {"K": theta["level"], "r": theta["rate"]},
    sampled=lambda constants, centre: {"level": constants["K"], "rate": constants["r"]},
    units={"K": "", "r": ""},
    compute_only=False,
    has_optimum=False,
)


@pytest.fixture
def _forgotten():
    before = dict(LAWS)
    yield
    LAWS.clear()
    LAWS.update(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_forgotten")
def test_a_registered_law_is_fitted_saved_and_loaded(place: Path) -> None:
    with pytest.raises(LawError, match="register first"):
        Spec.load(place / "mine.toml")
    register(MINE)
    settings = Settings(draws=200, tune=200, chains=2)
    runs = Runs.read(place / "runs.csv")
    fit = ScalingModel(place / "mine.toml").fit(runs, settings, show_progress=False)
    assert fit.summary().loc["r", "mean"] == pytest.approx(RATE, rel=0.2)
    fit.save(place / "fit")
    assert Fit.load(place / "fit").spec.law is MINE
    # Another equation under the same name: no compiled sampler of the first one serves it.
    del LAWS["token-heavy"]
    register(
        replace(MINE, mean=lambda x, theta, xp: mean(x, {**theta, "rate": 2 * theta["rate"]}, xp))
    )
    fit = ScalingModel(place / "mine.toml").fit(runs, settings, show_progress=False)
    assert fit.summary().loc["r", "mean"] == pytest.approx(RATE / 2, rel=0.2)
    del LAWS["token-heavy"]
    with pytest.raises(FitError, match="law 'token-heavy' is unknown") as caught:
        Fit.load(place / "fit")
    assert "damaged" not in str(caught.value)


def parameters(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "positive", "") for name in names)


@pytest.mark.usefixtures("_forgotten")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "chinchilla"}, "law chinchilla: the name is taken"),
        ({"name": "a/b"}, "letters, digits"),
        ({"parameters": parameters("rate")}, "no parameter level"),
        ({"parameters": parameters("level", "rate", "rate")}, "name each parameter once"),
        ({"parameters": parameters("level", "sigma")}, "none of them sigma"),
        ({"parameters": parameters("level", "a-b")}, "as in Python"),
        ({"inputs": ("params", "tokens", "colour")}, "input 'colour': no such column"),
        ({"inputs": ("params",)}, "fail on plain numbers: KeyError: 'tokens'"),
        ({"compute_only": True}, "compute_only=True is not what its equation says"),
        ({"mean": lambda x, theta, xp: theta["level"] + 1}, "at the centre"),
        ({"mean": lambda x, theta, xp: theta["height"]}, "fail on plain numbers: KeyError"),
        ({"units": {"K": ""}}, "units has K"),
        ({"sampled": lambda constants, centre: {"level": 1.0}}, "sampled gives level"),
        ({"sampled": lambda c, centre: {"level": c["K"], "rate": 0.0}}, "rate=0 back where"),
        ({"slopes": ("r", "r", "d")}, "no published constant"),
        ({"with_repeats": LAWS["kaplan"]}, "no input unique_tokens"),
    ],
)
def test_a_law_that_breaks_a_rule_is_refused(change: dict, says: str) -> None:
    with pytest.raises(LawError, match=says) as caught:
        register(replace(MINE, **change))
    assert "\n" not in str(caught.value)
    register(MINE)
    with pytest.raises(LawError, match="the name is taken"):
        register(replace(MINE, title="another"))


def test_what_is_no_law_is_refused() -> None:
    with pytest.raises(LawError, match="a dict, not a"):
        register({"name": "x"})  # type: ignore[arg-type]
    with pytest.raises(LawError, match="use one of compute-linear"):
        find("os:system")
