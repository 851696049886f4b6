"""Tables of scores: what is found in them, and what is refused in one line."""

import pandas as pd
import pytest
from known_scores import score_table

from bayescale import Runs
from bayescale.base.errors import BayescaleError, RunsError
from bayescale.runs.benchmarks.registry import known, shipped
from bayescale.runs.benchmarks.scores import Scores


def scores(table: pd.DataFrame, columns: dict[str, str] | None = None) -> Scores:
    return Scores.of(Runs.from_frame(table, blank_counts=True), columns)


def test_every_shipped_benchmark_has_a_source_and_a_chance_that_its_metric_allows() -> None:
    for name, each in shipped().items():
        assert each.source, name
        assert each.chance < 0.6, name
        assert each.questions >= 100, name


def test_headers_with_prefix_other_case_and_split_are_found() -> None:
    table = score_table(0).rename(columns={"mmlu": "acc_MMLU_test", "winogrande": "obs_Winograd"})
    found = scores(table)
    assert found.columns["mmlu"] == "acc_MMLU_test"
    assert found.columns["winogrande"] == "obs_Winograd"
    assert found.losses.empty


def test_models_without_a_score_are_left_out_and_counts_may_be_blank() -> None:
    table = score_table(0)
    table.loc[3, ["mmlu", "hellaswag", "gsm8k", "winogrande"]] = None
    table.loc[4, "tokens"] = None
    assert len(scores(table)) == len(table) - 1
    assert len(scores(table).with_compute()) == len(table) - 2


def test_contaminated_models_are_declared_of_all_benchmarks_or_of_one() -> None:
    table = score_table(0).rename(columns={"mmlu": "acc_mmlu"})
    table["contaminated"] = ["yes"] + ["no"] * (len(table) - 1)
    table["contaminated_mmlu"] = table.index == 1
    table["contaminated_acc_mmlu"] = table.index == 2
    found = scores(table, {"mmlu": "acc_mmlu", "gsm8k": "gsm8k"}).contaminated
    assert found["mmlu"].to_numpy().nonzero()[0].tolist() == [0, 1, 2]
    assert found["gsm8k"].to_numpy().nonzero()[0].tolist() == [0]
    # Of a benchmark that is not asked for.
    scores(table.assign(contaminated_winogrande=False), {"mmlu": "acc_mmlu"})
    with pytest.raises(BayescaleError, match="did you mean contaminated_mmlu"):
        scores(table.assign(contaminated_mmul=False))
    with pytest.raises(RunsError, match="contaminated_mmlu=maybe: true or false"):
        scores(table.astype({"contaminated_mmlu": object}).assign(contaminated_mmlu="maybe"))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"mmlu": 63.4}, "row 2 (model-1): mmlu=63.4: a share, not per cent: write 0.634"),
        ({"mmlu": 1.2}, "mmlu=1.2: a score is a share from 0 to 1"),
        ({"mmlu": -0.1}, "mmlu=-0.1: a score is a share from 0 to 1"),
        ({"mmlu": "n/a"}, "mmlu=n/a: is no number; leave the cell empty"),
    ],
)
def test_a_score_that_is_no_share_is_one_line(cells: dict[str, object], said: str) -> None:
    table = score_table(0).astype({"mmlu": object})
    for column, value in cells.items():
        table.loc[1, column] = value
    with pytest.raises(RunsError) as caught:
        scores(table)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_chance_above_every_score_is_refused() -> None:
    table = score_table(0)
    table["mmlu"] = 0.1
    with pytest.raises(RunsError, match=r"mmlu: chance 0.25 is above the score of every model"):
        scores(table)


def test_an_unknown_benchmark_and_two_columns_of_one_are_refused() -> None:
    with pytest.raises(BayescaleError, match=r"benchmark 'mmul' not found; did you mean mmlu\?"):
        scores(score_table(0), {"mmul": "mmlu"})
    twice = score_table(0).assign(acc_mmlu_val=0.4)
    with pytest.raises(BayescaleError, match="mmlu has two columns, mmlu and acc_mmlu_val"):
        scores(twice)
    with pytest.raises(BayescaleError, match="no column names a known benchmark"):
        scores(score_table(0)[["run", "params", "tokens"]])


def test_a_card_adds_benchmarks_and_comes_first(tmp_path) -> None:
    card = tmp_path / "own.toml"
    card.write_text(
        '[quiz]\ntitle = "Quiz"\nchance = 0.2\nquestions = 50\n'
        '[mmlu]\ntitle = "MMLU"\nchance = 0.1\nquestions = 10\n'
    )
    assert known(card)["quiz"].questions == 50
    assert known(card)["mmlu"].chance == 0.1
    card.write_text('[quiz]\ntitle = "Quiz"\nchance = 1.2\nquestions = 50\n')
    with pytest.raises(BayescaleError, match=r"quiz\.chance"):
        known(card)
