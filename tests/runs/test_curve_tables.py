"""Curves as data: readers, checks that say what is wrong, marks, schedules, thinning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale import BayescaleError
from bayescale.runs.curves import Curves, Schedule
from bayescale.runs.curves.thin import thinned

STEPS = np.arange(100, 4100, 100)
LOSS = 2 + 10 * STEPS**-0.4


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"run": "a", "step": STEPS, "loss": LOSS} | columns)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (frame().head(1), "1 point with a loss"),
        (frame(step=STEPS + 0.5), "seconds or epochs"),
        (frame(step=STEPS + 1_700_000_000), "looks like a time"),
        (frame(loss=-LOSS), "must be positive"),
        (frame(loss=["x", *LOSS[1:]]), "loss='x': not a number"),
        (frame(lr=[np.nan, *LOSS[1:]]), "row 1 has no learning rate"),
        (frame(lr=0.0), "somewhere above 0"),
        (frame().drop(columns="step"), "none of the columns step"),
        (frame().drop(columns="loss"), "no column 'loss'"),
        (frame(step=[np.nan, *STEPS[1:]]), "row 1 has no step"),
        (
            pd.concat([frame(), frame(loss=1.01 * LOSS)]).sort_values("step"),
            "two runs under one name",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(BayescaleError, match=said) as error:
        Curves.from_frame(table)
    assert "\n" not in str(error.value)


def test_a_resumed_run_counts_its_later_rows() -> None:
    lost = frame(loss=LOSS + 1).head(20)
    again = frame()[STEPS > 1500]
    curves = Curves.from_frame(pd.concat([lost, again]))
    curve = curves["a"]
    assert curve.position.tolist() == STEPS.tolist()
    assert np.allclose(curve.loss, np.where(STEPS > 1500, LOSS, LOSS + 1))
    assert "curve-resumed" in [note.code for note in curves.notes]


def test_rows_in_another_order_are_sorted() -> None:
    curves = Curves.from_frame(frame().sample(frac=1, random_state=1))
    assert np.allclose(curves["a"].loss, LOSS)
    assert not curves.notes


def test_spikes_and_undefined_losses_are_marked_and_not_used() -> None:
    rng = np.random.default_rng(1)
    loss = LOSS * np.exp(rng.normal(0, 0.001, len(LOSS)))
    loss[25] *= 1.1
    loss[30] = np.nan
    curves = Curves.from_frame(frame(loss=loss))
    assert np.flatnonzero(~curves["a"].used).tolist() == [25, 30]
    (note,) = curves.notes
    assert note.code == "curve-points-unused"
    assert "1 missing, 1 spike" in note.text


@pytest.mark.parametrize("last", [np.nan, 4.0])
def test_a_run_that_diverged_is_recognised(last: float) -> None:
    loss = np.where(STEPS > 3600, last, LOSS)
    curves = Curves.from_frame(frame(loss=loss))
    assert curves["a"].diverged
    assert "curve-diverged" in [note.code for note in curves.notes]


def test_thinning_keeps_the_ends_and_is_dense_at_the_last_third() -> None:
    position = np.arange(1, 2001)
    kept = thinned(position, 80)
    assert len(kept) <= 80
    assert kept[0] == 0
    assert kept[-1] == 1999
    assert (kept > 1333).sum() >= 40
    assert np.diff(kept)[:5].max() <= 2


def test_a_trainers_log_is_a_curve_with_its_rates(tmp_path: Path) -> None:
    log = [
        entry
        for step in STEPS.tolist()
        for entry in (
            {"step": step, "loss": 1.0, "learning_rate": 1e-3 * (1 - step / 8000)},
            {"step": step, "eval_loss": 2 + 10 * step**-0.4},
        )
    ]
    folder = tmp_path / "my-run" / "checkpoint-4000"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    curves = Curves.read(folder)
    curve = curves["my-run"]
    assert np.allclose(curve.loss, LOSS)
    assert curve.schedule is not None
    # The peak is the highest rate that was logged.
    assert curve.schedule.at(np.array([4000.0])) == pytest.approx([0.5 / (1 - 100 / 8000)])


def test_a_chart_of_wandb_is_a_curve_for_each_line(tmp_path: Path) -> None:
    chart = pd.DataFrame(
        {
            "train/global_step": STEPS,
            "x - eval/loss": LOSS,
            "x - eval/loss__MIN": LOSS,
            "x - eval/loss__MAX": LOSS,
            "y - eval/loss": [*LOSS[:30], *[np.nan] * 10],
        }
    )
    chart.to_csv(tmp_path / "chart.csv", index=False)
    curves = Curves.read(tmp_path / "chart.csv")
    assert list(curves.curves) == ["x", "y"]
    assert len(curves["y"]) == 30


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("constant", 1.0),
        ("cosine", 0.1),
        ("wsd:decay=0.5,final=0.2", 0.2),
        ("wsd-linear:final=0.0", 0.0),
        ("two-stage:at=0.5,final=0.3", 0.3),
    ],
)
def test_a_declared_schedule_starts_at_its_peak_and_ends_where_it_says(
    text: str, reached: float
) -> None:
    schedule = Schedule.declared(text, 1000.0)
    steps = np.linspace(0, 1000, 20_001)
    rates = schedule.at(steps)
    assert rates[0] == 1
    assert rates[-1] == pytest.approx(reached)
    summed = np.concatenate([[0], np.cumsum((rates[1:] + rates[:-1]) / 2) * 0.05])
    assert np.allclose(schedule.progress(steps), summed, atol=0.05)
    assert -schedule.drops()[2].sum() == pytest.approx(reached)


def test_a_lone_change_in_a_column_is_a_jump_at_its_row() -> None:
    rates = np.where(STEPS < 2000, 3e-4, 1e-4)
    schedule = Schedule.from_column(STEPS, rates, warmup=50)
    assert schedule.at(np.array([25.0, 1999.0, 2000.0])) == pytest.approx([0.5, 1, 1 / 3])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("linear", "did you mean wsd-linear"),
        ("cosine:decay=1", "none of its options"),
        ("wsd:decay=2", "between 0 and 1"),
    ],
)
def test_an_unknown_schedule_is_refused(text: str, said: str) -> None:
    with pytest.raises(BayescaleError, match=said):
        Schedule.declared(text, 1000.0)
