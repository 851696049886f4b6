"""Console blocks: commands of a page, run when the page is built, with what they print.

A block ```` ```{console} ```` holds one command a line, each after `$ `; a line that ends in a
backslash goes on in the next. All pages share one folder, and a command that several pages show is
run once. With `:exit: 2` a command has to end with that code; `:head: 4` shows the first four
lines; `:figure: NAME` shows a figure that the commands wrote, which `:alt:` says in words.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
_LOGGER = logging.getLogger(__name__)
_WIDTH = 88  # of the terminal that wraps what stands on standard error
# Lines that say how far a command is: other ones each time, and of no use afterwards.
_PROGRESS = re.compile(r"fit \d+ of \d+ finished|sampled in \d|sampling \d+ chains")


def digest() -> str:
    """Of all that the commands' output depends on: the package, its tables and the examples."""
    parts = [*(ROOT / name for name in ("bayescale", "data", "models")), EXAMPLES]
    files = sorted(
        path for part in parts for path in part.rglob("*.*") if "__pycache__" not in path.parts
    )
    whole = hashlib.sha256()
    for path in sorted(files):
        if path.is_file() and "__pycache__" not in path.parts:
            whole.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


@dataclass(frozen=True)
class Printed:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        lines = [self.out.rstrip("\n")] if self.out.strip() else []
        kept = [line for line in self.err.splitlines() if not _PROGRESS.match(line)]
        notes = [textwrap.fill(line, _WIDTH) for line in kept]
        if lines and notes:
            lines.append("")
        return "\n".join([*lines, *notes])


class Shell:
    """Runs commands in one folder, each once for a state of the package."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._memory = folder, folder.with_suffix(".json")
        self._printed: dict[str, Any] = {"digest": digest()}
        if self._memory.is_file():
            before = json.loads(self._memory.read_text("utf-8"))
            if before["digest"] == self._printed["digest"]:
                self._printed = before
        if len(self._printed) == 1:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(EXAMPLES, folder)

    def run(self, command: str) -> Printed:
        """What a command prints; from memory where it was run before."""
        if command not in self._printed:
            _LOGGER.info("$ %s", command, color="darkgray")
            done = run(command, self.folder)
            self._printed[command] = [done.code, done.out, done.err]
            self._memory.write_text(json.dumps(self._printed, indent=1), "utf-8")
        return Printed(*self._printed[command])


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


class Console(SphinxDirective):
    """A block of commands and what they print."""

    has_content = True
    option_spec = {  # noqa: RUF012
        "exit": directives.nonnegative_int,
        "head": directives.positive_int,
        "figure": directives.path,
        "alt": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Run the commands; a warning where one ends otherwise than it should."""
        box = nodes.container(classes=["session"])
        for command, _ in commands("\n".join(self.content)):
            printed = self.env.app.shell.run(command)
            if printed.code != self.options.get("exit", 0):
                what = f"{command}: exit code {printed.code}: {printed.err}"
                _LOGGER.warning(what, location=self.get_location())
            lines = str(printed).splitlines()
            most = self.options.get("head", len(lines))
            text = "\n".join([*lines[:most], *(["..."] if len(lines) > most else [])])
            box += nodes.literal_block(f"$ {command}", f"$ {command}", language="console")
            if text:
                box += nodes.literal_block(text, text, language="text")
        if "figure" in self.options:
            folder = os.path.relpath(self.env.app.shell.folder, self.env.srcdir)
            uri = f"{folder}/{self.options['figure']}"
            _, absolute = self.env.relfn2path(f"/{uri}")
            here = os.path.relpath(absolute, Path(self.env.doc2path(self.env.docname)).parent)
            box += nodes.image(uri=here, alt=self.options["alt"], classes=["made"])
        return [box]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive; all pages are read again when the package has changed."""
    if shutil.which("bash") is None:
        raise ExtensionError("bash is needed to run the pages' commands")
    app.add_config_value("console_digest", digest(), "env")
    app.add_config_value("console_first", [], "env")
    app.shell = Shell(Path(app.outdir).parent / "work")

    def first(app: Sphinx) -> None:
        for command in app.config.console_first:
            if app.shell.run(command).code:
                raise ExtensionError(f"{command}: {app.shell.run(command).err}")

    app.connect("builder-inited", first)
    app.add_directive("console", Console)
    return {"parallel_read_safe": False}
