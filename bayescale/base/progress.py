"""Progress on a terminal: compiling, then draws or fits done; text scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from bayescale.base.numbers import human
from bayescale.base.settings import Settings


class Job(Protocol):
    """A run to train, as its progress is told."""

    @property
    def params(self) -> int:
        """Its parameters."""

    @property
    def tokens(self) -> int:
        """All that it trains on."""

    @property
    def steps(self) -> int:
        """In which it does so."""


class _Live:
    """A live bar on standard error; nothing is written where that is no terminal."""

    def __init__(self, first: str = "compiling the sampler", *, enabled: bool) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (enabled and (console.is_terminal or console.is_jupyter)),
        )
        self._task = self._bar.add_task(first, total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()


class SamplingProgress(_Live):
    """Draws of one fit, over all its chains."""

    def __init__(self, settings: Settings, *, enabled: bool) -> None:
        super().__init__(enabled=enabled)
        self._total = settings.chains * (settings.draws + settings.tune)

    def update(self, chains: list[Any]) -> None:
        """Callback of the sampler, from its own thread."""
        done = sum(chain.finished_draws for chain in chains)
        divergences = sum(chain.divergences for chain in chains)
        self._bar.update(
            self._task,
            description=f"sampling {len(chains)} chains, {divergences} divergences",
            total=self._total,
            completed=done,
        )


class FitProgress(_Live):
    """Fits done, of many; some perhaps before."""

    def __init__(self, total: int, done: int, *, enabled: bool) -> None:
        super().__init__(enabled=enabled)
        self._total = total
        self._done = done

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        description = f"fit {self._done} of {self._total}"
        self._bar.update(
            self._task, description=description, total=self._total, completed=self._done
        )


class TextProgress(_Live):
    """Text scored by a model, in bytes of its files."""

    def __init__(self, total: int, *, enabled: bool) -> None:
        super().__init__("loading the model", enabled=enabled)
        self._total = total

    def update(self, name: str, done: int) -> None:
        """A document is being scored, and so many bytes of all files are done."""
        self._bar.update(self._task, description=name, total=self._total, completed=done)


class SweepProgress(_Live):
    """Runs trained, of a sweep; the bar and its time left go by compute."""

    def __init__(self, jobs: Sequence[Job], *, enabled: bool) -> None:
        super().__init__("reading the text", enabled=enabled)
        self._jobs = list(jobs)
        self._total = float(sum(job.params * job.tokens for job in jobs))
        self._before = 0.0

    def begin(self, done: float) -> None:
        """So much was trained before: parameters times tokens."""
        self._before = done
        self._bar.update(self._task, total=self._total, completed=done)

    def follow(self, job: Job) -> Callable[[int], None]:
        """What a run tells its steps to."""
        before, step_tokens = self._before, job.tokens // job.steps
        self._before += job.params * job.tokens
        number = self._jobs.index(job) + 1

        def advance(step: int) -> None:
            tokens = f"{human(step * step_tokens)} of {human(job.tokens)} tokens"
            self._bar.update(
                self._task,
                description=f"run {number} of {len(self._jobs)}, {tokens}",
                completed=before + job.params * step * step_tokens,
            )

        return advance
