"""Commands of a page, run as a reader runs them; needs nothing but Python."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

_WIDTH = 88  # of the terminal that wraps what stands on standard error
# Lines that say how far a command is: other ones each time, and of no use afterwards.
_PROGRESS = re.compile(r"fit \d+ of \d+ finished|sampled in \d|sampling \d+ chains")
# Characters that a shell reads otherwise than `shlex` does.
_FOR_BASH = set("|&;<>$`*?~#")
_OF_THREAD = threading.local()


@dataclass(frozen=True)
class Printed:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        lines = [self.out.rstrip("\n")] if self.out.strip() else []
        kept = [line for line in self.err.splitlines() if not _PROGRESS.match(line)]
        notes = [textwrap.fill(line, _WIDTH, break_on_hyphens=False) for line in kept]
        if lines and notes:
            lines.append("")
        return "\n".join([*lines, *notes])


def run(command: str, folder: Path) -> Printed:
    """Run a command in a folder, with this Python's `bayescale` first on the path.

    One of `bayescale` alone is run by `server.py`; others by bash.
    """
    words = None if _FOR_BASH & set(command) else shlex.split(command)
    if words is not None and words[0] == "bayescale":
        return _server().run(words[1:], folder)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Printed(done.returncode, done.stdout, done.stderr)


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "COLUMNS": "100"}


class _Server:
    """A process that runs one command after the other; it ends with this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py"))],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: list[str], folder: Path) -> Printed:
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as place:
            files = {name: str(Path(place) / name) for name in ("out", "err")}
            request = {"arguments": arguments, "folder": str(folder.resolve()), **files}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            out, err = (Path(file).read_text("utf-8") for file in files.values())
        return Printed(code, out, err)


def _server() -> _Server:
    """This thread's."""
    if not hasattr(_OF_THREAD, "server"):
        _OF_THREAD.server = _Server()
    return _OF_THREAD.server


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a block, without their `$ `, and the lines that follow each."""
    joined = re.sub(r"\\\n\s*", " ", text)
    parts = re.split(r"^\$ (.*)$", joined, flags=re.M)
    return [(c, out.strip("\n")) for c, out in zip(parts[1::2], parts[2::2], strict=True)]
