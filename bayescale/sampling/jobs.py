"""Jobs: independent fits, each summarised where it is done, by threads, processes or a cluster.

A job knows all that its summary depends on, so the numbers do not depend on who does it, when, or
beside what. Its draws stay with the worker, which keeps the samplers that it compiled; plain values
come back, and are kept on disk until all jobs are done, so an interrupted command goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, Protocol

import joblib
import numpy as np
import pandas as pd
import xarray as xr
from joblib.externals import loky
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from bayescale.base.cache import Cache
from bayescale.base.errors import BayescaleError
from bayescale.base.interrupts import uninterrupted
from bayescale.base.numbers import plural
from bayescale.base.output import say
from bayescale.base.progress import FitProgress
from bayescale.model.spec import Spec
from bayescale.sampling.compiled import digest, surroundings

# Summaries of a command that has not ended, a few kB each.
FINISHED = Cache(
    "finished", 10_000, "the fit is done again", "finished fits are lost if this is interrupted"
)

# How often workers may be lost one after another while no fit is finished.
_LOSSES_MOST = 3

# Seconds that a cluster has to answer, and to have a first worker.
_ANSWER_WITHIN, _WORKER_WITHIN = 5, 10

# What the numbers depend on, beside what compiled code does.
_PACKAGES = (
    *("arviz-stats", "numba", "numpy", "nutpie", "pandas", "pymc", "pytensor", "scipy"),
    "xarray",
)


class Job(Protocol):
    """A fit and what is asked of it: a frozen dataclass that can be pickled.

    Its fields are all that the summary depends on: numbers, text, arrays, datasets, tables,
    pydantic models, or dataclasses of these.
    """

    def do(self) -> dict[str, Any]:
        """The summary, in values that JSON holds."""


@dataclass(frozen=True)
class Workers:
    """Who does many fits.

    Attributes
    ----------
    number : int
        How many at a time; by default as many as there are cores. A cluster does as many as its
        workers have threads.
    kind : {"threads", "processes"}
        Of this process, or beside it. Processes take some seconds to start, but do not wait for
        each other where fits are short.
    cluster : str, optional
        Address of a Dask scheduler, such as tcp://HOST:8786, whose workers do them instead.
    """

    number: int = field(default_factory=joblib.cpu_count)
    kind: Literal["threads", "processes"] = "threads"
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.number < 1:
            raise BayescaleError(f"workers={self.number}: at least 1 has to do the work")
        if self.kind not in ("threads", "processes"):
            raise BayescaleError(f"kind={self.kind!r}: use threads or processes")
        if self.cluster is not None:
            scheme, _, place = self.cluster.partition("://")
            if not (scheme and place.rpartition(":")[2].isdigit()):
                raise BayescaleError(
                    f"cluster={self.cluster!r}: an address is written tcp://HOST:PORT"
                )


@dataclass(frozen=True)
class _Pool:
    """Workers that were started.

    Attributes
    ----------
    executor : Executor
        Takes jobs.
    lost : tuple of exception types
        Raised where a worker was lost.
    """

    executor: Executor
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)


def perform(
    jobs: Sequence[Job], workers: Workers | None = None, *, show_progress: bool = True
) -> list[dict[str, Any]]:
    """Summaries of jobs, in their order.

    What is finished is kept on disk until all are: if this is interrupted, the next time does
    only the rest, and says so in a line. What a lost worker had in hand is done again.

    Parameters
    ----------
    jobs : sequence of Job
    workers : Workers, optional
        By default threads, as many as there are cores.
    show_progress : bool
        A live bar on standard error, where that is a terminal.

    Raises
    ------
    BayescaleError
        If a job does, if workers are lost again and again, or if the cluster cannot be used.
    """
    names = [key(job) for job in jobs]
    kept = {i: FINISHED.read(name) for i, name in enumerate(names)}
    done = {i: summary for i, summary in kept.items() if summary is not None}
    if done:
        say(f"{len(done)} of {len(jobs)} {plural('fit')} were finished before; doing the rest")
    with FitProgress(len(jobs), len(done), enabled=show_progress) as progress:

        def finish(number: int, summary: str) -> None:
            done[number] = summary.encode()
            with uninterrupted():
                FINISHED.write(names[number], done[number])
            progress.advance()

        _do_all(
            {i: job for i, job in enumerate(jobs) if i not in done}, workers or Workers(), finish
        )
    for name in names:
        FINISHED.remove(name)
    return [json.loads(done[i]) for i in range(len(jobs))]


def check(workers: Workers | None) -> None:
    """Raise a `BayescaleError` if workers cannot be used, before other work begins."""
    with _pool(workers or Workers(), 1):
        pass


def _do_all(jobs: Mapping[int, Job], workers: Workers, finish: Callable[[int, str], None]) -> None:
    """Hand over each summary as it comes; start anew with the rest when a worker is lost."""
    left, losses = dict(jobs), 0  # losses one after another, with no fit finished between
    while left:
        before = len(left)
        with _pool(workers, before) as pool:
            futures = {}
            with suppress(*pool.lost):
                for number, job in left.items():
                    futures[pool.executor.submit(_do, job, versions())] = number
            for future in as_completed(futures):
                with suppress(*pool.lost):
                    finish(futures[future], future.result())
                    del left[futures[future]]
        if left:
            losses = losses + 1 if len(left) == before else 0
            fits = f"{len(left)} {'fit' if len(left) == 1 else 'fits'}"
            if losses == _LOSSES_MOST:
                raise BayescaleError(
                    f"workers were lost {losses} times while they did {fits}, and nothing was "
                    "finished; look for what killed them (memory?), or take fewer at a time"
                )
            say(f"a worker was lost; doing {fits} again")


def _do(job: Job, wanted: Mapping[str, str]) -> str:
    """A job's summary as JSON, in a worker that has the wanted versions."""
    if (difference := _difference(versions(), wanted)) is not None:
        raise BayescaleError(f"a worker that joined has {difference}")
    threadpool_limits(1)  # jobs run side by side, and BLAS sums in another order with more
    try:
        return json.dumps(job.do())
    except BayescaleError as error:  # some kinds hold more than their text, and are not pickled
        raise BayescaleError(str(error)) from None


