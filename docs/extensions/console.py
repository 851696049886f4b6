"""Console blocks: commands of a page, run when the page is built, with what they print.

A block ```` ```{console} ```` holds one command a line, each after `$ `; a line that ends in a
backslash goes on in the next. All pages share one folder, and a command that several pages show is
run once. With `:exit: 2` a command has to end with that code; `:head: 4` shows the first four
lines; `:figure: NAME` shows a figure that the commands wrote, which `:alt:` says in words.

Before any page is read, all commands are run, as many pages at a time as there are cores: those of
one page in their order, after `console_first`, which makes what several pages use.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from session import Printed, commands, run
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
_BLOCK = re.compile(r"^```\{console\}\n((?::\w+:[^\n]*\n)*)(.*?)^```$", re.M | re.S)
_EXIT = re.compile(r":exit: *(\d+)")
_LOGGER = logging.getLogger(__name__)


def digest() -> str:
    """Of all that the commands' output depends on: the package, its tables and the examples."""
    parts = [*(ROOT / name for name in ("bayescale", "data", "models")), EXAMPLES]
    whole = hashlib.sha256()
    for path in sorted(path for part in parts for path in part.rglob("*.*")):
        if path.is_file() and "__pycache__" not in path.parts:
            whole.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


class Shell:
    """Runs commands in one folder, each once for a state of the package."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._memory = folder, folder.with_suffix(".json")
        self._printed: dict[str, Any] = {"digest": digest()}
        self._writing = Lock()
        if self._memory.is_file():
            before = json.loads(self._memory.read_text("utf-8"))
            if before["digest"] == self._printed["digest"]:
                self._printed = before
        if len(self._printed) == 1:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(EXAMPLES, folder)

    def run(self, command: str, code: int = 0) -> Printed:
        """What a command prints; from memory where it was run before and ended as it should."""
        if command not in self._printed:
            _LOGGER.info("$ %s", command, color="darkgray")
            done = run(command, self.folder)
            if done.code != code:
                return done
            with self._writing:
                self._printed[command] = [done.code, done.out, done.err]
                self._memory.write_text(json.dumps(self._printed, indent=1), "utf-8")
        return Printed(*self._printed[command])

    def run_all(self, page: list[tuple[str, int]]) -> None:
        """Run the commands of a page in order; one that ends otherwise is told of by its block."""
        for command, code in page:
            self.run(command, code)


def _commands_of(page: Path) -> list[tuple[str, int]]:
    """Commands of a page's blocks, each with the exit code that it should have."""
    found = []
    for options, content in _BLOCK.findall(page.read_text("utf-8")):
        code = _EXIT.search(options)
        found += [(command, int(code[1]) if code else 0) for command, _ in commands(content)]
    return found


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
            code = self.options.get("exit", 0)
            printed = self.env.app.shell.run(command, code)
            if printed.code != code:
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
            uri = f"/{folder}/{self.options['figure']}"
            box += nodes.image(uri=uri, alt=self.options["alt"])
        return [box]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive; all pages are read again when the package has changed."""
    if shutil.which("bash") is None:
        raise ExtensionError("bash is needed to run the pages' commands")
    app.add_config_value("console_digest", digest(), "env")
    app.add_config_value("console_first", [], "env")
    app.shell = Shell(Path(app.outdir).parent / "work")

    def first(app: Sphinx) -> None:
        needed = app.config.console_first
        pages = [_commands_of(page) for page in sorted(Path(app.srcdir).rglob("*.md"))]
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            for command, printed in zip(needed, workers.map(app.shell.run, needed), strict=True):
                if printed.code:
                    raise ExtensionError(f"{command}: {printed.err}")
            list(workers.map(app.shell.run_all, pages))

    app.connect("builder-inited", first)
    app.add_directive("console", Console)
    return {"parallel_read_safe": False}
