"""Other tools' results as rows of runs, and rows written while a Trainer runs."""

import json
import math
import os
import sqlite3
from pathlib import Path

import pytest

from bayescale import BayescaleError, Runs
from bayescale.runs.readers import READERS, read_results
from bayescale.runs.readers.found import Found, Stated

FILES = Path(__file__).parents[1] / "data" / "readers"


def read(kind: str, path: Path | str, **stated) -> Found:
    return read_results(kind, [FILES / path], Stated(**stated))


def test_the_harness_says_bits_per_byte() -> None:
    (row,) = read("lm-eval", "lm-eval.json", tokens=1e9).rows
    assert row["run"] == "tiny@rolling"
    assert row["params"] == 37792
    assert row["bpb"] == pytest.approx(3.684363032467825)
    assert row["word_perplexity"] == pytest.approx(65513.25162991309)


def test_byte_perplexity_stands_in_for_bits_per_byte(tmp_path: Path) -> None:
    said = json.loads((FILES / "lm-eval.json").read_text("utf-8"))
    bits = said["results"]["rolling"].pop("bits_per_byte,none")
    said["results"]["quiz"] = {"acc,none": 0.5}
    (tmp_path / "a.json").write_text(json.dumps(said), "utf-8")
    found = read("lm-eval", tmp_path / "a.json", tokens=1e9)
    assert found.rows[0]["bpb"] == pytest.approx(bits)
    assert found.left_out == {"a task without bits_per_byte or byte_perplexity": 1}


def test_a_trainers_last_evaluation_is_the_run() -> None:
    found = read("trainer", "trainer_state.json", params=37792, run="tiny")
    state = json.loads((FILES / "trainer_state.json").read_text("utf-8"))
    (row,) = found.rows
    assert row["step"] == 20
    assert row["loss"] == [e["eval_loss"] for e in state["log_history"] if "eval_loss" in e][-1]
    assert row["tokens"] == 20 * 128 * 64
    assert row["flops"] == state["total_flos"]
    assert found.left_out == {"an evaluation before the run's last": 1}


def test_a_wandb_table_and_chart() -> None:
    found = read("wandb", "wandb-runs.csv")
    assert [row["run"] for row in found.rows] == ["ladder-5m", "ladder-20m"]
    assert found.left_out == {"a run that is crashed": 1, "no eval/loss": 1}
    (row,) = read("wandb", "wandb-chart.csv", params=5e6, tokens_per_step=1e5).rows
    assert row == {"run": "ladder-5m", "step": 1000, "loss": 4.21, "params": 5e6, "tokens": 1e8}


def test_mlflow_database_and_folder_hold_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    store = sqlite3.connect(path)
    store.executescript((FILES / "mlflow.sql").read_text("utf-8"))
    store.close()
    columns = {"params": "n_params"}
    found = read("mlflow", path, columns=columns)
    assert found.rows == [
        {"run": "small", "step": 400, "params": 5e6, "tokens": 1e8, "loss": 4.21},
        {"run": "large", "step": 400, "params": 2e7, "tokens": 4e8, "loss": 3.62},
    ]
    assert found.left_out == {"no eval_loss": 1, "a point before a run's last": 4}
    other = read("mlflow", "mlruns", columns=columns)
    assert sorted(other.rows, key=lambda row: row["params"]) == found.rows
    assert other.left_out == found.left_out


def test_epoch_leaves_out_what_is_not_published() -> None:
    found = read("epoch", "epoch.csv")
    assert [row["run"] for row in found.rows] == ["Invented One", 'Invented "Four"']
    assert found.rows[0]["lab"] == "Example Lab"
    assert sum(found.left_out.values()) == 3


def test_tables_of_the_peers() -> None:
    found = read("chinchilla", "chinchilla.csv")
    assert found.rows[2] == {
        "run": "row-3",
        "params": 1e8,
        "tokens": 2e9,
        "flops": 1.2e18,
        "loss": 3.2,
    }
    found = read("simple-scaling-laws", "simple-scaling-laws.csv")
    assert len(found.rows) + sum(found.left_out.values()) == 6
    assert "tokens outside" in next(iter(found.left_out))
    assert all(math.isfinite(row["loss"]) for row in found.rows)


def test_every_reader_is_tested_on_a_file() -> None:
    assert set(READERS) == {
        *("chinchilla", "epoch", "lm-eval", "mlflow", "simple-scaling-laws", "trainer", "wandb")
    }


