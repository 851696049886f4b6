"""The report's section on runs that are training now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bayescale import BayescaleError
from bayescale.report.content.running import Running, running
from bayescale.runs.curves import Curves

CURVES = Path(__file__).parents[2] / "docs" / "examples" / "curves.csv"
PLANNED = ("--schedule", "cosine:warmup=200", "--end", "20000")


@pytest.mark.slow
def test_the_page_says_where_a_run_ends_as_the_command_does(
    fitted_dir: Path, tmp_path: Path, run
) -> None:
    chosen = ("--run", "cosine-20k", *PLANNED)
    code, _, err = run("report", fitted_dir, "--out", "page", "--curves", CURVES, *chosen)
    assert code == 0, err
    written = json.loads((tmp_path / "page" / "report.json").read_text("utf-8"))
    code, out, _ = run("curve", "forecast", CURVES, *chosen, "--json")
    (asked,) = json.loads(out)["rows"]
    assert written["running"]["rows"] == [asked]
    assert written["running"]["ahead"]["cosine-20k"][-1]["median"] == asked["median"]
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    text = (tmp_path / "page" / "report.md").read_text("utf-8")
    for shown in (page, text):
        assert "Runs in progress" in shown
        assert f"{asked['lower']:.3f} to {asked['upper']:.3f}" in shown
    assert "the learning rate beneath" in page
    command = written["reproduce"]["command"]
    assert command.endswith(
        f"--curves {CURVES} --run cosine-20k --schedule {PLANNED[1]} --end 20000.0"
    )


def test_all_runs_of_a_file_compete_for_the_lowest_end() -> None:
    curves = Curves.read(CURVES, schedule="cosine:warmup=200", end=20000)
    content, figures = running(Running(curves, end=20000), target=3.15)
    assert sum(row["best"] for row in content["rows"]) == pytest.approx(1)
    assert all(0 <= row["below_target"] <= 1 for row in content["rows"])
    assert len(figures) == len(curves) == 3


def test_runs_that_have_ended_are_said(run, fitted_dir: Path) -> None:
    with pytest.raises(BayescaleError, match="no run is in progress"):
        running(Running(Curves.read(CURVES), ["wsd-10k"]), None)
    for options, says in (
        ((fitted_dir, "--end", "20000"), "name their file: --curves FILE"),
        (("--comparison", "old.json"), "name the folders of the fits that were compared"),
    ):
        code, _, err = run("report", *options)
        assert code == 2
        assert says in err
        assert err.count("\n") == 1
