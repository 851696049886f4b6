"""Commands of a page, run as a reader runs them; needs nothing but Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

_WIDTH = 88  # of the terminal that wraps what stands on standard error
# Lines that say how far a command is: other ones each time, and of no use afterwards.
_PROGRESS = re.compile(r"fit \d+ of \d+ finished|sampled in \d|sampling \d+ chains")


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
    """Run a command in a folder, with this Python's `bayescale` first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Printed(done.returncode, done.stdout, done.stderr)


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a block, without their `$ `, and the lines that follow each."""
    joined = re.sub(r"\\\n\s*", " ", text)
    parts = re.split(r"^\$ (.*)$", joined, flags=re.M)
    return [(c, out.strip("\n")) for c, out in zip(parts[1::2], parts[2::2], strict=True)]
