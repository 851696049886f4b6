"""Other tools' results as rows of runs, and rows written while a Trainer runs."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import bayescale
from bayescale import BayescaleError, Runs
from bayescale.runs.readers import FORMATS
from bayescale.runs.results import ReadOptions, Results, read_results

FILES = Path(__file__).parents[1] / "data" / "readers"


def read(kind: str, path: Path | str, **options) -> Results:
    """`params` and `tokens` as the command's options of these names."""
    values = {name: options.pop(name) for name in ("params", "tokens") if name in options}
    values |= options.pop("values", {})
    return read_results(kind, [FILES / path], ReadOptions(values=values, **options))


def codes(results: Results) -> set[str]:
    return {note.code for note in results.notes}


def test_the_harness_says_bits_per_byte() -> None:
    (row,) = read("lm-eval", "lm-eval.json", tokens=1e9).rows
    assert row["run"] == "tiny@rolling"
    assert row["params"] == 37792
    assert row["bpb"] == pytest.approx(3.684363032467825)
    assert row["word_perplexity"] == pytest.approx(65513.25162991309)


def harness(path: Path, metrics: dict[str, object], **config) -> Path:
    """A results file as version 0.2 or 0.3 of the harness wrote it."""
    content = {"results": {"wikitext": metrics}, "versions": {"wikitext": 0}, "config": config}
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_byte_perplexity_stands_in_for_bits_per_byte(tmp_path: Path) -> None:
    content = json.loads((FILES / "lm-eval.json").read_text("utf-8"))
    bits = content["results"]["rolling"].pop("bits_per_byte,none")
    content["results"]["quiz"] = {"acc,none": 0.5}
    (tmp_path / "a.json").write_text(json.dumps(content), "utf-8")
    results = read("lm-eval", tmp_path / "a.json", tokens=1e9)
    assert results.rows[0]["bpb"] == pytest.approx(bits)
    assert results.left_out == {"no bits_per_byte": 1}
    assert "nats-per-byte" not in codes(results)


def test_old_bits_per_byte_are_nats(tmp_path: Path) -> None:
    bits = 0.6102
    old = {"byte_perplexity": 2**bits, "bits_per_byte": bits * math.log(2)}
    results = read("lm-eval", harness(tmp_path / "a.json", old), params=7e9, tokens=2e12)
    assert results.rows[0]["bpb"] == pytest.approx(bits)
    assert "nats-per-byte" in codes(results)
    assert any("nats per byte" in note.text for note in results.notes)
    unlike = {"byte_perplexity": 2**bits, "bits_per_byte": 0.9}
    results = read("lm-eval", harness(tmp_path / "b.json", unlike), params=7e9, tokens=2e12)
    assert results.rows[0]["bpb"] == pytest.approx(bits)
    assert any("is not the logarithm" in note.text for note in results.notes)


def test_shots_do_not_make_two_measurements_of_one_checkpoint(tmp_path: Path) -> None:
    metrics = {"byte_perplexity": 1.6, "bits_per_byte": math.log2(1.6)}
    files = [
        harness(tmp_path / "70m_step1000.json", metrics, num_fewshot=0),
        harness(tmp_path / "70m-5shot_step1000.json", metrics, num_fewshot=5),
    ]
    options = ReadOptions(values={"params": 7e7, "tokens": 2e9})
    results = read_results("lm-eval", files, options)
    assert [row["run"] for row in results.rows] == ["70m_step1000@wikitext"]
    (reason,) = results.left_out
    assert "read before, with the same response" in reason


def test_checkpoints_of_one_model_have_names_of_their_own(tmp_path: Path) -> None:
    metrics = {"byte_perplexity": 1.6}
    files = [
        harness(
            tmp_path / f"{step}.json",
            metrics,
            model_args=f"pretrained=some/model-70m,revision=step{step}",
        )
        for step in (1000, 2000)
    ]
    options = ReadOptions(values={"params": 7e7}, tokens_per_step=2e6)
    rows = read_results("lm-eval", files, options).rows
    assert [(row["run"], row["tokens"]) for row in rows] == [
        ("model-70m-step1000@wikitext", 2e9),
        ("model-70m-step2000@wikitext", 4e9),
    ]


