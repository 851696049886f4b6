"""Words: report, README and documentation speak the field's language, and say what is there."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import bayescale

HOME = Path(bayescale.__file__).parent
REPORT = HOME / "report"
WRITTEN = [HOME.parent / "README.md", *sorted((HOME.parent / "docs").rglob("*.md"))]
SENTENCES = REPORT / "sentences.toml"
OLD = re.compile(
    r"what (the law|it) misses|stand-ins?\b|\bdearer|scatter of single|knows? of nothing"
    r"|\bmend(ed)?\b|\bhidden\b|\bparting\b|\bunseen\b|\breached\b|\bmoved\b|hidden-tokens",
    re.I,
)


def sources() -> list[Path]:
    files = [p for p in REPORT.rglob("*") if p.suffix in (".py", ".toml", ".j2", ".js", ".css")]
    return [path for path in files if "vendor" not in path.parts]


@pytest.mark.parametrize("path", [*WRITTEN, *sources()], ids=lambda path: path.name)
def test_no_private_words(path: Path) -> None:
    # "overflow: hidden" is CSS, ":hidden:" an option of a table of contents.
    text = re.sub(r"overflow(-[xy])?: hidden|:hidden:", "", path.read_text("utf-8"))
    lines = [line for line in text.splitlines() if OLD.search(line)]
    assert not lines


def test_every_sentence_is_used() -> None:
    used = set()
    for path in sources():
        if path != SENTENCES:
            used |= set(re.findall(r"\w+", path.read_text("utf-8")))

    def keys(table: dict, prefix: str = "") -> Iterator[str]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from keys(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    known = {"law.dist.Normal", "law.dist.StudentT"}  # names of a noise
    for key in keys(tomllib.loads(SENTENCES.read_text("utf-8"))):
        name = key.rpartition(".")[2].removesuffix("_alt")
        assert name in used or key in known, key
