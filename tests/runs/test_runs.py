"""Runs: what they keep, under which names, and what they answer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from bayescale import Runs
from bayescale.base.errors import BayescaleError
from bayescale.evaluation.splits import read_suite

GOOD = {"run": ["a", "b"], "params": [7e9, 70e9], "tokens": [2e12, 15e12], "loss": [2.1, 1.8]}


def test_text_and_numbers_survive_being_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "run": [f"r{i}" for i in range(99)],
            "family": "007",
            "lab": "None",
            "params": rng.lognormal(22, 2, 99),
            "tokens": rng.lognormal(27, 2, 99),
            "mixed": [1, "one", None] * 33,
        }
    )
    runs = Runs.from_frame(frame)
    (tmp_path / "runs.jsonl").write_text(runs.to_jsonl(), "utf-8")
    again = Runs.read(tmp_path / "runs.jsonl")
    pd.testing.assert_frame_equal(again.table, runs.table, check_exact=True)
    frame.to_csv(tmp_path / "runs.csv", index=False)
    assert set(Runs.read(tmp_path / "runs.csv").table["family"]) == {"007"}


def test_other_headers_and_a_filter() -> None:
    frame = pd.DataFrame({"N": [7e9, 7], "D": [2e12, 2e12], "ok": [True, False], "loss": [9, 9]})
    runs = Runs.from_frame(frame, columns={"params": "N", "tokens": "D"}, where="ok")
    assert runs.table["params"].tolist() == [7e9]
    assert runs.table.index.tolist() == [1]  # rows keep their place in the file


def test_headers_may_trade_places() -> None:
    frame = pd.DataFrame({"params": [2e12], "tokens": [7e9], "val": [2.0], "loss": [9.0]})
    columns = {"params": "tokens", "tokens": "params", "loss": "val"}
    table = Runs.from_frame(frame, columns=columns).table
    assert table[["params", "tokens", "loss"]].values.tolist() == [[7e9, 2e12, 2.0]]


def test_suffixes_are_read_where_asked_for() -> None:
    frame = pd.DataFrame({"params": ["70B", "7e9"], "tokens": ["1.5T", 2e12], "note": ["3B", ""]})
    runs = Runs.from_frame(frame, units=True, where="params > 1e10")
    assert runs.table[["params", "tokens", "note"]].values.tolist() == [[70e9, 1.5e12, "3B"]]
    with pytest.raises(BayescaleError, match=r"params=70B: not a number; .*--units"):
        Runs.from_frame(frame)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": {"loss": "val_loss"}}, "no column 'val_loss'"),
        ({"columns": {"loss": "note", "bpc": "note"}}, "column 'note' is mapped twice"),
        ({"where": "N < 4e8"}, "no column is named N; there are run, params, tokens, loss"),
        ({"where": "loss"}, "not a condition"),
        ({"where": "loss >"}, "cannot filter"),
        ({"where": "(loss"}, "cannot filter"),
        ({"where": "lambda: 1"}, "cannot filter"),
        ({"where": "@pd.io.common.os.system('true') == 0"}, "cannot filter: unexpected @"),
        ({"where": 3}, "3 is not a condition"),
        ({"where": "loss > 100"}, "no rows"),
    ],
)
def test_arguments_that_do_not_fit_the_file(arguments: dict, message: str) -> None:
    frame = pd.DataFrame(GOOD)
    with pytest.raises(BayescaleError, match=message):
        Runs.from_frame(frame.assign(note="x") if "columns" in arguments else frame, **arguments)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("released >= '2024-03-01'", ["b"]),
        ("released == '2024-01-02'", ["a"]),
        ("isnull(note)", ["b"]),
        ("whole > 1", ["b"]),
        ("flag == true", ["a"]),
        ("kind in ('x', 'y')", ["a"]),
    ],
)
def test_a_filter_reads_columns_of_every_kind(where: str, kept: list[str]) -> None:
    frame = pd.DataFrame(GOOD).assign(
        released=pd.to_datetime(["2024-01-02", "2024-05-06"]),
        note=["n", None],
        whole=pd.array([None, 2], dtype="Int64"),
        flag=[True, None],
        kind=pd.Categorical(["x", "z"]),
    )
    assert Runs.from_frame(frame).keep(where).table["run"].tolist() == kept


def test_which_parameters_a_law_sees(table: Runs) -> None:
    moe = table.table["architecture"] == "moe"
    assert (table.seen_params("active")[moe] < table.seen_params("total")[moe]).all()
    assert (table.seen_params("active")[~moe] == table.seen_params("total")[~moe]).all()


def test_the_bundled_table_says_what_its_card_says(table: Runs) -> None:
    frame = table.table
    assert len(frame) == 28
    assert frame["reference_fit"].sum() == 21
    latent = frame[~table.known_tokens]
    assert set(latent["run"]) == {
        "Mistral-7b", "Mixtral-8x7B", "Mixtral-8x22B-v0.1", "Qwen-1.5-32b", "Qwen1.5-110B",
    }  # fmt: skip
    assert (latent["tokens_status"] == "undisclosed").all()
    corpora = frame[["bpc_common_crawl", "bpc_python", "bpc_arxiv_math"]].mean(axis="columns")
    assert (corpora - frame["bpc"]).abs().max() < 0.001


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data here")
@pytest.mark.parametrize(
    ("file", "rows"),
    [("gadre_overtraining", 104), ("datablations_trajectories", 1440), ("routed_moe_clark", 223),
     ("olmo_ladder", 32), ("porian_rw_isoflops", 472)],
)  # fmt: skip
def test_real_tables_pass_the_checks(file: str, rows: int) -> None:
    assert len(Runs.read(SHARED / f"{file}.csv")) == rows


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data here")
@pytest.mark.parametrize("suite", ["backtests", "backtests_far"])
def test_splits_of_the_suites_are_those_that_pandas_makes(suite: str) -> None:
    import tomllib

    path = SHARED / f"{suite}.toml"
    for entry, split in zip(
        tomllib.loads(path.read_text())["backtest"], read_suite(path), strict=True
    ):
        frame = pd.read_csv(SHARED / entry["file"])
        kept = frame.query(entry["where"]) if "where" in entry else frame
        train = kept.query(entry["train"])
        assert split.train.table["run"].tolist() == train["run"].astype(str).tolist()
        assert split.test.table["run"].tolist() == (
            kept.drop(index=train.index)["run"].astype(str).tolist()
        )


HOSTILE = "@pd.io.common.os.system('touch X') == 0"


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        (f'where = "{HOSTILE}"\ntrain = "loss < 2"', "cannot filter"),
        (f'train = "{HOSTILE}"', "cannot filter"),
        ("train = 3", r"\[\[backtest\]\] 1: train must be text"),
        ('train = "loss < 2"\nwhere = true', "where must be text"),
        ("", "train must be text"),
        ("train = " + "[" * 50_000, "brackets nest too deeply"),
    ],
)
def test_a_suite_is_data(
    suite: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(GOOD).to_csv("runs.csv", index=False)
    Path("suite.toml").write_text(f'[[backtest]]\nname = "s"\nfile = "runs.csv"\n{suite}\n')
    with pytest.raises(BayescaleError, match=message) as caught:
        read_suite("suite.toml")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.csv", "suite.toml"]


def test_a_condition_on_an_unknown_column_lists_those_there_are() -> None:
    with pytest.raises(BayescaleError, match=r"no column is named N; there are run, .*params"):
        Runs.read("open-llm-bpc", where="N < 4e8")