def test_a_trainers_last_evaluation_is_the_run() -> None:
    results = read("trainer", "trainer_state.json", params=37792, run="tiny")
    state = json.loads((FILES / "trainer_state.json").read_text("utf-8"))
    (row,) = results.rows
    assert row["run"] == "tiny"
    assert row["step"] == 20
    assert row["loss"] == [e["eval_loss"] for e in state["log_history"] if "eval_loss" in e][-1]
    assert row["tokens"] == 20 * 128 * 64
    assert row["flops"] == state["total_flos"]
    assert results.left_out == {"an evaluation before the run's last": 1}
    assert not codes(results)


def trainer_state(path: Path, losses: list[float], **state) -> Path:
    log = [
        {"eval_loss": loss, "step": 10 * (i + 1), "num_input_tokens_seen": 10**6 * (i + 1)}
        for i, loss in enumerate(losses)
    ]
    path.write_text(json.dumps({"log_history": log, **state}), "utf-8")
    return path


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_a_run_that_diverged_is_left_out_whatever_it_was_before(tmp_path: Path, end) -> None:
    state = trainer_state(tmp_path / "trainer_state.json", [1.0, end])
    with pytest.raises(BayescaleError, match="diverged: its last eval_loss is no finite number"):
        read("trainer", state, params=1e6)
    text = "Nan" if math.isnan(end) else "Infinity"
    table = tmp_path / "chart.csv"
    table.write_text(
        f"Step,good - eval/loss,bad - eval/loss\n1,5.0,5.0\n2,{text},4.0\n3,4.2,{text}\n", "utf-8"
    )
    results = read("wandb", table, params=1e6, tokens=1e8)
    assert [(row["run"], row["loss"]) for row in results.rows] == [("good", 4.2)]
    assert results.left_out == {
        "a point before a run's last": 2,
        "a run that diverged: its last eval/loss is no finite number": 1,
    }
    table = tmp_path / "ssl.csv"
    columns = "training_run_id,model_size__n,dataset_size__n,test_loss__ce"
    table.write_text(f"{columns}\na,1e6,1e8,1\na,1e6,1e8,{text}\nb,1e6,1e8,2\n", "utf-8")
    results = read("simple-scaling-laws", table)
    assert [row["run"] for row in results.rows] == ["b"]
    table = tmp_path / "df.csv"
    table.write_text(f"C,N,D,loss\n1e15,1e6,1e8,{text}\n1e15,2e6,1e8,3\n", "utf-8")
    results = read("chinchilla", table)
    assert sum(results.left_out.values()) == len(results.rows) == 1


def test_a_trainer_that_stopped_early_says_so(tmp_path: Path) -> None:
    state = trainer_state(tmp_path / "trainer_state.json", [4.0, 3.0], max_steps=20)
    assert "stopped-early" not in codes(read("trainer", state, params=1e6))
    state = trainer_state(tmp_path / "trainer_state.json", [4.0, 3.0], max_steps=400)
    assert "stopped-early" in codes(read("trainer", state, params=1e6))


def test_a_wandb_table_and_chart() -> None:
    results = read("wandb", "wandb-runs.csv")
    assert [row["run"] for row in results.rows] == ["ladder-5m", "ladder-20m"]
    assert results.left_out == {
        "a run that is crashed (--any-state takes it)": 1,
        "a run that diverged: its last eval/loss is no finite number": 1,
    }
    (row,) = read("wandb", "wandb-chart.csv", params=5e6, tokens_per_step=1e5).rows
    assert row == {"run": "ladder-5m", "step": 1000, "loss": 4.21, "params": 5e6, "tokens": 1e8}


def test_a_chart_over_tokens_says_them(tmp_path: Path) -> None:
    chart = tmp_path / "chart.csv"
    chart.write_text("train/num_input_tokens_seen,a - eval/loss\n1e8,5\n2e8,4\n", "utf-8")
    (row,) = read("wandb", chart, params=5e6).rows
    assert row == {"run": "a", "tokens": 2e8, "loss": 4.0, "params": 5e6}


FAILED = """Name,State,steps,train/step,optim/n_tokens,eval/ppl
whole,failed,250,250,262144000,96.7
stopped,crashed,100000,60360,63292047360,19.35
diverged,failed,250,250,262144000,NaN
"""