@pytest.mark.parametrize(
    ("kind", "path", "stated", "said"),
    [
        ("lm-evel", "lm-eval.json", {}, "did you mean lm-eval"),
        ("trainer", "none.json", {}, "no such file"),
        ("trainer", "lm-eval.json", {}, "not a trainer_state.json"),
        ("trainer", "epoch.csv", {}, "not a readable JSON file"),
        ("trainer", "trainer_state.json", {}, "no parameter count .*--params"),
        ("trainer", "trainer_state.json", {"params": 1e6, "tokens": 5e9}, "the file says tokens="),
        ("trainer", "trainer_state.json", {"columns": {"loss": "acc"}}, "no acc was logged"),
        ("lm-eval", "lm-eval.json", {}, "no token count .*--tokens"),
        ("lm-eval", "lm-eval.json", {"columns": {"loss": "x"}}, "no use for lm-eval"),
        ("wandb", "epoch.csv", {}, "neither a table of runs"),
        ("wandb", "wandb-runs.csv", {"columns": {"loss": "val"}}, "no column 'val'"),
        ("mlflow", "epoch.csv", {}, "not a tracking store of MLflow"),
        ("mlflow", ".", {"columns": {"params": "lr"}}, "params outside"),
        ("epoch", "wandb-runs.csv", {}, "no column 'Model'"),
        ("chinchilla", "epoch.csv", {}, "no column 'N'"),
        ("chinchilla", "twice.csv", {}, "two columns are 'N'"),
        ("chinchilla", "long.csv", {}, "row 1 has more cells"),
        ("simple-scaling-laws", "epoch.csv", {}, "no column 'training_run_id'"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(kind, path, stated, said, tmp_path) -> None:
    (tmp_path / "twice.csv").write_text("N,D,N,loss\n1,2,3,4\n", "utf-8")
    (tmp_path / "long.csv").write_text("N,D,loss\n1,2,3,4\n", "utf-8")
    path = tmp_path / path if path in ("twice.csv", "long.csv") else path
    with pytest.raises(BayescaleError, match=said) as error:
        read(kind, path, **stated)
    assert "\n" not in str(error.value)


def test_the_command_adds_rows_once(run, tmp_path: Path) -> None:
    asked = ("measure", "read", "wandb", FILES / "wandb-runs.csv", "--out", "runs.csv")
    code, out, err = run(*asked)
    assert code == 0
    assert "ladder-20m" in out
    assert "1 left out: a run that is crashed" in err
    assert "2 of 2 rows added to runs.csv\n" in err
    code, out, err = run(*asked, "--json")
    assert json.loads(out)["left_out"]["no eval/loss"] == 1
    assert "0 of 2 rows added" in err
    assert len(Runs.read(tmp_path / "runs.csv")) == 2
    code, _, err = run("measure", "read", "wandb", FILES / "wandb-runs.csv", "--column", "x=y")
    assert code == 2
    assert err.count("\n") == 1


def train(folder: Path, callback, **more) -> None:
    """A tiny Llama for 20 steps of 128 sequences of 64 tokens, evaluated every 10."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import tiny_models
    import torch
    import transformers

    torch.set_num_threads(1)  # so small a model is only slowed by more
    model = transformers.AutoModelForCausalLM.from_pretrained(
        tiny_models.save(folder / "model", seed=3)
    )
    tokens = torch.randint(2, 40, (128, 64), generator=torch.Generator().manual_seed(0))
    data = [{"input_ids": row, "labels": row} for row in tokens]
    arguments = transformers.TrainingArguments(
        str(folder / "tiny"),
        max_steps=20,
        per_device_train_batch_size=128,
        eval_strategy="steps",
        eval_steps=10,
        logging_steps=10,
        save_steps=20,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **{"include_num_input_tokens_seen": "all", **more},
    )
    transformers.Trainer(
        model,
        arguments,
        train_dataset=data,
        eval_dataset=data[:32],
        callbacks=[callback],
    ).train()


def test_a_trainer_writes_rows_while_it_runs(tmp_path: Path, capsys) -> None:
    pytest.importorskip("accelerate")
    from bayescale.measure.callback import RunsCallback

    path = tmp_path / "runs.csv"
    train(tmp_path, RunsCallback(path, run="tiny"))
    table = Runs.read(path).table
    assert list(table["run"]) == ["tiny@20"]  # 10 steps are fewer tokens than a table takes
    assert "tiny@10: row 1 (tiny@10): tokens=81920" in capsys.readouterr().err
    state = tmp_path / "tiny" / "checkpoint-20" / "trainer_state.json"
    (row,) = read_results("trainer", [state], Stated(params=37792)).rows
    last = table.iloc[-1]
    assert row["run"] == "tiny"
    assert last["tokens"] == row["tokens"] == 20 * 128 * 64
    assert last["loss"] == row["loss"]
    assert last["params"] == 37792
    assert last["flops"] == 6 * 37792 * row["tokens"]

    with pytest.raises(BayescaleError, match="does not count tokens"):
        train(tmp_path, RunsCallback(path, run="other"), include_num_input_tokens_seen="no")
