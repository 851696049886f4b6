"""The package: what is in its source distribution and wheel, and that all says one version."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import bayescale

ROOT = Path(__file__).parents[1]
SOURCES = ("bayescale", "data", "models", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md",
           "LICENSE", "CHANGELOG.md", "CITATION.cff", "requirements.lock", "tests")  # fmt: skip
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])('out'))"


def built(kind: str, folder: Path) -> Path:
    command = [sys.executable, "-c", BUILD, f"build_{kind}"]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return folder / "out" / out.splitlines()[-1]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """Names in the source distribution, and in the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("package")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    with tarfile.open(built("sdist", folder)) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    inside = {str(f.relative_to(unpacked)) for f in unpacked.rglob("*") if f.is_file()}
    with zipfile.ZipFile(built("wheel", unpacked)) as wheel:
        return inside, set(wheel.namelist())


def tracked(folder: str, *endings: str) -> set[str]:
    files = (ROOT / folder).rglob("*")
    return {str(f.relative_to(ROOT)) for f in files if f.suffix in endings}


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_needed_and_no_tests(
    distributions: tuple[set[str], set[str]],
) -> None:
    source, wheel = distributions
    code = tracked("bayescale", ".py", ".toml", ".j2", ".js", ".css")
    inside = tracked("data", ".csv", ".md", ".toml") | tracked("models", ".toml")
    assert code <= wheel
    assert {f"bayescale/{name}" for name in inside} <= wheel
    assert "bayescale/py.typed" in wheel
    assert not [name for name in (*source, *wheel) if Path(name).parts[0] == "tests"]
    strange = {Path(name).parts[0] for name in wheel} - {"bayescale"}
    assert all(name.endswith(".dist-info") for name in strange)
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"} <= source


def test_all_say_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == bayescale.__version__
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {project['version']}\n" in citation
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
