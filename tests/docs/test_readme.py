"""The README is short, and what it shows is what a reader gets."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "extensions"))

from session import commands, run  # noqa: E402

README = (ROOT / "README.md").read_text("utf-8")
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")
# On another processor the sampler takes other draws: estimates stay, effective draws do not.
NEARLY, DRAWS, TIMES = 0.15, 500, 4.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def assert_alike(shown: str, found: str) -> None:
    """Each part between lines of `...` stands in what was printed, numbers nearly the same."""
    for part in re.split(r"^\.\.\.$", shown, flags=re.M):
        wanted, printed = part.split(), found.split()
        starts = range(len(printed) - len(wanted) + 1)
        same = [i for i in starts if _words(printed[i : i + len(wanted)]) == _words(wanted)]
        assert same, f"not printed:\n{part}\nbut:\n{found}"
        values = [_values(printed[i : i + len(wanted)]) for i in same]
        wanted_values = _values(wanted)
        pairs = [zip(each, wanted_values, strict=True) for each in values]
        close = [all(_close(*pair) for pair in each) for each in pairs]
        assert any(close), f"{part}\nbut:\n{found}"


def _values(tokens: list[str]) -> list[float]:
    return [float(value) for value in NUMBER.findall(" ".join(tokens))]


def _close(one: float, other: float) -> bool:
    if min(one, other) >= DRAWS:
        return max(one, other) / min(one, other) < TIMES
    return one == pytest.approx(other, rel=NEARLY)


def _words(tokens: list[str]) -> list[str]:
    return [NUMBER.sub("0", token) for token in tokens]


@pytest.mark.slow
def test_console_blocks(folder: Path) -> None:
    for block in blocks("console"):
        for command, shown in commands(block):
            printed = run(command, folder)
            assert printed.code == 0, printed.err
            assert_alike(shown, str(printed))


@pytest.mark.slow
def test_python_blocks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (folder / "fits").is_dir():
        test_console_blocks(folder)
    monkeypatch.chdir(folder)
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), {})


def test_every_block_is_run() -> None:
    assert len(re.findall(r"^```\w", README, re.M)) == len(blocks("console")) + len(
        blocks("python")
    )


def test_the_skill_table_is_the_measured_one() -> None:
    skill = json.loads((ROOT / "reports" / "forecast-skill" / "skill.json").read_text("utf-8"))
    for method in skill["methods"]:
        row = re.search(rf"^\| {re.escape(method['method'])} \| (.*) \|$", README, re.M)
        assert row is not None, method["method"]
        mean = method["mean"]
        cells = [mean.get("coverage", {}).get(level) for level in ("90", "50")]
        cells += [mean.get(name) for name in ("interval_score", "crps", "rmse")]
        scale = [1, 1, 100, 100, 100]
        texts = ["-" if c is None else f"{s * c:.2f}" for s, c in zip(scale, cells, strict=True)]
        assert row.group(1).split(" | ") == texts


def test_it_is_short_and_names_the_two_commands() -> None:
    assert len(README.encode()) <= 8 * 1024
    assert "`make report`" in README
    assert "`make test`" in README


def test_its_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
