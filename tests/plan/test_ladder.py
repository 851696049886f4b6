"""Linear forecasts and first ladders: nothing unbought is read, and plans can be trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayescale import Fit, Runs, Spec
from bayescale.measure.sweep_plan import SweepPlan
from bayescale.plan.ladder import ladder, shape
from bayescale.plan.linear import LinearForecast

TARGET = {"params": 7e10, "tokens": 1.4e12}


def test_a_linear_forecast_is_near_the_sampled_one(forecast: Fit) -> None:
    points = {"params": np.array([2e10, 7e10]), "tokens": np.array([4e11, 1.4e12])}
    draws = np.log(forecast.predict(points, "curve").draws.to_numpy().reshape(-1, 2))
    here = forecast.runs.table[["params", "tokens", "bpc"]]
    there = here.iloc[:2].assign(**points, bpc=1.0)
    both = np.concatenate([here.to_numpy(), there.to_numpy()])
    runs = Runs.from_frame(
        here.iloc[[0] * len(both)]
        .reset_index(drop=True)
        .assign(params=both[:, 0], tokens=both[:, 1], bpc=both[:, 2])
    )
    linear = LinearForecast(forecast.spec, runs)
    linear.update(range(len(here)), rounds=4, starts=3)
    found = linear.moments([len(here), len(here) + 1])
    deviation = np.sqrt(np.diagonal(found.covariance))
    assert found.mean == pytest.approx(draws.mean(0), abs=float(draws.std(0).max()))
    assert deviation == pytest.approx(draws.std(0), rel=0.5)


def test_responses_that_are_not_bought_are_not_read(forecast: Fit) -> None:
    table = forecast.runs.table
    hidden = table.assign(bpc=np.where(np.arange(len(table)) < 20, table["bpc"], 3.0))
    found = []
    for each in (table, hidden):
        linear = LinearForecast(forecast.spec, Runs.from_frame(each))
        linear.update(range(20))
        found.append(linear.moments([30, 39], reach=[25]))
    assert (found[0].mean == found[1].mean).all()
    assert (found[0].covariance == found[1].covariance).all()


def test_a_ladder_keeps_its_budget_and_learns_the_noise() -> None:
    spec = Spec.load("forecast")
    cheap, dear = (ladder(spec, TARGET, budget, runs=12) for budget in (1e20, 1e22))
    assert cheap.cost <= 1e20 * (1 + 1e-9)
    assert dear.cost <= 1e22 * (1 + 1e-9)
    assert dear.width < cheap.width < cheap.width_now
    assert dear.runs["seeds"].max() >= 3
    assert dear.runs["seeds"].sum() <= 12
    widths = dear.stops["width"].to_numpy()
    assert widths[-1] > widths[0]  # the further below it stops, the wider


def test_the_command_writes_a_table_and_plans_to_train(run: Any) -> None:
    asked = ("design", "--from", "nothing", "--target", "params=70B,tokens=1.4T")
    code, out, _ = run(*asked, "--budget", "1e21", "--out", "l.csv", "--sweep", "l.toml", "--json")
    content = json.loads(out)
    assert code == 0
    assert len(Path("l.csv").read_text("utf-8").splitlines()) == 1 + len(content["runs"])
    plans = [SweepPlan.load(path) for path in sorted(Path().glob("l*.toml"))]
    trained = sum(len(plan.runs()) for plan in plans)
    assert trained == sum(one["seeds"] for one in content["runs"])
    asked_for = sorted({one["params"] for one in content["runs"]})
    planned = sorted({one.params for plan in plans for one in plan.runs()})
    assert planned == pytest.approx(asked_for, rel=0.15)
    code, _, err = run(*asked, "--budget", "1e10")
    assert code == 2
    assert "no run is that cheap" in err
    code, _, err = run("design", "--from", "experts", *asked[3:], "--budget", "1e21")
    assert code == 2
    assert "first ladder" in err


@pytest.mark.parametrize("params", [1e8, 1e9, 7e9, 7e10])
def test_shapes_have_about_the_parameters_asked_for(params: float) -> None:
    layers, width, heads = shape(params)
    assert 32_768 * width + 12 * layers * width**2 == pytest.approx(params, rel=0.1)
    assert width % (2 * heads) == 0
