"""A sweep: what it trains, keeps and refuses. That it survives a kill: test_full_circle.py."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bayescale import Runs
from bayescale.base.errors import BayescaleError
from bayescale.measure.bpc import measure_bpc
from bayescale.measure.corpus import read_texts
from bayescale.measure.sweep import sweep
from bayescale.measure.sweep_plan import SweepPlan

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

PLAN = """
name = "tiny"
seed = 0
title = "t"
text = ["{stdlib}/json/*.py", "{stdlib}/email/*.py", "{stdlib}/asyncio/*.py"]
held_out_characters = 3000
vocabularies = [300]
sequence = 32
batch = 64
checkpoint_steps = 5
[[sizes]]
layers = 1
width = 24
heads = 2
learning_rate = 0.01
[grid]
kind = "tokens-per-parameter"
ratios = [9, 10]
"""


@pytest.mark.slow
def test_vocabularies_epochs_isoflop_and_kept_models(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        PLAN.replace("vocabularies = [300]", "vocabularies = [300, 400]\nepochs = [1, 1.25]")
        .replace("batch = 64", "batch = 64\nkeep_models = true")
        .replace('"tokens-per-parameter"', '"isoflop"')
        .replace("ratios = [9, 10]", "flops = [1.4e10]")
    )
    out = tmp_path / "out"
    trained = sweep(SweepPlan.load(path), out)
    table = Runs.read(out / "runs.csv").table.set_index("run")
    assert list(table.index) == trained
    assert len(set(table["tokenizer"])) == 2
    assert table["flops_6nd"].to_numpy() == pytest.approx(1.4e10, rel=0.01)
    seen = table["tokens"] / table["unique_tokens"]
    assert seen.to_numpy() == pytest.approx(table["epochs"].to_numpy(), rel=0.01)
    assert (table["loss"] < np.log(300)).all()
    assert table["flops"].between(table["flops_6nd"], 2 * table["flops_6nd"]).all()
    assert not list((out / "progress").iterdir())
    # A kept model is one that `measure bpc` takes, and finds what the sweep found.
    assert sorted(trained) == sorted(model.name for model in (out / "models").iterdir())
    name = trained[-1]
    held_out = out / "text" / table["tokenizer"][name].removeprefix("bpe-") / "held_out.jsonl"
    again = measure_bpc(str(out / "models" / name), [held_out], stride=16, batch=64, device="cpu")
    assert again.window == 32
    assert again.bpc == pytest.approx(table["bpc"][name], rel=1e-6)


def test_a_folder_of_another_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("{stdlib}/json", "{stdlib}/no-such"))
    with pytest.raises(BayescaleError, match="no file matches"):
        sweep(SweepPlan.load(path), tmp_path / "out")
    path.write_text(PLAN.replace("[9, 10]", "[9, 11]"))
    with pytest.raises(BayescaleError, match="another plan: text, grid changed"):
        sweep(SweepPlan.load(path), tmp_path / "out")
    with pytest.raises(BayescaleError, match="not empty and not a sweep"):
        sweep(SweepPlan.load(path), tmp_path)


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path, run) -> None:
    path = tmp_path / "plan.toml"
    text = tmp_path / "text"
    text.write_text("x")
    path.write_text(PLAN)
    code, _, err = run("sweep", path, "--out", text / "out")
    assert code == 2
    assert err.startswith(f"bayescale: error: {text / 'out'}: Not a directory; correct that")
    assert err.count("\n") == 1
    out = tmp_path / "out"
    (out / "text" / "300").mkdir(parents=True)  # someone deleted what was in it
    (out / "plan.json").write_text(json.dumps(SweepPlan.load(path).model_dump(mode="json")))
    code, _, err = run("sweep", path, "--out", out)
    assert code == 2
    assert "tokens.npy: No such file or directory; correct that" in err


@pytest.mark.parametrize("extra", ["torch", "transformers", "tokenizers"])
def test_a_missing_extra(run, monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    code, out, err = run("sweep", "stdlib", "--out", "out")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert f"{extra} is not installed" in err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("[9, 10]", "[]", "takes ratios"),
        ("[9, 10]", "[9, 9]", "listed once"),
        ("[9, 10]", "[1]", "tokens=.*100000 tokens or more"),
        ("seed", "epochs = [2]\nseed", "unique_tokens=.*100000 tokens or more"),
        ("heads = 2", "heads = 5", "multiple of 2 x heads"),
        ("[300]", "[200]", "257"),
        ("seed", "seed", ""),
    ],
)
def test_a_plan_that_breaks_a_rule(tmp_path: Path, before: str, after: str, rule: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace(before, after))
    if not rule:
        assert len(SweepPlan.load(path).runs()) == 2
        return
    with pytest.raises(BayescaleError, match=rule):
        SweepPlan.load(path)


def test_counted_parameters_are_the_models(tmp_path: Path) -> None:
    from bayescale.measure.train import build

    plan = SweepPlan.load("stdlib")
    for run in plan.runs()[:5]:
        assert build(run, plan).num_parameters() == run.params


def test_isoflop_runs_share_their_compute() -> None:
    entries = SweepPlan.load("stdlib").model_dump()
    entries["grid"] = {"kind": "isoflop", "flops": [1e11]}
    runs = SweepPlan.model_validate(entries).runs()
    assert len(runs) == 4
    assert all(abs(6 * run.params * run.tokens / 1e11 - 1) < 0.01 for run in runs)


def test_files_without_text_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for file, raw in zip(files, ("héllo".encode(), b"", b"\xff\xfe"), strict=True):
        file.write_bytes(raw)
    assert read_texts(files) == ["héllo"]
    assert "of 3 files 1 are no UTF-8 text and 1 are empty" in capsys.readouterr().err
