"""Progress of long work on standard error: a live bar on a terminal, elsewhere lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from bayescale.base.numbers import count, duration, human
from bayescale.base.output import is_quiet, say
from bayescale.base.settings import Settings

# Seconds between two lines where there is no bar.
_BETWEEN_LINES = 60


class TrainingRun(Protocol):
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
    """A live bar on standard error where that is a terminal; elsewhere what `_line` is given."""

    def __init__(self, first: str = "compiling the sampler", *, enabled: bool) -> None:
        console = Console(stderr=True)
        shows_bar = console.is_terminal or console.is_jupyter
        enabled = enabled and not is_quiet()
        self._shows_lines = enabled and not shows_bar
        self._bar = Progress(
            SpinnerColumn("line" if console.options.ascii_only else "dots"),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (enabled and shows_bar),
        )
        self._task = self._bar.add_task(first, total=None)
        self._start = time.monotonic()

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

    def _line(self, text: str) -> None:
        if self._shows_lines:
            say(text)

    @property
    def _seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start


class SamplingProgress(_Live):
    """Draws of one fit, over all its chains."""

    def __init__(self, settings: Settings, *, enabled: bool) -> None:
        super().__init__(enabled=enabled)
        self._settings = settings
        self._total = settings.chains * (settings.draws + settings.tune)
        self._found = ""

    def found(self, effective: float, *, agree: bool) -> None:
        """What the draws so far are worth, and whether the chains agree."""
        self._found = f", {effective:.0f} of {self._settings.ess} effective draws"
        if not agree:
            self._found += ", R-hat above its limit"

    def __enter__(self) -> Self:
        sizes = self._settings
        until = f"{sizes.draws} kept"
        if sizes.ess is not None:
            until = f"then until {sizes.ess} effective draws, at most {sizes.draws} a chain"
        self._line(f"sampling {sizes.chains} chains: {sizes.tune} tuning draws, {until}")
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            self._line(f"sampled in {duration(self._seconds)}")

    def update(self, chains: list[Any]) -> None:
        """Callback of the sampler, from its own thread."""
        done = sum(chain.finished_draws for chain in chains)
        divergences = sum(chain.divergences for chain in chains)
        self._bar.update(
            self._task,
            description=f"sampling {len(chains)} chains, {divergences} divergences{self._found}",
            total=self._total,
            completed=done,
        )


class FitProgress(_Live):
    """Fits done, of many; some perhaps before."""

    def __init__(self, total: int, done: int, *, enabled: bool) -> None:
        super().__init__(enabled=enabled)
        self._total = total
        self._before = self._done = done

    def __enter__(self) -> Self:
        left = self._total - self._before
        if left:
            self._line(f"{count(left, 'fit')} to do")
        return super().__enter__()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        description = f"fit {self._done} of {self._total}"
        self._bar.update(
            self._task, description=description, total=self._total, completed=self._done
        )
        left = self._total - self._done
        if left:
            each = self._seconds / (self._done - self._before)
            self._line(f"{description} finished, about {duration(each * left)} left")
        else:
            self._line(f"{description} finished, after {duration(self._seconds)}")


class TextProgress(_Live):
    """Text scored by a model, in bytes of its files."""

    def __init__(self, total: int, *, enabled: bool) -> None:
        super().__init__("loading the model", enabled=enabled)
        self._total = total
        self._next_line = _BETWEEN_LINES

    def update(self, name: str, done: int) -> None:
        """A document is being scored, and so many bytes of all files are done."""
        self._bar.update(self._task, description=name, total=self._total, completed=done)
        if self._total and self._seconds > self._next_line:
            self._next_line += _BETWEEN_LINES
            self._line(f"{done / self._total:.0%} of the text scored, now {name}")


class SweepProgress(_Live):
    """Runs trained, of a sweep; the bar and its time left go by compute."""

    def __init__(self, runs: Sequence[TrainingRun], *, enabled: bool) -> None:
        super().__init__("reading the text", enabled=enabled)
        self._runs = list(runs)
        self._total = float(sum(run.params * run.tokens for run in runs))
        self._before = 0.0

    def begin(self, done: float) -> None:
        """So much was trained before: parameters times tokens."""
        self._before = done
        self._bar.update(self._task, total=self._total, completed=done)

    def follow(self, run: TrainingRun) -> Callable[[int], None]:
        """What a run tells its steps to."""
        before, step_tokens = self._before, run.tokens // run.steps
        self._before += run.params * run.tokens
        number = f"run {self._runs.index(run) + 1} of {len(self._runs)}"
        self._line(f"{number}: {human(run.params)} parameters, {human(run.tokens)} tokens")

        def advance(step: int) -> None:
            tokens = f"{human(step * step_tokens)} of {human(run.tokens)} tokens"
            self._bar.update(
                self._task,
                description=f"{number}, {tokens}",
                completed=before + run.params * step * step_tokens,
            )

        return advance
