"""A sweep as a user runs it: killed, resumed, refused; rows that `fit` takes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bayescale import Runs
from bayescale.errors import BayescaleError
from bayescale.measure.corpus import read_texts
from bayescale.measure.sweep_plan import SweepPlan

pytest.importorskip("torch")

PLAN = """
name = "tiny"
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
ratios = [8, 10]
"""


def start(plan: Path, out: Path) -> subprocess.Popen:
    code = "from bayescale.cli import main; main()"
    command = [sys.executable, "-c", code, "sweep", str(plan), "--out", str(out)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    plan = tmp_path / "tiny.toml"
    plan.write_text(PLAN)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(plan, whole).wait() == 0

    first = start(plan, killed)
    deadline = time.monotonic() + 300
    while not list((killed / "progress").glob("tiny-*.pt")):
        assert first.poll() is None, first.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (killed / "runs.csv").exists()  # killed within the first run
    checkpoint = next((killed / "progress").glob("tiny-*.pt"))
    import torch

    assert 0 < torch.load(checkpoint, weights_only=True)["step"] < 55

    assert start(plan, killed).wait() == 0
    assert (killed / "runs.csv").read_text() == (whole / "runs.csv").read_text()
    before = (killed / "runs.csv").stat().st_mtime_ns
    assert start(plan, killed).wait() == 0
    assert (killed / "runs.csv").stat().st_mtime_ns == before  # nothing trained twice
    assert not list((killed / "progress").iterdir())

    table = Runs.read(killed / "runs.csv").table
    assert len(table) == 2
    assert (table["loss"] < np.log(300)).all()
    assert table["flops"].between(0.8 * table["flops_6nd"], 2 * table["flops_6nd"]).all()

    plan.write_text(PLAN.replace("[8, 10]", "[8, 11]"))
    other = start(plan, killed)
    said = other.communicate()[1].decode()
    assert other.returncode == 2
    assert said.count("\n") == 1
    assert "grid changed" in said


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("[8, 10]", "[]", "takes ratios"),
        ("[8, 10]", "[8, 8]", "listed once"),
        ("[8, 10]", "[1]", "100 000"),
        ("heads = 2", "heads = 5", "multiple of 2 x heads"),
        ("[300]", "[200]", "257"),
        ("seed", "seed", ""),
    ],
)
def test_a_plan_that_breaks_a_rule(tmp_path: Path, before: str, after: str, rule: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace(before, after))
    if not rule:
        assert len(SweepPlan.load(path).jobs()) == 2
        return
    with pytest.raises(BayescaleError, match=rule):
        SweepPlan.load(path)


def test_counted_parameters_are_the_models(tmp_path: Path) -> None:
    from bayescale.measure.train import build

    plan = SweepPlan.load("stdlib")
    for job in plan.jobs()[:5]:
        assert build(job, plan).num_parameters() == job.params


def test_isoflop_runs_share_their_compute() -> None:
    said = SweepPlan.load("stdlib").model_dump()
    said["grid"] = {"kind": "isoflop", "flops": [1e11]}
    jobs = SweepPlan.model_validate(said).jobs()
    assert len(jobs) == 3
    assert all(abs(6 * job.params * job.tokens / 1e11 - 1) < 0.01 for job in jobs)


def test_files_without_text_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for file, raw in zip(files, ("héllo".encode(), b"", b"\xff\xfe"), strict=True):
        file.write_bytes(raw)
    assert read_texts(files) == ["héllo"]
    assert "of 3 files 1 are no UTF-8 text and 1 are empty" in capsys.readouterr().err
