"""Jobs: the same numbers whoever does them, and nothing finished is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noted_jobs import Noted, noted

from bayescale import BayescaleError, Runs, Settings, Spec, Workers
from bayescale.evaluation.backtest import _Fitted
from bayescale.evaluation.calibration import _Simulated
from bayescale.evaluation.folds import folds
from bayescale.evaluation.left_out import LeftOut
from bayescale.evaluation.splits import split
from bayescale.model import priors
from bayescale.model.design import design
from bayescale.sampling import jobs as jobs_module
from bayescale.sampling.jobs import Job, perform

SPEC = Spec.load("compute-only").replace(groups=False)
SHORT = Settings(draws=200, tune=200, chains=2)


def plain(done: list[dict[str, Any]]) -> str:
    """The summaries, apart from the seconds that they took."""
    return json.dumps([{k: v for k, v in summary.items() if k != "seconds"} for summary in done])


@pytest.fixture(scope="module")
def jobs(table: Runs) -> list[Job]:
    """Jobs of each kind: a whole fit, refits of a comparison, a fit of simulated responses."""
    arrays = design(SPEC, table)
    truth = priors.draws(SPEC, arrays, 2, seed=0).isel(chain=0, draw=1)
    left_out = folds(table, "family")[:2]
    return [
        _Fitted(SPEC, split(table, "family != 'Llama-2'"), 0),
        *(LeftOut(SPEC, arrays, f.out, SHORT, 0, together=True) for f in left_out),
        *(LeftOut(SPEC, arrays, f.out, SHORT, 0, together=False) for f in left_out),
        _Simulated(SPEC, arrays, np.linspace(0.4, 0.6, len(table)), truth, SHORT),
    ]


@pytest.fixture(scope="module")
def alone(jobs: list[Job]) -> list[dict[str, Any]]:
    """The summaries by one thread."""
    return perform(jobs, Workers(1), show_progress=False)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A real Dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as local:
        yield local.scheduler_address


def after_a_killer(jobs: list[Job], workers: Workers, tmp_path: Path) -> list[dict[str, Any]]:
    """Summaries of the jobs in another order, the first of which kills its worker once."""
    order = random.Random(1).sample(range(len(jobs)), len(jobs))
    killer = Noted(0, str(tmp_path / "log"), "once")
    _, *done = perform([killer, *(jobs[i] for i in order)], workers, show_progress=False)
    assert len(noted(tmp_path / "log")) == 2
    return [summary for _, summary in sorted(zip(order, done, strict=True))]


def test_threads_give_what_one_gives(jobs, alone) -> None:
    order = list(range(len(jobs)))[::-1]
    done = perform([jobs[i] for i in order], Workers(2), show_progress=False)
    assert plain(done[::-1]) == plain(alone)


def test_processes_give_the_same_though_one_is_killed(jobs, alone, tmp_path, capsys) -> None:
    assert plain(after_a_killer(jobs, Workers(2, "processes"), tmp_path)) == plain(alone)
    assert "a worker was lost; doing" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cluster_gives_the_same_though_one_is_killed(jobs, alone, cluster, tmp_path) -> None:
    assert plain(after_a_killer(jobs, Workers(cluster=cluster), tmp_path)) == plain(alone)


@pytest.mark.slow
def test_a_cluster_that_has_other_versions_is_refused(cluster, monkeypatch) -> None:
    here = jobs_module.versions() | {"nutpie": "0.99"}
    monkeypatch.setattr(jobs_module, "versions", lambda: here)
    with pytest.raises(BayescaleError, match=r"has nutpie 0\.\d+\S*, here is 0\.99; install"):
        perform([Noted(0, "unused")], Workers(cluster=cluster))


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_given_up(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(jobs_module, "_LOSSES_MOST", 1)
    log = str(tmp_path / "log")
    jobs = [Noted(0, log, "always", 0.2)]
    with pytest.raises(BayescaleError, match="workers were lost 1 times while they did 1 fit"):
        perform(jobs, Workers(2, "processes"))


def test_draws_stay_where_they_are(jobs, alone) -> None:
    sizes = [len(json.dumps(summary)) for summary in alone]
    assert max(sizes) < 10_000  # a parameter's draws alone are more
    assert "chain" not in json.dumps(alone)


def test_nothing_is_kept_of_a_command_that_has_ended(alone) -> None:
    assert not list(jobs_module.FINISHED.folder().iterdir())


SCRIPT = """
import sys
from bayescale.base.interrupts import exit_on_interrupt
from bayescale.sampling.jobs import Workers, perform
from noted_jobs import Noted