def test_runs_marked_failed_are_taken_where_their_curve_is_complete(tmp_path: Path) -> None:
    """As in a real export of 67 runs whose jobs died at tear-down, in perplexities."""
    table = tmp_path / "export.csv"
    table.write_text(FAILED, "utf-8")
    columns = {"tokens": "optim/n_tokens", "step": "train/step", "perplexity": "eval/ppl"}
    with pytest.raises(BayescaleError, match=r"2 left out: a run that is failed \(--any-state"):
        read("wandb", table, params=4e7, columns=columns)
    columns["total_steps"] = "steps"
    results = read("wandb", table, params=4e7, columns=columns, any_state=True)
    (row,) = results.rows
    assert row["run"] == "whole"
    assert row["loss"] == pytest.approx(math.log(96.7))
    assert results.left_out["a run that stopped before its planned steps"] == 1
    assert sum(results.left_out.values()) == 2
    (note,) = [note for note in results.notes if note.code == "unfinished-runs"]
    assert note.level == "info"
    del columns["total_steps"]
    results = read("wandb", table, params=4e7, columns=columns, any_state=True)
    assert [row["run"] for row in results.rows] == ["whole", "stopped"]
    assert ("unfinished-runs", "warning") in {(n.code, n.level) for n in results.notes}


def test_a_perplexity_mapped_to_loss_is_noticed(tmp_path: Path) -> None:
    table = tmp_path / "export.csv"
    table.write_text(FAILED, "utf-8")
    columns = {"tokens": "optim/n_tokens", "loss": "eval/ppl"}
    results = read("wandb", table, params=4e7, columns=columns, any_state=True)
    assert [row["loss"] for row in results.rows] == [19.35]
    assert "perplexity-as-loss" in codes(results)
    assert any("--column perplexity=eval/ppl" in reason for reason in results.left_out)
    with pytest.raises(BayescaleError, match="map one"):
        read("wandb", table, columns={"loss": "eval/ppl", "perplexity": "eval/ppl"})


def test_mlflow_database_and_folder_hold_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    store = sqlite3.connect(path)
    store.executescript((FILES / "mlflow.sql").read_text("utf-8"))
    store.close()
    columns = {"params": "n_params"}
    results = read("mlflow", path, columns=columns)
    assert results.rows == [
        {"run": "small", "step": 400, "params": 5e6, "tokens": 1e8, "loss": 4.21},
        {"run": "large", "step": 400, "params": 2e7, "tokens": 4e8, "loss": 3.62},
    ]
    assert results.left_out == {"no eval_loss": 1, "a point before a run's last": 4}
    other = read("mlflow", "mlruns", columns=columns)
    assert sorted(other.rows, key=lambda row: row["params"]) == results.rows
    assert other.left_out == results.left_out


def test_epoch_leaves_out_what_is_not_published() -> None:
    results = read("epoch", "epoch.csv")
    assert [row["run"] for row in results.rows] == ["Invented One", 'Invented "Four"']
    assert results.rows[0]["lab"] == "Example Lab"
    assert sum(results.left_out.values()) == 3


@pytest.mark.parametrize("name", ["run", "Model", "model"])
def test_headers_of_another_year_are_mapped(tmp_path: Path, name: str) -> None:
    table = tmp_path / "epoch.csv"
    table.write_text(
        "System,Parameters,Training compute (FLOP),Training dataset size (datapoints)\n"
        'Dense,3.4e11,1.8e25,9e12\n"All experts",2.36e11,1.285e24,4.451e12\n',
        "utf-8",
    )
    with pytest.raises(BayescaleError, match=r"no column 'Model'; its columns: System.*--column"):
        read("epoch", table)
    size = "Training dataset size (datapoints)"
    results = read("epoch", table, columns={name: "System", "tokens": size})
    assert [row["run"] for row in results.rows] == ["Dense", "All experts"]
    (note,) = [note for note in results.notes if note.code == "flops-not-6nd"]
    assert "4.9 times the FLOP stated in 1 of 2 runs: All experts 4.9" in note.text


