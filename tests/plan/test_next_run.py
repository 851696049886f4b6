"""The next run: what a fit promises is what a refit finds, and what the command says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayescale import Fit, Runs, ScalingModel, Spec, stack
from bayescale.plan.next_run import next_run

TARGET = {"params": 7e10, "tokens": 1.4e12}


def trained(params: np.ndarray, seed: int) -> pd.DataFrame:
    """Runs of a line in the logarithm of compute, 1 % of noise."""
    tokens = 20 * params
    line = 0.9 - 0.02 * np.log(params * tokens / 1e16)
    noise = np.random.default_rng(seed).standard_normal(len(params))
    bpc = line + 0.005 * noise
    return pd.DataFrame({"params": params, "tokens": tokens, "bpc": bpc}).assign(
        family="f", tokenizer="t"
    )


def test_a_refit_finds_what_was_promised() -> None:
    spec = Spec.load("compute-only").replace(groups=False)
    first = trained(np.geomspace(1e7, 2e8, 10), seed=2)
    before = ScalingModel(spec).fit(Runs.from_frame(first), show_progress=False)
    promised = next_run(before, TARGET, 1e21, batch=2, kind="curve")
    assert promised.best["width"].iloc[-1] < 0.6 * promised.width_now
    params = np.sqrt(promised.best["params"] * promised.best["tokens"] / 20).to_numpy()
    both = pd.concat([first, trained(params, seed=5)], ignore_index=True)
    after = ScalingModel(spec).fit(Runs.from_frame(both), show_progress=False)
    found = next_run(after, TARGET, 1e21, kind="curve").width_now
    assert found == pytest.approx(promised.best["width"].iloc[-1], rel=0.35)


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


def test_a_stack_tells_which_run_tells_its_laws_apart(fitted: Fit, table: Runs) -> None:
    """One law has its noise on the response, the other on the logarithm."""
    floor = ScalingModel("compute-floor").fit(table, show_progress=False)
    both = stack([fitted, floor], {"compute-only": 0.5, "compute-floor": 0.5})
    target = {"params": 4e11, "tokens": 3e13}
    found = next_run(both, target, 1e25, by="law")
    assert 0 < found.best["bits"].iloc[0] < 1
    assert found.best["bits"].iloc[0] == found.candidates.query("cost <= 1e25")["bits"].max()
    assert found.best["cost"].iloc[0] > 1e24  # far out, where they differ
    alone = next_run(fitted, target, 1e25)
    assert alone.unit == found.unit == "bits per character"
    assert alone.width_now == pytest.approx(found.width_now, rel=0.7)


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
