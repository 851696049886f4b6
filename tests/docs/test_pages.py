"""The pages of the documentation are complete, and say what the code says."""

import ast
import re
from pathlib import Path

import pytest

import bayescale

HOME = Path(bayescale.__file__).parent
DOCS = HOME.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def test_every_note_has_an_anchor() -> None:
    codes = set()
    for path in HOME.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "Note":
                keywords = {word.arg: word.value for word in call.keywords}
                code = call.args[0] if call.args else keywords["code"]
                if isinstance(code, ast.Constant):
                    codes.add(code.value)
    anchors = re.findall(r"^### (.*)$", (DOCS / "notes.md").read_text("utf-8"), re.M)
    assert codes
    # `extrapolation` is named by a constant.
    assert sorted(anchors) == sorted(codes | {"extrapolation"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_block_is_run(page: Path) -> None:
    """A block of commands or Python is a directive, so that the build runs it."""
    blocks = re.findall(r"^```+[ ]*(\w[^\n]*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    for language, text in blocks:
        assert not re.match(r"(console|bash|sh|shell|python|pycon)\b", language), text
        assert not re.search(r"^(\$ |bayescale |make |pip )", text, re.M), text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_page_is_reached(page: Path) -> None:
    """Through the table of contents of the index in its folder or above it."""
    if page == DOCS / "index.md":
        return
    index = DOCS / "index.md" if page.name == "index.md" else page.with_name("index.md")
    entries = re.findall(r"^```{toctree}\n(.*?)^```", index.read_text("utf-8"), re.M | re.S)
    name = page.relative_to(index.parent).with_suffix("").as_posix()
    assert any(name in entry.split() for entry in entries)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_files_and_tests_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in re.findall(r"`((?:bayescale|tests|models|reports|data|docs)/[\w./-]+)", text):
        assert (HOME.parent / name).exists(), name
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)", text):
        assert f"def {test}(" in (HOME.parent / path).read_text("utf-8"), test
