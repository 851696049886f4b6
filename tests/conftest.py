"""Fixtures: real fits, sampled once a session, and the project's shared data where it is there."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from known_laws import TRUTH

from bayescale import Fit, Runs, ScalingModel, Spec
from bayescale.cli import main as cli
from bayescale.sampling import jobs as many
from bayescale.testing import ladder, simulate

SHARED = Path(__file__).parents[2] / "shared" / "data"
# Gives the fit of a name, made by the first worker that asks for it.
type Once = Callable[[str, Callable[[], Fit]], Fit]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a worker takes a file at a time, and none ends long after."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def _nothing_done_before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test is handed what an interrupted command had finished."""
    with pytest.MonkeyPatch.context() as patched:
        place = str(tmp_path_factory.mktemp("finished"))
        patched.setattr(many, "FINISHED", replace(many.FINISHED, name=place))
        yield


@pytest.fixture(scope="session")
def table() -> Runs:
    return Runs.read("open-llm-bpc")


@pytest.fixture(scope="session")
def fitted(table: Runs) -> Fit:
    """The default spec on the bundled table, with default settings."""
    return ScalingModel("compute-only").fit(table)


@pytest.fixture(scope="session")
def fitted_dir(fitted: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.save(tmp_path_factory.mktemp("fits") / "compute-only")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a fit of a name once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[], Fit]) -> Fit:
        folder = shared / name
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                make().save(folder)
            return Fit.load(folder)

    return made


@pytest.fixture(scope="session")
def chinchilla_240(once: Once) -> Fit:
    """Chinchilla's law without groups on the 240 digitised points."""
    path = SHARED / "chinchilla_245.csv"
    if not path.is_file():
        pytest.skip("the digitised points of arXiv 2404.10102 are not in ../shared/data")
    spec = Spec.load("chinchilla").replace(response="loss", groups=False)
    runs = Runs.read(path, where="drop_in_besiroglu == False")
    return once("chinchilla-240", lambda: ScalingModel(spec).fit(runs))


@pytest.fixture(scope="session")
def data_constrained(once: Once) -> Fit:
    """The data-constrained law on the published rows, where it can follow them."""
    path = SHARED / "datablations.csv"
    if not path.is_file():
        pytest.skip("the runs of arXiv 2305.16264 are not in ../shared/data")
    rows = "in_published_fit and loss < 4 and epochs <= 20"
    runs = Runs.read(path, where=rows)
    return once("data-constrained", lambda: ScalingModel("data-constrained").fit(runs))


@pytest.fixture(scope="session")
def forecast(once: Once) -> Fit:
    """The forecast spec on simulated runs of Chinchilla's law."""
    return once("forecast", _forecast)


def _forecast() -> Fit:
    spec = Spec.load("chinchilla").replace(groups=False)
    runs = simulate(spec, ladder(), TRUTH["chinchilla"] | {"sigma": 0.004, "nu": 30.0}, seed=3)
    some = Runs(runs.table.sample(40, random_state=1).reset_index(drop=True), "simulated")
    forecast = Spec.load("forecast").replace(response="bpc")
    return ScalingModel(forecast).fit(some, ess=400, show_progress=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from looking import launched

    with launched() as opened:
        yield opened


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run a command in an empty folder; gives exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bayescale", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return command
