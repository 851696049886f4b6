"""Compiled samplers outlive their process; a file that cannot be trusted is not used."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bayescale
from bayescale.sampling import compiled

# A sampler without groups, used as a refit uses it.
SCRIPT = """
import hashlib, json, sys
from bayescale.sampling import compiled
from bayescale.model.design import design
from bayescale.sampling.sampler import Sampler
from bayescale.runs.table import Runs
from bayescale.base.settings import Settings
from bayescale.model.spec import Spec

spec = Spec.load("separate-slopes").replace(groups=False)
sampler = Sampler(spec, design(spec, Runs.read("open-llm-bpc")))
posterior, _ = sampler.sample(Settings(draws=100, tune=100))
draws = b"".join(posterior[name].values.tobytes() for name in posterior)
print(json.dumps({
    "compiled": "bayescale.model.density.compiling" in sys.modules,
    "pymc": "pymc" in sys.modules,
    "draws": hashlib.sha256(draws).hexdigest(),
    "folder": str(compiled.CACHE.folder()),
}))
"""


def start(cache: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen) -> tuple[dict, str]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out), err


def test_a_change_in_any_module_changes_the_digest(tmp_path: Path) -> None:
    package = tmp_path / "bayescale"
    shutil.copytree(Path(bayescale.__file__).parent, package)
    before = compiled.source_digest(package)
    modules = list(package.rglob("*.py"))
    assert len(modules) > 100
    for module in random.Random(0).sample(modules, 20):
        text = module.read_text("utf-8")
        module.write_text(text + "# changed\n", "utf-8")
        assert compiled.source_digest(package) != before, module
        module.write_text(text, "utf-8")
    assert compiled.source_digest(package) == before


def test_a_module_that_moves_changes_the_digest_and_data_do_not(tmp_path: Path) -> None:
    (tmp_path / "laws").mkdir()
    (tmp_path / "laws" / "a.py").write_text("A = 1\n")
    before = compiled.source_digest(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text("name = 'mine'\n")
    assert compiled.source_digest(tmp_path) == before
    (tmp_path / "laws" / "a.py").rename(tmp_path / "laws" / "b.py")
    assert compiled.source_digest(tmp_path) != before


def test_surroundings_hold_the_whole_package() -> None:
    assert compiled.surroundings()[0] == compiled.source_digest(Path(bayescale.__file__).parent)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The folder of a cache that two processes filled at once, and the output of one of them."""
    cache = tmp_path_factory.mktemp("cache")
    both = [start(cache), start(cache)]
    (output, err), (other_output, _) = map(ended, both)
    assert output["compiled"]
    assert output["draws"] == other_output["draws"]
    assert not err
    return cache, output


@pytest.fixture
def file(first: tuple[Path, dict]) -> Path:
    kept = sorted(Path(first[1]["folder"]).iterdir(), key=lambda file: file.stat().st_size)
    assert len(kept) == 2  # the density and what keeps a draw, whole, and no draft beside them
    return kept[-1]


@pytest.mark.slow
def test_another_process_compiles_nothing_and_draws_the_same(first, file: Path) -> None:
    output, err = ended(start(first[0]))
    assert not output["compiled"]
    assert not output["pymc"]
    assert output["draws"] == first[1]["draws"]
    assert not err
    assert file.stat().st_mode & 0o077 == 0


class AskedToCompileError(Exception):
    pass


def compile_it() -> None:
    raise AskedToCompileError


HARMS = {
    "cut": "damaged",
    "changed": "damaged",
    "writable by others": "others may write it",
    "in a folder writable by others": "others may write it",
    "a link": "cannot be read",
}


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
def test_what_cannot_be_trusted_is_made_again(
    harm: str, file: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mine = compiled.CACHE.folder() / file.name
    mine.parent.mkdir(parents=True, mode=0o700)
    content = file.read_bytes()
    mine.write_bytes(content)
    mine.chmod(0o600)
    if harm == "cut":
        mine.write_bytes(content[: len(content) // 2])
    elif harm == "changed":
        mine.write_bytes(content[:-9] + b"x" + content[-8:])
    elif harm == "writable by others":
        mine.chmod(0o666)
    elif harm == "a link":
        mine.unlink()
        mine.symlink_to(file)
    else:
        mine.parent.chmod(0o777)
    with pytest.raises(AskedToCompileError):
        compiled._kept_as(file.name, compile_it)
    (line,) = capsys.readouterr().err.splitlines()
    assert HARMS[harm] in line
    assert "the sampler is made again" in line


@pytest.mark.slow
def test_where_nothing_can_be_written_a_fit_goes_on(first, tmp_path: Path) -> None:
    (tmp_path / "bayescale").write_text("a file in the way")
    output, err = ended(start(tmp_path))
    assert output["compiled"]
    assert output["draws"] == first[1]["draws"]
    assert "samplers are not kept" in err
