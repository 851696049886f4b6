"""The report for one's own table: what was asked comes first, and what changed since."""

import json
from pathlib import Path

import numpy as np
import pytest
from known_laws import TRUTH

from bayescale import Fit, Runs, ScalingModel, Settings, Spec
from bayescale.base.errors import BayescaleError
from bayescale.report.content.changes import earlier
from bayescale.report.write import write
from bayescale.testing import ladder, simulate

pytestmark = pytest.mark.slow
QUESTION, TARGET, BUDGET = "params=30B,tokens=600B", 0.45, 1e23


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same law a week ago and now: with 20 runs more, and one corrected."""
    spec = Spec.load("chinchilla").replace(groups=False)
    truth = TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}
    now = simulate(spec, ladder(), truth, seed=3).table
    old = now.iloc[:80].copy()
    old.loc[old.index[5], "bpc"] *= 1.01
    folder = tmp_path_factory.mktemp("asked")
    settings = Settings(draws=400, tune=400, chains=2)
    return {
        name: ScalingModel(spec)
        .fit(Runs.from_frame(table, name=name), settings)
        .save(folder / name)
        for name, table in (("old", old), ("now", now))
    }


@pytest.fixture(scope="module")
def asked(fits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("report")
    return write(
        [Fit.load(fits["now"])],
        out,
        command="bayescale report",
        points=[{"params": 30e9, "tokens": 600e9}],
        target=TARGET,
        budget=BUDGET,
        against=fits["old"],
    )


def headings(report: dict) -> list[str]:
    blocks = report["document"]["sections"][0]["blocks"]
    return [block["text"] for block in blocks if block["kind"] == "heading"]


def test_answers_come_first_and_what_does_not_apply_is_left_out(asked: dict) -> None:
    sections = [section["id"] for section in asked["document"]["sections"]]
    assert sections[:3] == ["answer", "changes", "forecast"]
    assert not {"families", "exhaustion"} & set(sections)
    assert "plan" in sections
    first = asked["document"]["sections"][0]["blocks"]
    assert first[0]["text"] == "What bpc will 30B parameters on 600B tokens reach?"
    assert "decades outside the data" in first[2]["text"]
    assert headings(asked) == [
        "What would it take to reach 0.450 bits per character?",
        "What do 1.00e+23 FLOP buy?",
        "How far to trust it",
    ]


def test_the_answers_are_those_of_the_commands(asked: dict, fits: dict[str, Path]) -> None:
    fit, section = Fit.load(fits["now"]), asked["fits"][0]
    prediction = fit.predict({"params": 30e9, "tokens": 600e9}, "run")
    row = section["predictions"][0]
    assert row["probability"] == float(prediction.probability_of_reaching(TARGET)[0])
    assert row["new_run"]["upper"] == prediction.table()["upper"].iloc[0]
    reaching = fit.invert(TARGET, params=30e9, prob=0.5)
    assert section["inverse"][0]["tokens"] == reaching.tokens
    budget = section["budget"]
    sizes = {name: budget["forecast"][name] for name in ("params", "tokens")}
    assert 6 * np.prod(list(sizes.values())) == pytest.approx(BUDGET)
    assert sizes["params"] == pytest.approx(budget["best"]["params"]["median"])
    assert section["decisions"]["budgets"][1]["flops"] == BUDGET
    again = fit.predict(sizes, "run")
    assert budget["probability"] == float(again.probability_of_reaching(TARGET)[0])


def test_what_changed_since_last_week(asked: dict, fits: dict[str, Path]) -> None:
    old = Fit.load(fits["old"])
    changes = asked["changes"]
    assert len(changes["runs"]["new"]) == 20
    assert changes["runs"]["gone"] == []
    assert changes["runs"]["changed"] == [old.runs.table["run"].iloc[5]]
    shown = {row["name"]: row for row in changes["parameters"]}
    assert {"E", "A", "B", "alpha", "beta", "sigma"} <= set(shown)
    assert "level" not in shown
    assert shown["alpha"]["old"]["median"] == pytest.approx(old.summary().at["alpha", "median"])
    (forecast,) = changes["forecasts"]
    before = old.predict({"params": 30e9, "tokens": 600e9}, "run").table().iloc[0]
    assert forecast["old"]["lower"] == pytest.approx(before["lower"])
    assert forecast["new"]["lower"] == asked["fits"][0]["predictions"][0]["new_run"]["lower"]


def test_the_command_takes_a_question_alone_and_an_earlier_report(
    run, fits: dict[str, Path], tmp_path: Path
) -> None:
    common = ("--question", QUESTION, "--out")
    code, _, error = run("report", str(fits["old"]), *common, "old", "--json")
    assert code in (0, 3), error
    sections = (tmp_path / "old" / "report.md").read_text("utf-8")
    assert "## Plan" not in sections
    assert "What would it take" not in sections
    code, _, error = run("report", str(fits["now"]), *common, "now", "--against", "old", "--json")
    assert code in (0, 3), error
    report = json.loads((tmp_path / "now" / "report.json").read_text("utf-8"))
    assert len(report["changes"]["runs"]["new"]) == 20
    assert len(report["changes"]["forecasts"]) == 1
    assert f"--question {QUESTION} --against old" in report["reproduce"]["command"]


def test_what_cannot_be_compared_is_one_line(
    fits: dict[str, Path], fitted_dir: Path, run, tmp_path: Path
) -> None:
    code, _, error = run("report", str(fits["now"]), "--against", "nowhere")
    assert code == 2
    assert "nowhere: neither a fit's folder nor a report's" in error
    code, _, error = run("report", str(fits["now"]), "--budget", "0")
    assert code == 2
    assert "must be positive" in error


def test_a_budget_under_a_law_without_a_best_size(fitted: Fit, tmp_path: Path) -> None:
    report = write([fitted], tmp_path, command="bayescale report", budget=1e24)
    assert report["fits"][0]["budget"]["best"] is None
    assert headings(report)[0] == "What do 1.00e+24 FLOP buy?"
    with pytest.raises(BayescaleError, match="predicts bpc, not loss"):
        earlier(tmp_path, "loss", [])
