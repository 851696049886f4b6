"""What trackers wrote, read as curves: W&B offline, TensorBoard's events, a store of MLflow."""

from __future__ import annotations

import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescale import BayescaleError
from bayescale.runs.curves import Curves

FILES = Path(__file__).parents[1] / "data" / "readers"
STEPS = np.arange(10, 610, 10)
LOSS = 2 + 10 * STEPS**-0.4
RATES = np.where(STEPS < 300, 1e-3, 2e-4)
OFFLINE = """
import sys
import wandb
place, padding, steps = sys.argv[1], int(sys.argv[2]), range(10, 610, 10)
run = wandb.init(mode="offline", dir=place, name="tiny run", project="p")
for step in steps:
    loss, rate = 2 + 10 * step**-0.4, 1e-3 if step < 300 else 2e-4
    run.log({"train/loss": loss, "train/learning_rate": rate, "train/global_step": step})
    if step % 100 == 0:
        run.log({"eval/loss": loss + 0.1, "train/global_step": step})
    run.log({"a text": "x" * padding})
run.finish()
"""


@pytest.mark.parametrize("padding", [1, 5_000, 40_000])  # in one block, some, each record in two
def test_an_offline_run_of_wandb(tmp_path: Path, padding: int) -> None:
    pytest.importorskip("wandb")
    made = subprocess.run(
        [sys.executable, "-c", OFFLINE, tmp_path, str(padding)], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    curve = Curves.read(path, columns={"loss": "train/loss"})["tiny run"]
    np.testing.assert_allclose(curve.loss, LOSS, rtol=1e-12)
    assert list(curve.position) == list(STEPS)
    assert curve.schedule.at(np.array([500.0])) == pytest.approx(0.2)
    evaluated = Curves.read(path.parent)["tiny run"]  # six evaluations: they are the curve
    np.testing.assert_allclose(evaluated.loss, LOSS[9::10] + 0.1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])  # while it runs
    some = Curves.read(path, columns={"loss": "train/loss"})["tiny run"]
    assert 20 < len(some) < 60
    np.testing.assert_allclose(some.loss, LOSS[: len(some)])


def number(field: int, value: bytes, kind: int) -> bytes:
    return bytes([field << 3 | kind]) + value


def text(field: int, value: bytes) -> bytes:
    size = len(value)
    return bytes([field << 3 | 2, size & 127 | 128, size >> 7]) + value


def event(step: int, *values: bytes) -> bytes:
    """A record of TensorBoard's file; its checksums are not looked at."""
    varint = bytes([step & 127 | 128, step >> 7])
    summary = b"".join(text(1, value) for value in values)
    message = number(1, struct.pack("<d", 1.7e9), 1) + number(2, varint, 0) + text(5, summary)
    return struct.pack("<QI", len(message), 0) + message + bytes(4)


def scalar(tag: str, value: float, form: str) -> bytes:
    match form:
        case "simple":
            held = number(2, struct.pack("<f", value), 5)
        case "floats":
            held = text(8, number(1, b"\1", 0) + text(5, struct.pack("<f", value)))
        case "content":
            held = text(8, number(1, b"\2", 0) + text(4, struct.pack("<d", value)))
    return text(1, tag.encode()) + held


@pytest.mark.parametrize("form", ["simple", "floats", "content"])
def test_events_of_tensorboard(tmp_path: Path, form: str) -> None:
    """A folder a run, the first of them in two files, as after a resumption."""
    image = text(1, b"image") + text(4, b"png")
    for name, shift in {"small": 0.0, "large": -0.5}.items():
        records = [
            event(step, scalar("train/loss", loss + shift, form), image)
            + event(step, scalar("train/learning_rate", rate, form))
            for step, loss, rate in zip(STEPS, LOSS, RATES, strict=True)
        ]
        (tmp_path / name).mkdir()
        parts = (records[:30], records[30:]) if name == "small" else (records,)
        for i, part in enumerate(parts):
            file = tmp_path / name / f"events.out.tfevents.17000000{i}.host.1.0"
            file.write_bytes(b"".join(part) + b"\x20\0\0")  # the last record is being written
    curves = Curves.read(tmp_path)
    assert set(curves.curves) == {"small", "large"}
    np.testing.assert_allclose(curves["small"].loss, LOSS, rtol=1e-6)
    np.testing.assert_allclose(curves["large"].loss, LOSS - 0.5, rtol=1e-6)
    assert curves["large"].schedule.at(np.array([500.0])) == pytest.approx(0.2)
    alone = Curves.read(tmp_path / "large")
    assert list(alone.curves) == ["large"]


def test_a_store_of_mlflow(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    store = sqlite3.connect(path)
    store.executescript((FILES / "mlflow.sql").read_text("utf-8"))
    (run,) = store.execute("SELECT run_uuid FROM runs WHERE name = 'small'").fetchone()
    store.execute("DELETE FROM metrics")
    logged = [
        row
        for step, loss, rate in zip(STEPS, LOSS, RATES, strict=True)
        for row in (
            ("learning_rate", rate, 5 * int(step), run, int(step), 0),
            ("eval_loss", loss, 5 * int(step) + 1, run, int(step), 0),
        )
    ]
    columns = "key, value, timestamp, run_uuid, step, is_nan"
    store.executemany(f"INSERT INTO metrics ({columns}) VALUES (?, ?, ?, ?, ?, ?)", logged[::-1])
    store.commit()
    store.close()
    curves = Curves.read(path)
    np.testing.assert_allclose(curves["small"].loss, LOSS)
    assert curves["small"].schedule.at(np.array([500.0])) == pytest.approx(0.2)
    (note,) = [note for note in curves.notes if note.code == "curves-left-out"]
    assert "large" in note.text


def test_a_folder_of_mlflow(tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "0" / "abc"
    (run / "metrics" / "eval").mkdir(parents=True)
    (run / "meta.yaml").write_text("run_id: abc\nrun_name: 'one'\nstatus: 3\n", "utf-8")
    lines = [f"{5 * s} {loss} {s}\n" for s, loss in zip(STEPS, LOSS, strict=True)]
    (run / "metrics" / "eval" / "loss").write_text("".join(lines), "utf-8")
    np.testing.assert_allclose(Curves.read(tmp_path / "mlruns")["one"].loss, LOSS)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run-1.wandb", b"text", "not a readable log of wandb: it does not begin as one"),
        ("run-2.wandb", b":W&B\xe1\xbe\0", "no 'loss' was logged, but nothing"),
        ("events.out.tfevents.1", b"\xff" * 100, "its first record does not end"),
        ("store.db", b"text", "not a tracking store of MLflow"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BayescaleError, match=said) as error:
        Curves.read(tmp_path / name)
    assert "\n" not in str(error.value)


@given(content=st.binary(max_size=300), begin=st.sampled_from([b"", b":W&B\xe1\xbe\0"]))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, begin: bytes
) -> None:
    for name in ("run.wandb", "events.out.tfevents.1"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(begin + content)
        with pytest.raises(BayescaleError):
            Curves.read(path)
