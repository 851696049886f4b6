"""The next run: what a fit promises is what a refit finds, and what the command says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale import Fit, Runs, ScalingModel, Spec
from bayescale.plan.next_run import next_run
from bayescale.testing import simulate

TARGET = {"params": 7e10, "tokens": 1.4e12}
TRUTH = {"level": 0.45, "slope": -0.03, "sigma": 0.01, "nu": 30.0}


def small(seed: int) -> tuple[Spec, Runs]:
    """Ten small runs of a line in the logarithm of compute."""
    spec = Spec.load("compute-only").replace(groups=False)
    params = np.geomspace(1e7, 2e8, 10)
    frame = pd.DataFrame({"params": params, "tokens": 20 * params, "bpc": 1.0})
    return spec, simulate(
        spec, Runs.from_frame(frame.assign(family="f", tokenizer="t")), TRUTH, seed
    )


def test_a_refit_finds_what_was_promised() -> None:
    spec, runs = small(seed=2)
    before = ScalingModel(spec).fit(runs, show_progress=False)
    promised = next_run(before, TARGET, 1e21, batch=2, kind="curve")
    assert promised.best["width"].iloc[-1] < 0.6 * promised.width_now
    new = promised.best[["params", "tokens"]].assign(bpc=1.0, family="f", tokenizer="t")
    bought = simulate(spec, Runs.from_frame(new), TRUTH, seed=5)
    both = pd.concat([runs.table, bought.table]).drop(columns="run")
    after = ScalingModel(spec).fit(
        Runs.from_frame(both.reset_index(drop=True)), show_progress=False
    )
    found = next_run(after, TARGET, 1e21, kind="curve").width_now
    assert found == pytest.approx(promised.best["width"].iloc[-1], rel=0.3)


def test_bought_runs_lie_towards_the_target_and_within_the_budget(forecast: Fit) -> None:
    found = next_run(forecast, TARGET, 1e22, batch=4, aim=0.03)
    assert found.best["cost"].sum() <= 1e22 * (1 + 1e-9)
    assert found.best["cost"].max() > 1e21  # the dear run tells most
    widths = found.curve["width"].to_numpy()
    assert (np.diff(widths) <= 1e-12).all()
    assert found.width_least <= widths[-1] * (1 + 1e-6)
    assert found.width_now > found.best["width"].iloc[0] >= found.best["width"].iloc[-1]
    if found.aim_cost is not None:
        assert found.aim_cost <= (found.target_cost or np.inf)


def test_what_is_in_flight_is_not_bought_again(forecast: Fit) -> None:
    first = next_run(forecast, TARGET, 1e22, kind="curve")
    flying = first.best[["params", "tokens"]]
    then = next_run(forecast, TARGET, 1e22, in_flight=flying, kind="curve")
    assert then.width_now == pytest.approx(first.best["width"].iloc[0], rel=0.02)
    again = then.candidates.set_index("run")["reduction"][first.best["run"].iloc[0]]
    assert again < 0.5 * first.best["reduction"].iloc[0]


@pytest.fixture(scope="module")
def folder(forecast: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forecast.save(tmp_path_factory.mktemp("fits") / "forecast")


def test_the_command(run: Any, folder: Path) -> None:
    asked = ("next", folder, "--target", "params=70B,tokens=1.4T", "--budget", "1e22")
    code, out, _ = run(*asked, "--batch", 3, "--width", 0.02, "--figure", "next.png")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "What to buy" in out
    assert Path("next.png").stat().st_size > 10_000
    code, out, _ = run(*asked, "--json")
    content = json.loads(out)
    assert code == 0
    assert content["best"][0]["cost"] <= 1e22 * (1 + 1e-9)
    assert {"budget", "spent", "runs", "width"} == set(content["curve"][0])
    code, out, _ = run(*asked, "--target", "params=35B,tokens=2.8T", "--by", "choice", "--json")
    assert code == 0
    assert json.loads(out)["best"][0]["regret"] >= 0


def test_candidates_of_a_file_have_their_own_cost(run: Any, folder: Path, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"params": [1e9, 2e9, 2e9], "tokens": [2e10, 4e10, 4e10], "cost": [5, 9, 7]}
    )
    table.to_csv(tmp_path / "pool.csv", index=False)
    asked = ("next", folder, "--target", "params=70B,tokens=1.4T", "--candidates", "pool.csv")
    code, out, err = run(*asked, "--budget", 10, "--json")
    content = json.loads(out)
    assert code == 0
    assert content["best"][0]["cost"] == 7  # of two that tie, the cheaper
    assert "next-run-tie" in err
    code, out, _ = run(*asked, "--budget", 10, "--subject", "params < 1.5e9", "--json")
    assert [one["params"] for one in json.loads(out)["candidates"]] == [1e9]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--budget", "1e12"), "no run is that cheap"),
        (("--budget", "1e22", "--subject", "params > 1e13"), "none of"),
        (("--budget", "1e22", "--by", "choice"), "two targets"),
        (("--budget", "1e22", "--by", "law"), "stack"),
        (("--budget", "1e22", "--cost", "params * lr"), "lr is unknown"),
    ],
)
def test_wrong_questions_get_a_line(
    run: Any, folder: Path, options: tuple[str, ...], said: str
) -> None:
    code, _, err = run("next", folder, "--target", "params=70B,tokens=1.4T", *options)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_target_inside_the_data_is_said(run: Any, folder: Path) -> None:
    code, _, err = run("next", folder, "--target", "params=1B,tokens=20B", "--budget", "1e20")
    assert code == 0
    assert "target-inside" in err
