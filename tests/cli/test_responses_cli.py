"""Commands on an accuracy: better is higher in what they print."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_responses import EXAMPLES


@pytest.fixture(autouse=True)
def example(run, tmp_path: Path) -> None:  # `run` makes the folder the current one
    for name in ("accuracy.csv", "accuracy.toml"):
        shutil.copy(EXAMPLES / name, tmp_path)


def test_a_backtest_scores_an_accuracy_itself(run) -> None:
    train = ("--train", "params * tokens < 3e20")
    code, out, _ = run("backtest", "accuracy.toml", "accuracy.csv", *train, "--json")
    assert code == 0
    said = json.loads(out)["splits"][0]
    observed = pd.read_csv("accuracy.csv").query("params * tokens >= 3e20")["accuracy"]
    assert [p["observed"] for p in said["points"]] == pytest.approx(observed.tolist())
    assert said["coverage"]["90"] >= 0.7
    assert said["rmse"] < 0.03 < said["width"] < 0.1
    _, out, _ = run("backtest", "accuracy.toml", "accuracy.csv", *train)
    assert "scores of accuracy, in %" in out


def test_an_expectation_of_an_accuracy_is_of_a_rise(run) -> None:
    expected = ("--expect", "alpha=params:1:5")
    code, out, _ = run("prior", "accuracy.toml", *expected, "--json")
    assert code == 0
    changes = {row["tenfold"]: row for row in json.loads(out)["changes"]}
    assert 0 < changes["params"]["lower"] < changes["params"]["median"]


def test_a_missing_response_names_those_that_are_there(run) -> None:
    code, _, err = run("fit", "chinchilla", "accuracy.csv", "--no-groups")
    assert code == 2
    assert "choose another with --response accuracy" in err


def test_perplexities_given_as_loss_are_noticed_and_the_way_out_is_said(run) -> None:
    table = pd.read_csv("accuracy.csv")
    table["loss"] = np.exp(1.5 + 3 * (1 - table.pop("accuracy")))
    table.to_csv("runs.csv", index=False)
    code, out, _ = run("data", "check", "runs.csv", "--json")
    assert code == 0
    (note,) = [n for n in json.loads(out)["notes"] if n["code"] == "perplexity-as-loss"]
    assert "give its logarithm" in note["hint"]
    assert "or name the column perplexity" in note["hint"]
    table.rename(columns={"loss": "perplexity"}).to_csv("runs.csv", index=False)
    _, out, _ = run("data", "check", "runs.csv", "--json")
    assert not json.loads(out)["notes"]
