"""Forecasts of runs whose curve is known: intervals hold it, seeds repeat, updates agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import ended

from bayescale import BayescaleError
from bayescale.fit.curves import CurveFit, fit_curves
from bayescale.fit.curves.watch import watched
from bayescale.model.curves.density import CurveDensity
from bayescale.runs.curves import Curves

RUNS, END = 8, 20_000


def simulated() -> tuple[pd.DataFrame, dict[str, float]]:
    """Power laws with a floor and correlated noise, half seen; their last loss without noise."""
    rng = np.random.default_rng(3)
    position = np.geomspace(300, END / 2, 40).round()
    rows, ends = [], {}
    for i in range(RUNS):
        floor, scale, exponent = rng.normal(2, 0.1), rng.normal(12, 1), rng.normal(0.35, 0.03)
        wander = np.zeros(len(position))
        for j in range(1, len(position)):
            wander[j] = 0.7 * wander[j - 1] + rng.normal(0, 0.002)
        loss = (floor + scale * position**-exponent) * np.exp(wander)
        rows.append(pd.DataFrame({"run": f"r{i}", "step": position, "loss": loss}))
        ends[f"r{i}"] = floor + scale * END**-exponent
    return pd.concat(rows), ends


@pytest.fixture(scope="module")
def fit() -> CurveFit:
    return fit_curves(Curves.from_frame(simulated()[0]), "power-floor", draws=200)


def test_intervals_hold_the_ends_and_are_narrow(fit: CurveFit) -> None:
    ends = simulated()[1]
    inside, widths = [], []
    for run, reached in ends.items():
        last = fit.forecast(run, positions=np.array([END])).table().iloc[-1]
        inside.append(last["lower"] < reached < last["upper"])
        widths.append(np.log(last["upper"] / last["lower"]))
    assert sum(inside) >= RUNS - 2
    assert np.median(widths) < 0.06
    assert all(drawn.k_hat < 0.7 for drawn in fit.draws)


def test_the_further_ahead_the_wider(fit: CurveFit) -> None:
    table = fit.forecast("r0", 10 * END).table()
    width = (table["upper"] / table["lower"]).to_numpy()
    assert width[-1] > 1.5 ** np.log(width[0]) * width[0]
    assert width[-1] > width[len(width) // 2] > width[0]


def test_a_target_is_reached_with_the_probability_that_its_quantile_says(fit: CurveFit) -> None:
    forecast = fit.forecast("r1", END)
    quarter = float(forecast.end.quantile(0.25))
    assert forecast.probability_below(quarter) == pytest.approx(0.25, abs=0.02)


def test_one_more_checkpoint_updates_the_run(fit: CurveFit) -> None:
    table = simulated()[0]
    more = pd.DataFrame({"run": "r0", "step": [11_000.0], "loss": [table["loss"].iloc[39]]})
    curve = Curves.from_frame(pd.concat([table[table["run"] == "r0"], more]))["r0"]
    before, after = fit.forecast("r0", END), fit.update(curve).forecast("r0", END)
    spread = float(np.log(before.end).std())
    assert abs(float(np.log(after.end).mean() - np.log(before.end).mean())) < 2 * spread


def test_gradients_are_those_of_the_log_density(fit: CurveFit) -> None:
    density: CurveDensity = fit.density
    at = fit.prior.mean + 0.1
    slope, _ = density.gradient(at, fit.prior)
    for i in range(at.shape[1]):
        step = np.zeros(at.shape[1])
        step[i] = 1e-5
        up, down = (density.log_density(at + s * step, fit.prior) for s in (1, -1))
        assert slope[:, i] == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-2)


def test_the_command_line_forecasts_repeats_and_refuses(tmp_path: Path) -> None:
    table = simulated()[0]
    file = tmp_path / "curves.csv"
    table[table["run"].isin(["r0", "r1"])].to_csv(file, index=False)
    figure = tmp_path / "r0.svg"
    asked = ("curve", "forecast", file, "--law", "power-floor", "--end", END)
    code, out, _ = ended(*asked, "--run", "r0", "--target", 2.5, "--figure", figure, "--json")
    assert code == 0
    assert json.loads(out)["sampling"]["r0"]["k_hat"] < 0.7
    (row,) = json.loads(out)["rows"]
    assert row["lower"] < row["median"] < row["upper"]
    assert 0 <= row["below_target"] <= 1
    assert figure.read_text("utf-8").startswith("<?xml")
    code, again, _ = ended(*asked, "--json")
    rows = json.loads(again)["rows"]
    assert sum(row["best"] for row in rows) == pytest.approx(1)
    assert rows[0]["median"] == row["median"]
    for options, said in (
        (("--law", "multi-power"), "has no learning rate"),
        (("--run", "r9"), "not found"),
        (("--end", 500), "has come to"),
    ):
        code, _, err = ended("curve", "forecast", file, *options)
        assert code == 2
        assert said in err


def test_watching_survives_a_missing_and_a_rotated_file_and_ends() -> None:
    table = simulated()[0].query("run == 'r0'")
    states = [None, table.head(20), table.head(30), table.head(12), table]

    def read() -> Curves:
        state = states[0]
        if state is None:
            raise BayescaleError("no such file")
        return Curves.from_frame(state)

    found = list(
        watched(
            read,
            None,
            end=float(table["step"].max()),
            law="power-floor",
            seed=1,
            wait=lambda: states.__delitem__(0),
        )
    )
    assert isinstance(found[0], BayescaleError)
    seen = [len(one[0]) for one in found[1:] if not isinstance(one, BayescaleError)]
    assert seen == [20, 30, 12, 40]


def test_a_schedule_that_is_not_known_so_far_ahead_is_refused() -> None:
    table = simulated()[0].query("run == 'r0'").assign(lr=1e-3)
    fit = fit_curves(Curves.from_frame(table), draws=50)
    with pytest.raises(BayescaleError, match="is known up to"):
        fit.forecast("r0", 2 * END)


def test_runs_learn_from_those_that_were_seen_to_their_end() -> None:
    """Runs that are seen to the same early point share one discrepancy there, and teach nothing."""
    table = simulated()[0]
    early = table.assign(end=2 * END, family="ours")
    alone, together = (
        fit_curves(Curves.from_frame(rows, schedule="cosine"), draws=50)
        for rows in (early.query("run == 'r0'"), early)
    )
    np.testing.assert_allclose(together.prior.covariance[0], alone.prior.covariance[0])
    whole = early.assign(end=np.where(early["run"] == "r0", 2 * END, table["step"].max()))
    taught = fit_curves(Curves.from_frame(whole, schedule="cosine"), draws=50)
    law = slice(1, taught.density.of_law)
    before, after = (np.diag(fit.prior.covariance[0])[law] for fit in (alone, taught))
    assert (after < before).any()
    assert not np.allclose(taught.prior.mean[0, law], alone.prior.mean[0, law])
