"""A law of four inputs, written as an equation, through every command that takes a fit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale import Fit, Runs, ScalingModel, Spec

SPEC = """
name = "recipe"
response = "loss"
law.equation = "(E + A / (params / 1e8)**.35 + B / (tokens / 1e9)**.37) * bowl + k * code"
law.where.bowl = "1 + g * (log(batch) - best)**2"
inputs.code = { unit = "share of code", scale = "linear", low = 0, high = 1 }
[priors]
E = { dist = "LogNormal", mu = 0.6, sigma = 0.3 }
A = { dist = "LogNormal", mu = 0.0, sigma = 1.0 }
B = { dist = "LogNormal", mu = 0.0, sigma = 1.0 }
g = { dist = "LogNormal", mu = -4.0, sigma = 1.0 }
best = { dist = "Normal", mu = 5.0, sigma = 1.5 }
k = { dist = "Normal", mu = 0.0, sigma = 0.5 }
"""
BEST, CODE = 5.0, 0.3
type Command = Callable[..., tuple[int, str, str]]


def loss(params, tokens, batch, code):
    sizes = 1.8 + 0.9 / (params / 1e8) ** 0.35 + 1.1 / (tokens / 1e9) ** 0.37
    return sizes * (1 + 0.015 * (np.log(batch) - BEST) ** 2) + CODE * code


def recipes() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    count = 60
    params = np.exp(rng.uniform(np.log(2e7), np.log(4e8), count))
    table = pd.DataFrame(
        {
            "run": [f"r{i}" for i in range(count)],
            "params": params,
            "tokens": params * np.exp(rng.uniform(np.log(5), np.log(60), count)),
            "batch": np.exp(rng.uniform(np.log(32), np.log(1024), count)).round(),
            "code": rng.uniform(0, 0.6, count).round(2),
        }
    )
    exact = loss(table["params"], table["tokens"], table["batch"], table["code"])
    return table.assign(loss=exact * np.exp(rng.normal(0, 0.002, count)))


@pytest.fixture(scope="module")
def recipe() -> Fit:
    spec = Spec.parse(SPEC)
    return ScalingModel(spec).fit(Runs.from_frame(recipes()), show_progress=False)


@pytest.fixture(scope="module")
def folder(recipe: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recipe.save(tmp_path_factory.mktemp("recipe") / "fit")


def test_it_is_sampled_cleanly_and_found_again(recipe: Fit) -> None:
    assert recipe.convergence.passed, recipe.convergence
    found = recipe.summary()
    for name, true in {"E": 1.8, "A": 0.9, "B": 1.1, "best": BEST, "k": CODE}.items():
        assert found.loc[name, "lower"] - 0.03 < true < found.loc[name, "upper"] + 0.03, name


def test_data_check_says_what_the_spec_lacks(run: Command, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(SPEC)
    table = recipes()
    table.to_csv(tmp_path / "whole.csv", index=False)
    assert run("data", "check", "whole.csv", "--spec", "recipe.toml")[0] == 0
    table.drop(columns="code").to_csv(tmp_path / "lacks.csv", index=False)
    code, out, error = run("data", "check", "lacks.csv", "--spec", "recipe.toml")
    assert code == 2
    assert "code" in out
    assert "missing" in out
    assert "1 problem" in error
    table.assign(code=table["code"] + 1).to_csv(tmp_path / "beyond.csv", index=False)
    code, out, _ = run("data", "check", "beyond.csv", "--spec", "recipe.toml")
    assert code == 2
    assert "expected 0 to 1" in out


def test_predict_takes_and_needs_every_input(run: Command, folder: Path) -> None:
    at = "params=1e8,tokens=2e9,batch=128,code=0:0.4:3"
    code, out, _ = run("predict", folder, "--at", at, "--kind", "curve", "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [row["code"] for row in rows] == [0.0, 0.2, 0.4]
    for row in rows:
        true = loss(1e8, 2e9, 128, row["code"])
        assert row["median"] == pytest.approx(true, rel=0.005)
    code, _, error = run("predict", folder, "--at", "params=1e8,tokens=2e9")
    assert code == 2
    assert "batch, code" in error
    code, _, error = run("predict", folder, "--at", "params=1e8,tokens=2e9,batch=64,code=0,lr=1")
    assert code == 2
    assert "lr" in error
    far = "params=1e8,tokens=2e9,batch=1e5,code=0.1"
    assert "outside the data" in run("predict", folder, "--at", far)[2]


def test_invert_along_compute_and_along_an_input(run: Command, folder: Path) -> None:
    target = loss(1e9, 2e10, 148, 0.1)
    asked = ("--target", target, "--tokens-per-param", 20, "--kind", "curve", "--prob", 0.5)
    code, out, _ = run("invert", folder, *asked, "--at", "batch=148,code=0.1", "--json")
    assert code == 0
    assert json.loads(out)["params"] == pytest.approx(1e9, rel=0.15)
    target = loss(2e8, 4e9, 148, 0.2)
    at = "params=2e8,batch=148,code=0.2"
    asked = ("--target", target, "--along", "tokens", "--kind", "curve", "--prob", 0.5)
    code, out, _ = run("invert", folder, *asked, "--at", at, "--json")
    assert code == 0
    assert json.loads(out)["tokens"] == pytest.approx(4e9, rel=0.1)
    code, _, error = run("invert", folder, "--target", 2.5, "--params", "1e9")
    assert code == 2
    assert "batch, code" in error


def test_the_best_of_two_inputs_under_a_condition(run: Command, folder: Path) -> None:
    asked = ("plan", "optimum", folder, "--at", "params=2e8,tokens=4e9,code=0.1", "--json")
    code, out, _ = run(*asked, "--over", "batch")
    assert code == 0
    answer = json.loads(out)
    assert answer["best"]["batch"] == pytest.approx(np.exp(BEST), rel=0.1)
    (row,) = answer["inputs"]
    assert row["known"]["lower"] < 1.05 * np.exp(BEST)
    assert row["known"]["upper"] > 0.95 * np.exp(BEST)
    assert row["low"] < 0.7 * np.exp(BEST) < 1.4 * np.exp(BEST) < row["high"]
    code, out, error = run(*asked, "--over", "batch", "--subject", "batch <= 64")
    assert json.loads(out)["best"]["batch"] <= 64
    code, _, error = run(*asked, "--over", "batch", "--subject", "batch < 1")
    assert code == 2
    assert "none of" in error
    code, _, error = run(*asked, "--over", "lr")
    assert code == 2
    assert "lr" in error


def test_backtest_has_r_squared(run: Command, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(SPEC)
    recipes().to_csv(tmp_path / "recipes.csv", index=False)
    train = ("--train", "params < 2e8")
    code, out, _ = run("backtest", "recipe.toml", "recipes.csv", *train, "--json")
    assert code == 0
    (split,) = json.loads(out)["splits"]
    assert split["r2"] > 0.9


def test_compare_takes_it_beside_a_law_of_two(run: Command, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(SPEC)
    recipes().to_csv(tmp_path / "recipes.csv", index=False)
    models = ("recipe.toml", "chinchilla")
    code, out, _ = run(
        "compare",
        *models,
        "recipes.csv",
        "--by",
        "frontier",
        "--no-groups",
        "--response",
        "loss",
        "--json",
    )
    assert code == 0
    rows = {row["model"]: row for row in json.loads(out)["models"]}
    assert rows["recipe"]["rank"] == 0


@pytest.mark.slow
@pytest.mark.long
def test_a_discrepancy_over_four_inputs(recipe: Fit) -> None:
    spec = recipe.spec.replace(discrepancy=True)
    assert {"length_batch", "length_code"} < spec.discrepancy.keys()
    fit = ScalingModel(spec).fit(recipe.runs, show_progress=False)
    assert fit.convergence.r_hat < 1.02
    near, far = (
        {"params": 1e8, "tokens": 2e9, "batch": batch, "code": 0.1} for batch in (150, 50_000)
    )
    draws = fit.predict([near, far], "curve").draws
    assert float(draws.isel(run=1).std()) > 2 * float(draws.isel(run=0).std())
