"""Progress on a terminal: compiling, then draws done, chains and divergences."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from bayescale.settings import Settings


class SamplingProgress:
    """A live bar on standard error; nothing is written where that is no terminal."""

    def __init__(self, settings: Settings, *, enabled: bool) -> None:
        console = Console(stderr=True)
        self._total = settings.chains * (settings.draws + settings.tune)
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
        self._task = self._bar.add_task("compiling the sampler", total=None)

    def __enter__(self) -> SamplingProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

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
