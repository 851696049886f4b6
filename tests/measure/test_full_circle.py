"""From no runs at all to a forecast that a larger run confirms, with a kill on the way."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayescale.measure.sweep_plan import SweepPlan

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import full_circle
import full_circle_page

PLAN = """
name = "small"
title = "A smaller ladder than the plan stdlib: the same rule of learning rates"
text = ["{stdlib}/*.py", "{stdlib}/email/*.py", "{stdlib}/asyncio/*.py"]
held_out_characters = 15_000
vocabularies = [512]
sequence = 64
batch = 16
checkpoint_steps = 10
"""
SIZE = """
[[sizes]]
layers = 2
width = {0}
heads = 2
learning_rate = {1}
"""


def plan(path: Path, widths: list[int], grid: str) -> Path:
    sizes = "".join(SIZE.format(width, 0.192 / width) for width in widths)
    path.write_text(f"{PLAN}{sizes}[grid]\n{grid}\n")
    return path


def start(path: Path, out: Path) -> subprocess.Popen:
    code = "from bayescale.cli.main import main; main()"
    command = [sys.executable, "-c", code, "sweep", str(path), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_the_full_circle_with_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(full_circle.SPECS, "compute-only")  # CI has little time
    ladder = plan(
        tmp_path / "ladder.toml", [16, 20], 'kind = "tokens-per-parameter"\nratios = [9, 11]'
    )
    runs = SweepPlan.load(ladder).runs()
    beyond = plan(
        tmp_path / "beyond.toml",
        [48],
        f'kind = "isoflop"\nflops = [{8 * 6 * runs[-1].params * runs[-1].tokens}]',
    )
    work = tmp_path / "work"
    killed = start(ladder, work / "ladder")
    progress = work / "ladder" / "progress"
    deadline = time.monotonic() + 300
    second = progress / f"{runs[1].name}.pt"
    while not second.is_file():
        assert killed.poll() is None, killed.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    table = work / "ladder" / "runs.csv"
    header, *rows = table.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == [runs[0].name]
    assert 0 < full_circle.torch.load(second, weights_only=True)["step"] < runs[1].steps

    results = full_circle.circle(SweepPlan.load(ladder), SweepPlan.load(beyond), work)
    # The run that was killed goes on and ends where it would have; no other is trained twice.
    (target,) = SweepPlan.load(beyond).runs()
    assert results["trained"] == [*(run.name for run in runs[1:]), target.name]
    assert table.read_text().startswith("\n".join([header, *rows]))
    assert [row["run"] for row in results["ladder"]] == [run.name for run in runs]
    alone = plan(
        tmp_path / "alone.toml",
        [runs[1].size.width],
        f'kind = "tokens-per-parameter"\nratios = [{runs[1].tokens / runs[1].params}]',
    )
    undisturbed = start(alone, tmp_path / "alone")
    assert undisturbed.wait() == 0, undisturbed.stderr.read()
    row = (tmp_path / "alone" / "runs.csv").read_text().splitlines()[1]
    assert row in table.read_text().splitlines()

    assert results["beyond"]["flops_6nd"] / runs[-1].params / runs[-1].tokens == pytest.approx(
        48, rel=0.01
    )
    forecast = results["forecasts"]["forecast"]
    assert forecast["r_hat"] < 1.03  # another machine trains other models
    assert 0 < forecast["lower"] < forecast["median"] < forecast["upper"] < 7
    assert forecast["decades_of_compute"] == pytest.approx(0.9, abs=0.01)
    assert any("extrapolation" in note for note in forecast["notes"])
    assert results["beyond"]["loss"] < min(row["loss"] for row in results["ladder"])
    full_circle_page.write(results, tmp_path / "report")
    assert f"{results['beyond']['loss']:.3f}" in (tmp_path / "report" / "README.md").read_text()


def test_the_shipped_run_beyond_has_eight_times_the_compute() -> None:
    ladder = SweepPlan.load("stdlib").runs()
    (beyond,) = SweepPlan.load("stdlib-8x").runs()
    most = max(run.params * run.tokens for run in ladder)
    assert beyond.params * beyond.tokens / most == pytest.approx(8, rel=0.005)
    for size in [*(run.size for run in ladder), beyond.size]:  # the rule that both plans state
        assert size.learning_rate * size.width == pytest.approx(0.192, rel=0.02)
