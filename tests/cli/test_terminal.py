"""What a terminal shows: numbers whole at any width, and text in any encoding."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections import Counter
from pathlib import Path

import pytest

from bayescale import Fit, ScalingModel, Settings
from bayescale.base import output

COMMAND = [sys.executable, "-m", "bayescale.cli.process"]
NUMBER = re.compile(r"[-+]?\.?\d[\w.,%+-]*")


@pytest.fixture(scope="module")
def places(fitted_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the fits are that commands name."""
    quick = Settings(draws=200, tune=200, chains=2)
    fit = ScalingModel("chinchilla").fit("open-llm-bpc", quick)
    other = fit.save(tmp_path_factory.mktemp("fits") / "chinchilla")
    return {"FIT": str(fitted_dir), "OTHER": str(other)}


CONFIG = (
    '{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,'
    ' "num_attention_heads": 4, "vocab_size": 300, "max_position_embeddings": 128}'
)
WANDB = "Name,State,loss,tokens,params\nrun-one,finished,3.21987,1.5e10,1.2e8\n"
COMMANDS = [
    ("models",),
    ("data",),
    ("data", "check", "open-llm-bpc"),
    ("data", "check", "bad.csv"),
    ("fit", "compute-only", "--draws", "100", "--tune", "100", "--chains", "2"),
    ("predict", "FIT", "--at", "params=70B,tokens=15T,family=Orion", "--target", "0.36"),
    ("invert", "FIT", "--target", "0.35"),
    ("discriminate", "FIT", "OTHER"),
    ("plan", "optimum", "FIT", "--flops", "1e25"),
    ("plan", "optimum", "OTHER", "--flops", "1e25"),
    ("plan", "overhead", "OTHER", "--size", "0.5"),
    ("plan", "serve", "OTHER", "--target", "0.45", "--generated", "5T"),
    ("exhaust", "--fit", "FIT"),
    ("measure", "flops", "config.json", "--tokens", "2B"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_number_is_folded_or_cut(
    run, monkeypatch: pytest.MonkeyPatch, places: dict[str, str], command: tuple[str, ...]
) -> None:
    Path("config.json").write_text(CONFIG)
    Path("bad.csv").write_text("run,params,tokens,bpc\na-long-name,70,15,99.123456789\n")
    arguments = [places.get(word, word) for word in command]
    if command[0] == "fit":
        arguments.append("--overwrite")
    code, plain, _ = run(*arguments)
    wanted = Counter(NUMBER.findall(plain))
    assert wanted or command == ("models",)
    for width in (40, 80, 120):
        monkeypatch.setattr(output, "_width", lambda console, width=width: width)
        narrow_code, narrow, _ = run(*arguments)
        assert narrow_code == code
        got = Counter(NUMBER.findall(narrow))
        assert not wanted - got, width
        for line in narrow.splitlines():
            assert len(line) <= width or len(line.split()) <= 2, line


def in_a_terminal(arguments: list[str], columns: int) -> str:
    """What a command shows in a terminal of so many columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=follower, stdout=follower, stderr=follower,
        env=env | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:  # the other side is closed
        pass
    os.close(leader)
    process.wait()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")


@pytest.mark.parametrize("columns", [40, 80])
def test_a_real_terminal(fitted: Fit, fitted_dir: Path, columns: int) -> None:
    at = "params=70B,tokens=15T,family=Llama-3"
    text = in_a_terminal(["predict", str(fitted_dir), "--at", at], columns)
    row = fitted.predict({"params": 70e9, "tokens": 15e12, "family": "Llama-3"}).table().iloc[0]
    for name in ("median", "lower", "upper"):
        assert f"{row[name]:.3f}" in text.split()
    assert max(map(len, text.splitlines())) <= columns
    assert ("median  lower  upper" in text) == (columns == 80)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        pytest.param(
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, marks=pytest.mark.long
        ),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, marks=pytest.mark.long),
    ],
    ids=str,
)
def test_output_in_other_encodings(
    fitted_dir: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONUTF8", "LC_ALL")} | environment
    at = "params=70B,tokens=15T,family=Ori\N{LATIN SMALL LETTER O WITH ACUTE}n\N{SNOWMAN}"
    for command in (
        ["predict", str(fitted_dir), "--at", at],
        ["plan", "optimum", str(fitted_dir), "--flops", "1e25"],  # en dashes
        ["predict", "--help"],
        ["predict", "ø", "--at", at],  # an error that names what no ASCII holds
        ["report", str(fitted_dir), "--out", str(tmp_path / "page")],
    ):
        ended = subprocess.run([*COMMAND, *command], env=env, capture_output=True, check=False)
        shown = ended.stdout.decode("latin-1") + ended.stderr.decode("latin-1")
        # Without UTF-8 the letters of arguments do not arrive.
        refused = "ø" in command or (at in command and "LC_ALL" in environment)
        assert ended.returncode == (2 if refused else 0), shown
        assert "Traceback" not in shown
        if environment != {"PYTHONIOENCODING": "latin-1"}:
            assert shown.isascii()
    page = (tmp_path / "page" / "report.md").read_text("utf-8")
    assert "Llama-3" in page