@contextmanager
def _pool(workers: Workers, jobs: int) -> Iterator[_Pool]:
    """The workers for so many jobs, gone when the block ends."""
    if workers.cluster is not None:
        with _cluster(workers.cluster) as pool:
            yield pool
        return
    number = min(workers.number, jobs)
    if workers.kind == "threads":
        threads = ThreadPoolExecutor(number)
        try:
            with threadpool_limits(1):  # put back when all is done
                yield _Pool(threads)
        finally:
            threads.shutdown(cancel_futures=True)
        return
    with _silent_tracker():
        processes = loky.ProcessPoolExecutor(number, initializer=_end_with, initargs=(os.getpid(),))
    try:
        yield _Pool(processes)
    except BaseException:
        processes.shutdown(kill_workers=True)
        raise
    processes.shutdown()


@contextmanager
def _silent_tracker() -> Iterator[None]:
    """Have loky's tracker of semaphores clear up what Ctrl-C leaves to it without a warning."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [before, "ignore:resource_tracker"]))
    try:
        yield
    finally:
        os.environ.pop("PYTHONWARNINGS")
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before


def _end_with(parent: int) -> None:
    """End this process when the one that started it has ended, which alone heeds Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[_Pool]:
    """The workers of a Dask cluster, if all can do what is done here."""
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError as error:
        raise BayescaleError(
            f"cluster={address}: needs Dask; pip install 'bayescale[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=_ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BayescaleError(
            f"{address}: no Dask scheduler answers within {_ANSWER_WITHIN} s; start one with "
            "`dask scheduler`, or correct the address"
        ) from error
    with _silent_client(), client:
        try:
            client.wait_for_workers(1, timeout=_WORKER_WITHIN)
        except TimeoutError as error:
            raise BayescaleError(
                f"{address}: no worker within {_WORKER_WITHIN} s; start some with "
                f"`dask worker {address}`"
            ) from error
        for worker, there in client.run(versions, on_error="return").items():
            if (difference := _difference(there, versions())) is not None:
                raise BayescaleError(f"{address}: worker {worker} has {difference}")
        try:
            yield _Pool(client.get_executor(pure=False), (KilledWorker,))
        except CancelledError as error:
            raise BayescaleError(
                f"{address}: the cluster went away; finished fits are kept: run this again"
            ) from error


@contextmanager
def _silent_client() -> Iterator[None]:
    """Without what Dask's client logs of a scheduler that is gone; an error of ours says it."""
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@cache
def versions() -> dict[str, str]:
    """Versions of all that the numbers depend on, this package's source among them."""
    source, *_ = surroundings()
    here = {"bayescale": f"{version('bayescale')} ({source[:8]})"}
    return here | {name: version(name) for name in _PACKAGES}


def _difference(there: Mapping[str, str] | Exception, here: Mapping[str, str]) -> str | None:
    """How a worker's versions differ from those here, in words, if they do."""
    if isinstance(there, Exception):
        return f"no such bayescale ({there}); install {here['bayescale']} there"
    for name, wanted in here.items():
        if there.get(name) != wanted:
            return f"{name} {there.get(name)}, here is {wanted}; install the same there"
    return None


def key(job: Job) -> str:
    """A digest of all that a job's summary depends on: the job, versions, processor."""
    return digest([_plain(job), versions()])


def _plain(value: Any) -> Any:  # noqa: PLR0911 - a kind a line
    """A value as JSON holds it, an array of numbers as its digest."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Spec):
        return [value.model_dump(mode="json"), value.law.fingerprint]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            return value.tolist()
        content = hashlib.sha256(value.tobytes()).hexdigest()
        return [value.dtype.str, value.shape, content]
    if isinstance(value, xr.Dataset):
        return {str(k): [v.dims, _plain(v.to_numpy())] for k, v in value.variables.items()}
    if isinstance(value, pd.DataFrame):
        return value.to_csv()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if dataclasses.is_dataclass(value):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [f"{type(value).__module__}.{type(value).__qualname__}", fields]
    raise TypeError(f"a job cannot hold a {type(value).__name__}")
