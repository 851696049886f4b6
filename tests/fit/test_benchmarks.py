"""Fits of benchmark scores: the truth is recovered, and what is asked of them."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import ended
from known_scores import TRUTH, score_table, two_stage_table

from bayescale import Runs
from bayescale.base.errors import BayescaleError, FitError
from bayescale.evaluation.benchmarks import beyond_frontier, held_out
from bayescale.fit.benchmarks.fit import BenchmarkFit, fit_benchmarks
from bayescale.fit.benchmarks.notes import score_notes
from bayescale.fit.folder import read
from bayescale.model.benchmarks import formulas
from bayescale.runs.benchmarks.scores import Scores

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from emergence import emergent_table


def scores(table: pd.DataFrame) -> Scores:
    return Scores.of(Runs.from_frame(table, blank_counts=True))


@pytest.fixture(scope="module")
def fitted() -> BenchmarkFit:
    return fit_benchmarks(scores(score_table(1)), show_progress=False, ess=400)


@pytest.mark.long
def test_it_converges_and_recovers_the_curves(fitted: BenchmarkFit) -> None:
    assert fitted.form == "latent"
    assert fitted.convergence.passed
    table = fitted.scores.runs.table
    centre = {name: float(np.exp(np.log(table[name]).mean())) for name in ("params", "tokens")}
    found = fitted.predict(centre, "curve").set_index("benchmark")
    for name, (chance, level, _) in TRUTH.items():
        truth = chance + (0.97 - chance) / (1 + np.exp(-level))
        assert found.loc[name, "lower"] < truth < found.loc[name, "upper"]
        assert found.loc[name, "upper"] - found.loc[name, "lower"] < 0.5


@pytest.mark.long
def test_intervals_grow_beyond_the_frontier_and_for_a_new_family(fitted: BenchmarkFit) -> None:
    at = {"params": 3e10, "tokens": 5e12}
    known, new = (
        fitted.predict({**at, "family": name}, benchmarks=["mmlu"]).iloc[0]
        for name in ("family-0", "new")
    )
    assert known["upper"] - known["lower"] < new["upper"] - new["lower"]
    far = {"params": 3e13, "tokens": 5e14, "family": "family-0"}
    assert fitted.predict(far)["decades_outside"].iloc[0] > 3
    assert fitted.outside_notes(pd.DataFrame([far]))
    assert not fitted.outside_notes(pd.DataFrame([at]))


@pytest.mark.long
def test_a_prediction_is_of_a_model_that_has_not_seen_the_questions() -> None:
    table = score_table(2)
    seen = table.index.isin([1, 7, 8, 14, 21, 28])
    clean = table["gsm8k"].clip(0.001)
    table["gsm8k"] = clean.where(~seen, 1 / (1 + (1 / clean - 1) * np.exp(-2.0)))
    table["contaminated_gsm8k"] = seen
    fit = fit_benchmarks(scores(table), "direct", show_progress=False)
    added = formulas.contamination({"contamination_z": fit.posterior["contamination_z"]}, 1, np)
    assert float(added.sel(benchmark="gsm8k").median()) == pytest.approx(2.0, abs=0.5)
    points = table.loc[seen & clean.notna(), ["params", "tokens", "family"]]
    found = fit.predict(points, benchmarks=["gsm8k"])
    truth = clean[points.index].to_numpy()
    assert ((truth > found["lower"]) & (truth < found["upper"])).mean() > 0.7
    assert (
        abs(found["median"] - truth).mean() < abs(table["gsm8k"][points.index] - truth).mean() / 3
    )


@pytest.mark.long
def test_reach_is_where_a_prediction_reaches(fitted: BenchmarkFit) -> None:
    found = fitted.reach("mmlu", 0.6, family="family-0", prob=0.5)
    at = {"params": found["params"], "tokens": found["tokens"], "family": "family-0"}
    median = fitted.predict(at).set_index("benchmark").loc["mmlu", "median"]
    assert median == pytest.approx(0.6, abs=0.03)
    assert fitted.reach("mmlu", 0.6, family="family-0", prob=0.9)["flops"] > found["flops"]
    beyond = fitted.reach("mmlu", 0.999)
    assert beyond["flops"] is None
    assert beyond["probability"] < 0.9


@pytest.mark.long
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"benchmark": "mmul", "target": 0.5}, "did you mean mmlu"),
        ({"benchmark": "mmlu", "target": 80}, "write 0.8"),
        ({"benchmark": "mmlu", "target": 0.5, "family": "family-x"}, "family 'family-x' not found"),
    ],
)
def test_a_question_that_has_no_answer_is_one_line(
    fitted: BenchmarkFit, asked: dict, said: str
) -> None:
    with pytest.raises(BayescaleError, match=said):
        fitted.reach(**asked)


@pytest.mark.long
def test_a_folder_gives_back_the_same_predictions(fitted: BenchmarkFit, tmp_path: Path) -> None:
    place = fitted.save(tmp_path / "fit")
    again = BenchmarkFit.load(place)
    at = {"params": 1e10, "tokens": 1e12}
    pd.testing.assert_frame_equal(again.predict(at), fitted.predict(at))
    with pytest.raises(FitError, match="bayescale benchmarks predict"):
        read(place)
    (place / "scores.jsonl").write_text("{}")
    with pytest.raises(FitError, match="damaged: scores"):
        BenchmarkFit.load(place)


@pytest.mark.long
def test_commands_answer_from_a_folder(fitted: BenchmarkFit, tmp_path: Path) -> None:
    place = str(fitted.save(tmp_path / "fit"))
    command = ("benchmarks", "predict", place)
    code, out, err = ended(*command, "--at", "params=70B,tokens=15T", "--quiet")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    flops = ("--at", "flops=1e24,tokens_per_param=20,family=family-1")
    code, out, _ = ended(*command, *flops, "--benchmark", "mmlu", "--json")
    (row,) = json.loads(out)["rows"]
    assert row["params"] * row["tokens"] * 6 == pytest.approx(1e24)
    assert 0.25 < row["lower"] < row["median"] < row["upper"] < 1
    reach = ("benchmarks", "reach", place, "mmlu", "--json")
    code, out, _ = ended(*reach, "--target", "0.6", "--family", "family-1")
    half, most = json.loads(out)["rows"]
    assert code == 0
    assert half["flops"] < most["flops"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("params=70B", "give two of params, tokens, flops, tokens_per_param"),
        ("params=70B,tokens=15T,famly=x", "did you mean family"),
        ("params=70B,tokens=-1", "must be positive"),
        ("params=70B,tokens=15T,instruct=maybe", "instruct is true or false"),
        ("params=70B,tokens=15T,family=famly-1", "did you mean family-1"),
    ],
)
def test_a_point_that_cannot_be_is_one_line(
    fitted: BenchmarkFit, tmp_path: Path, at: str, said: str
) -> None:
    place = str(fitted.save(tmp_path / "fit"))
    code, _, err = ended("benchmarks", "predict", place, "--at", at)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_table_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    table = score_table(0)
    table["mmlu"] *= 100
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    out = ("--out", str(tmp_path / "fit"))
    code, _, err = ended("benchmarks", "fit", str(path), *out)
    assert code == 2
    assert "a share, not per cent" in err
    code, _, err = ended("benchmarks", "fit", str(path), *out, "--benchmark", "mmul=mmlu")
    assert code == 2
    assert "did you mean mmlu?" in err
    assert not (tmp_path / "fit").exists()


def test_benchmarks_at_chance_are_said_and_a_form_needs_what_it_needs() -> None:
    table = score_table(2)
    table["mmlu"] = 0.251
    codes = {note.code for note in score_notes(scores(table))}
    assert "at-chance" in codes
    with pytest.raises(BayescaleError, match="two-stage form needs losses"):
        fit_benchmarks(scores(table), "two-stage")
    with pytest.raises(BayescaleError, match="frontier=1e\\+30"):
        beyond_frontier(scores(table), 1e30)


@pytest.mark.slow
def test_what_rises_beyond_the_frontier_is_inside_a_wide_interval() -> None:
    table, below, at_chance = emergent_table(2)
    assert table.rows(below).at_chance == at_chance == ["task_3", "task_9"]
    (done,) = held_out(table, [(below, ~below)], "latent")
    rising = done.points["benchmark"].isin(at_chance)
    assert done.points["inside"].mean() >= 0.85
    assert done.points["inside"][rising].mean() >= 0.8  # 12 scores of two benchmarks
    width = done.points["upper"] - done.points["lower"]
    assert width[rising].mean() > 2 * width[~rising].mean()


@pytest.mark.long
def test_two_stages_predict_the_largest_size() -> None:
    table = scores(two_stage_table(3))
    below, above = beyond_frontier(table, 5e20)
    (done,) = held_out(table, [(below, above)])
    assert done.form == "two-stage"
    assert done.convergence.passed
    assert done.coverage >= 0.75
    assert done.rmse < 0.04


@pytest.mark.long
def test_intervals_of_held_out_models_hold_as_often_as_they_say() -> None:
    inside = []
    for seed in range(10):
        table = scores(score_table(seed))
        test = np.arange(len(table)) % 5 == 0
        (done,) = held_out(table, [(~test, test)])
        inside.append(done.points["inside"])
    assert 0.85 <= np.concatenate(inside).mean() <= 0.96