def test_what_the_user_states_overrules_the_file_and_is_said() -> None:
    results = read("trainer", "trainer_state.json", params=37792, tokens=150_000.0)
    assert results.rows[0]["tokens"] == 150_000
    (note,) = [note for note in results.notes if note.code == "overruled"]
    assert "tokens of the file is overruled: readers (163840 becomes 150000)" in note.text
    results = read("trainer", "trainer_state.json", params=37792, tokens_per_step=7000)
    assert results.rows[0]["tokens"] == 140_000
    assert "overruled" in codes(results)
    results = read("trainer", "trainer_state.json", params=37792, tokens=20 * 128 * 64.0)
    assert "overruled" not in codes(results)
    values = {"params": 1e7, "flops": 1e18, "family": "tiny", "unique_tokens": 1e6}
    results = read("wandb", "wandb-runs.csv", values=values)
    assert all(values.items() <= row.items() for row in results.rows)
    assert {"overruled", "repeats-as-new"} <= codes(results)


def test_columns_of_every_kind_are_mapped(tmp_path: Path) -> None:
    table = tmp_path / "df.csv"
    table.write_text("n,D,val,who,seen\n1e7,2e8,4.1,a,5e7\n2e7,2e8,3.9,b,\n", "utf-8")
    columns = {"N": "n", "loss": "val", "run": "who", "unique_tokens": "seen"}
    rows = read("chinchilla", table, columns=columns).rows
    assert rows[0] == {
        "run": "a", "params": 1e7, "tokens": 2e8, "unique_tokens": 5e7, "loss": 4.1
    }  # fmt: skip
    assert "unique_tokens" not in rows[1]


def test_tables_of_the_peers() -> None:
    results = read("chinchilla", "chinchilla.csv")
    assert results.rows[2] == {
        "run": "row-3",
        "params": 1e8,
        "tokens": 2e9,
        "flops": 1.2e18,
        "loss": 3.2,
    }
    results = read("simple-scaling-laws", "simple-scaling-laws.csv")
    assert len(results.rows) + sum(results.left_out.values()) == 6
    assert "tokens outside" in next(iter(results.left_out))
    assert all(math.isfinite(row["loss"]) for row in results.rows)
    assert results.rows[0]["loss"] == pytest.approx((5.761026286 + 5.818031345) / 2)


def test_every_reader_is_tested_on_a_file() -> None:
    assert set(FORMATS) == {
        *("chinchilla", "epoch", "lm-eval", "mlflow", "simple-scaling-laws", "trainer", "wandb")
    }


def test_a_new_reader_is_one_file(tmp_path: Path) -> None:
    """A copy of the package with one more module in `readers` reads one more format."""
    shutil.copytree(Path(bayescale.__file__).parent, tmp_path / "bayescale")
    (tmp_path / "bayescale" / "runs" / "readers" / "of_a_test.py").write_text(
        "from bayescale.runs.readers._record import Record\n"
        "HEADERS = {'params': 'n', 'tokens': 'd', 'loss': 'l'}\n"
        "def read(path, headers):\n"
        "    yield Record('only', {'n': 1e7, 'd': 1e9, 'l': 3.5})\n",
        "utf-8",
    )
    code = (
        "import sys; from bayescale.cli.main import main; "
        "sys.argv[1:] = ['measure', 'read', 'of-a-test', '.', '--json']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert json.loads(done.stdout)["runs"] == [
        {"run": "only", "params": 1e7, "tokens": 1e9, "loss": 3.5}
    ]


