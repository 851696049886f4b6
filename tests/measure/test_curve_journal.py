"""The curve that a Trainer's callback writes, and what it says of the end."""

import re
from pathlib import Path

import numpy as np
import pytest

from bayescale import BayescaleError
from bayescale.measure.curve_journal import CurveJournal


def loss(step: float) -> float:
    return 2.5 + 8 * step**-0.5


def journal(path: Path, steps: range) -> CurveJournal:
    rng = np.random.default_rng(0)
    kept = CurveJournal(path, "mine")
    for step in steps:
        kept.add(step, loss(step) * float(np.exp(rng.normal(0, 0.003))), None)
    return kept


def ends(line: str) -> tuple[float, float, float]:
    found = re.search(r"ends at ([\d.]+), ([\d.]+) to ([\d.]+)", line)
    assert found is not None, line
    median, lower, upper = map(float, found.groups())
    return median, lower, upper


def test_forecasts_of_the_end_hold_and_narrow(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    early = ends(journal(path, range(10, 1000, 10)).forecast(4000, None))
    # Killed and begun again from a checkpoint: steps that were logged come once more.
    again = journal(path, range(900, 3000, 10))
    late = ends(again.forecast(4000, None))
    for _, lower, upper in (early, late):
        assert lower < loss(4000) < upper
    assert late[2] - late[1] < early[2] - early[1]
    again.add(3010, loss(3010), None)
    assert "at step 3010 of 4000" in again.forecast(4000, None)


def test_another_file_and_too_few_points_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BayescaleError, match="a curve needs 5"):
        journal(tmp_path / "few.csv", range(10, 40, 10)).forecast(100, None)
    (tmp_path / "runs.csv").write_text("run,params,tokens,loss\n", "utf-8")
    with pytest.raises(BayescaleError, match="name another file") as caught:
        journal(tmp_path / "runs.csv", range(10, 20, 10))
    assert len(str(caught.value).splitlines()) == 1
