from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED

from bayescale import Runs
from bayescale.base.errors import BayescaleError, RunsError

GOOD = {"run": ["a", "b"], "params": [7e9, 70e9], "tokens": [2e12, 15e12], "loss": [2.1, 1.8]}


def problems(frame: pd.DataFrame) -> list[tuple[int | None, str]]:
    with pytest.raises(RunsError) as caught:
        Runs.from_frame(frame)
    return [(p.row, p.column) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".csv", lambda f, p: f.to_csv(p, index=False)),
        (".parquet", lambda f, p: f.to_parquet(p)),
        (".jsonl", lambda f, p: f.to_json(p, orient="records", lines=True)),
    ],
)
def test_every_format_reads_the_same(
    suffix: str, write: Callable[[pd.DataFrame, Path], None], tmp_path: Path
) -> None:
    path = tmp_path / f"runs{suffix}"
    write(pd.DataFrame(GOOD), path)
    pd.testing.assert_frame_equal(
        Runs.read(path).table, Runs.from_frame(pd.DataFrame(GOOD)).table, check_dtype=False
    )


def test_all_problems_are_reported_at_once_with_row_and_rule() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "b", "b", "d", "e", "f"],
            "params": [70, 7e9, 7e9, 7e9, 7e9, None],
            "params_active": [None, 8e9, None, None, None, None],
            "tokens": ["15e12", "many", "", 2e12, None, 1e12],
            "tokens_low": [None, None, None, None, 3e12, None],
            "tokens_high": [None, None, 1e12, None, 2e12, None],
            "loss": [2.0, 2.0, 2.0, -1.0, float("inf"), 2.0],
        }
    )
    assert set(problems(frame)) == {
        (1, "params"), (2, "params_active"), (2, "tokens"), (3, "run"), (3, "tokens"),
        (4, "loss"), (5, "loss"), (5, "tokens_low"), (6, "params"),
    }  # fmt: skip


def test_a_count_in_billions_is_recognised() -> None:
    with pytest.raises(RunsError, match=r"params=70: .*parameters; .*write 70e9 or 70e12"):
        Runs.from_frame(pd.DataFrame(GOOD | {"params": [7e9, 70]}))


def test_a_token_range_stands_for_a_count() -> None:
    frame = pd.DataFrame({"params": [7e9], "tokens_low": [1e12], "tokens_high": [2e13]})
    runs = Runs.from_frame(frame)
    assert not runs.known_tokens.any()
    assert runs.table["run"].tolist() == ["row-1"]


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"columns": {"loss": "val_loss"}}, "no column 'val_loss'"),
        ({"where": "nope > 1"}, "nope"),
        ({"where": "loss"}, "not a condition"),
        ({"where": "loss >"}, "cannot filter"),
        ({"where": "(loss"}, "cannot filter"),
        ({"where": "lambda: 1"}, "cannot filter"),
        ({"where": "loss > 100"}, "no rows"),
    ],
)
def test_arguments_that_do_not_fit_the_file(arguments: dict, said: str) -> None:
    with pytest.raises(BayescaleError, match=said):
        Runs.from_frame(pd.DataFrame(GOOD), **arguments)


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