@pytest.mark.parametrize(
    ("kind", "path", "options", "message"),
    [
        ("lm-evel", "lm-eval.json", {}, "did you mean lm-eval"),
        ("trainer", "none.json", {}, "no such file"),
        ("trainer", "lm-eval.json", {}, "not a trainer_state.json"),
        ("trainer", "epoch.csv", {}, "not a readable JSON file"),
        ("trainer", "trainer_state.json", {}, "no parameter count .*--params"),
        ("trainer", "trainer_state.json", {"columns": {"loss": "acc"}}, "no acc was logged"),
        ("trainer", "trainer_state.json", {"columns": {"tokens": "none"}}, "no column 'none' for"),
        ("trainer", "trainer_state.json", {"columns": {"x": "y"}}, "no run has a 'x'; map one of"),
        (
            "trainer",
            "trainer_state.json",
            {"columns": {"loss": "loss", "eval_loss": "loss"}},
            "map it once",
        ),
        ("trainer", "trainer_state.json", {"values": {"colour": 1}}, "no such column; set one of"),
        ("trainer", "trainer_state.json", {"values": {"flops": "many"}}, "not a number"),
        ("lm-eval", "lm-eval.json", {}, "no token count .*--tokens"),
        ("lm-eval", "lm-eval.json", {"columns": {"loss": "x"}}, "no column 'x' for loss; it has"),
        ("wandb", "epoch.csv", {}, "neither a table of runs"),
        ("wandb", "wandb-runs.csv", {"columns": {"loss": "val"}}, "no column 'val'"),
        ("mlflow", "epoch.csv", {}, "not a tracking store of MLflow"),
        ("mlflow", ".", {"columns": {"params": "lr"}}, "params outside"),
        ("epoch", "wandb-runs.csv", {}, "no column 'Model'"),
        ("chinchilla", "epoch.csv", {}, "no column 'N'"),
        ("chinchilla", "twice.csv", {}, "two columns are 'N'"),
        ("chinchilla", "long.csv", {}, "row 1 has more cells"),
        ("chinchilla", "text.csv", {}, "loss='low': not a number"),
        ("simple-scaling-laws", "epoch.csv", {}, "no column 'training_run_id'"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(kind, path, options, message, tmp_path) -> None:
    (tmp_path / "twice.csv").write_text("N,D,N,loss\n1,2,3,4\n", "utf-8")
    (tmp_path / "long.csv").write_text("N,D,loss\n1,2,3,4\n", "utf-8")
    (tmp_path / "text.csv").write_text("N,D,loss\n1e7,2e8,low\n", "utf-8")
    path = tmp_path / path if (tmp_path / path).is_file() else path
    with pytest.raises(BayescaleError, match=message) as error:
        read(kind, path, **options)
    assert "\n" not in str(error.value)


def test_the_command_adds_rows_once(run, tmp_path: Path) -> None:
    command = ("measure", "read", "wandb", FILES / "wandb-runs.csv", "--out", "runs.csv")
    code, out, err = run(*command)
    assert code == 0
    assert "ladder-20m" in out
    assert "1 left out: a run that is crashed" in err
    assert "2 of 2 rows added to runs.csv\n" in err
    code, out, err = run(*command, "--json")
    printed = json.loads(out)
    assert sum(printed["left_out"].values()) == 2
    assert {note["code"] for note in printed["notes"]} == {"left-out"}
    assert "0 of 2 rows added" in err
    assert len(Runs.read(tmp_path / "runs.csv")) == 2
    code, out, err = run(
        *command[:4], "--any-state", "--set", "family=ladder", "--params", "9M", "--json"
    )
    printed = json.loads(out)
    assert [row["params"] for row in printed["runs"]] == [9e6] * 3
    assert {row["family"] for row in printed["runs"]} == {"ladder"}
    assert {note["code"] for note in printed["notes"]} >= {"overruled", "unfinished-runs"}
    for wrong in (("--column", "x=y"), ("--column", "x"), ("--set", "loss=low")):
        code, _, err = run("measure", "read", "wandb", FILES / "wandb-runs.csv", *wrong)
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
    curve = tmp_path / "curve.csv"
    train(tmp_path, RunsCallback(path, run="tiny", curve=curve, forecast=True))
    points = pd.read_csv(curve)
    assert points[["run", "step"]].to_numpy().tolist() == [["tiny", 10], ["tiny", 20]]
    assert points["lr"].is_monotonic_decreasing
    table = Runs.read(path).table
    assert list(table["run"]) == ["tiny@20"]  # 10 steps are fewer tokens than a table takes
    said = capsys.readouterr().err
    assert "tiny@10: row 1 (tiny@10): tokens=81920" in said
    assert said.count("no forecast yet: run 'tiny': ") == 2
    state = tmp_path / "tiny" / "checkpoint-20" / "trainer_state.json"
    (row,) = read("trainer", state, params=37792).rows
    last = table.iloc[-1]
    assert row["run"] == "tiny"
    assert last["tokens"] == row["tokens"] == 20 * 128 * 64
    assert last["loss"] == row["loss"]
    assert last["params"] == 37792
    assert last["flops"] == 6 * 37792 * row["tokens"]

    with pytest.raises(BayescaleError, match="does not count tokens"):
        train(tmp_path, RunsCallback(path, run="other"), include_num_input_tokens_seen="no")