log, kind = sys.argv[1:]
with exit_on_interrupt():
    perform([Noted(i, log, seconds=0.3) for i in range(8)], Workers(2, kind))
"""


def start(cache: Path, kind: str) -> subprocess.Popen:
    here = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(cache / "log"), kind],
        env=os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(here)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(process: str) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize(
    ("kind", "how"), [("threads", signal.SIGINT), ("processes", signal.SIGKILL)]
)
def test_interrupted_a_rerun_does_only_the_rest(
    kind: str, how: int, tmp_path: Path, monkeypatch, capsys
) -> None:
    cache = replace(jobs_module.FINISHED, name=str(tmp_path / "bayescale" / "finished"))
    monkeypatch.setattr(jobs_module, "FINISHED", cache)

    def finished() -> int:
        return len(list(cache.folder().glob("[!.]*")))

    process = start(tmp_path, kind)
    wait(lambda: finished() >= 3)
    process.send_signal(how)
    _, err = process.communicate()
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in err
    kept = finished()
    workers = {worker for _, worker in noted(tmp_path / "log")}
    wait(lambda: not any(map(alive, workers)), 5)
    (tmp_path / "log").unlink()
    again = perform([Noted(i, str(tmp_path / "log"), seconds=0.3) for i in range(8)])
    assert [summary["number"] for summary in again] == list(range(8))
    assert len(noted(tmp_path / "log")) == 8 - kept
    assert f"{kept} of 8 fits were finished before" in capsys.readouterr().err
    assert finished() == 0


def test_a_damaged_summary_is_made_again(tmp_path: Path, capsys) -> None:
    log = str(tmp_path / "log")
    jobs = [Noted(i, log) for i in range(3)]
    whole = perform(jobs, Workers(1))
    for job, content in zip(jobs, (b'{"number": 0}', b"repaired"), strict=False):
        jobs_module.FINISHED.write(jobs_module.key(job), content)
    broken = jobs_module.FINISHED.folder() / jobs_module.key(jobs[1])
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    again = perform(jobs, Workers(1))
    assert again[0] == {"number": 0}  # whole, so believed
    assert json.dumps(again[1:]) == json.dumps(whole[1:])
    err = capsys.readouterr().err
    assert "damaged; the fit is done again" in err
    assert "1 of 3 fits were finished before" in err


def test_a_key_holds_all_that_a_summary_depends_on(jobs, table: Runs) -> None:
    keys = [jobs_module.key(job) for job in jobs]
    assert len({*keys}) == len(keys)
    arrays = design(SPEC, table)
    out = folds(table, "family")[0].out
    same = LeftOut(Spec.load("compute-only").replace(groups=False), arrays, out, SHORT, 0, True)
    assert jobs_module.key(same) == keys[1]
    other = table.table.assign(bpc=table.table["bpc"] + 1e-12)
    changed = LeftOut(SPEC, design(SPEC, Runs(other, "other")), out, SHORT, 0, True)
    assert jobs_module.key(changed) != keys[1]


COMPARE = ["compare", "compute-only", "separate-slopes", "--by", "frontier"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", 0], "workers=0: at least 1"),
        (["--workers", 2, "--cluster", "tcp://here:1"], "name one"),
        (["--cluster", "here"], "cluster='here': an address is written tcp://HOST:PORT"),
        (["--cluster", "tcp://127.0.0.1:9"], "no Dask scheduler answers"),
    ],
)
def test_workers_that_cannot_be_had_are_one_line(run, monkeypatch, options, words: str) -> None:
    monkeypatch.setattr(jobs_module, "_ANSWER_WITHIN", 1)
    began = time.monotonic()
    code, out, err = run(*COMPARE, *options)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert time.monotonic() - began < 10


def test_without_dask_one_line_names_the_extra(run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run(*COMPARE, "--cluster", "tcp://127.0.0.1:9")
    assert code == 2
    assert err.endswith("pip install 'bayescale[cluster]'\n")
