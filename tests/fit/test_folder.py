"""A fit's folder under faults: whole or not there, whatever happens to who writes it."""

import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from bayescale import Fit
from bayescale.base.errors import BayescaleError, FitError
from bayescale.fit.folder import reserved


@pytest.fixture(scope="module")
def few(fitted: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit of few draws, which is written in a moment."""
    groups = {
        name: data.isel(draw=slice(100)) if "draw" in data.dims else data
        for name, data in fitted.groups.items()
    }
    less = Fit(
        fitted.spec,
        fitted.runs,
        fitted.centre,
        groups,
        fitted.settings,
        fitted.convergence,
        fitted.notes,
    )
    return less.save(tmp_path_factory.mktemp("few") / "fit")


def python(script: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from bayescale import Fit
from bayescale.base.errors import FitError

source, place = map(Path, sys.argv[1:])
fit = Fit.load(source)
fit.data  # everything is read before the first fork
start = time.perf_counter()
fit.save(place, overwrite=True)
seconds = time.perf_counter() - start
random.seed(0)
there = 0
for _ in range(15):
    child = os.fork()
    if child == 0:
        while True:
            fit.save(place, overwrite=True)
    time.sleep(random.uniform(0, 2 * seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        assert Fit.load(place).posterior.identical(fit.posterior)
        there += 1
    except FitError as error:
        assert "no such folder" in str(error), error
fit.save(place, overwrite=True)
print(there, sorted(path.name for path in place.parent.iterdir()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_kills_leave_no_folder_that_loads_wrong(few: Path, tmp_path: Path) -> None:
    process = python(KILLED, few, tmp_path / "fit")
    out, err = process.communicate()
    assert process.returncode == 0, err
    there, left = out.split(" ", 1)
    assert int(there) >= 12  # absent only between two renames
    assert left.strip() == "['fit']"  # drafts of the killed are gone
    assert "an earlier command was killed here" in err


def test_a_second_process_is_refused_at_once(few: Path, tmp_path: Path, run) -> None:
    holding = """
import sys
from pathlib import Path
from bayescale.fit.folder import reserved

with reserved(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
    place = tmp_path / "fit"
    other = subprocess.Popen(
        [sys.executable, "-c", holding, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    code, out, err = run("fit", "compute-only", "--out", place)
    with pytest.raises(BayescaleError, match="another process"):
        Fit.load(few).save(place)
    other.communicate("")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "another process is writing it" in err
    Fit.load(Fit.load(few).save(place))  # now that it has ended
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]


FULL = """
import resource, signal, sys
from pathlib import Path
from bayescale import Fit

fit = Fit.load(Path(sys.argv[1]))
fit.data
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    fit.save(Path(sys.argv[2]), overwrite=True)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(few: Path, tmp_path: Path) -> None:
    place = Fit.load(few).save(tmp_path / "fit")
    out, err = python(FULL, few, place).communicate()
    assert out == f"FitError {place}: cannot be written: File too large\n", err
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]
    assert Fit.load(place).posterior.identical(Fit.load(few).posterior)


def test_a_loaded_fit_is_not_changed_by_what_replaces_it(few: Path, tmp_path: Path) -> None:
    place = Fit.load(few).save(tmp_path / "fit")
    before = Fit.load(place)
    other = Fit.load(few)
    other.groups["prior"]["slope"] += 1
    other.save(place, overwrite=True)
    assert before.prior.identical(Fit.load(few).prior)
    assert not before.prior.identical(Fit.load(place).prior)


def test_a_reserved_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    place = tmp_path / "new" / "fit"
    with pytest.raises(FitError, match="on purpose"), reserved(place):
        raise FitError("on purpose")
    with reserved(place):
        pass
    assert not list(tmp_path.iterdir())


def test_groups_are_read_as_xarray_reads_them(fitted: Fit, fitted_dir: Path) -> None:
    ours = Fit.load(fitted_dir).groups
    theirs = xr.open_datatree(fitted_dir / "posterior.nc", engine="h5netcdf")
    assert set(ours) == set(theirs) == set(fitted.groups)
    for name in theirs:
        expected = theirs[name].to_dataset().load()
        xr.testing.assert_identical(ours[name], expected)
        for variable in expected.variables:
            assert ours[name][variable].dtype == expected[variable].dtype
