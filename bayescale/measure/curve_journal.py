"""CurveJournal: the loss curve of a run in progress, and what it will end at."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB, Settings
from bayescale.fit.curves import CurveFit, fit_curves
from bayescale.runs.curves import Curves

_HEADER = ("run", "step", "loss", "lr")


class CurveJournal:
    """A CSV table of curves to which a run adds its points.

    Other runs may be in the file: those of one setup or family sharpen the forecast. Steps that a
    run logs again, because it went on from a checkpoint, count as they were logged last.

    Parameters
    ----------
    path : Path
    run : str
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run = path, run
        self._fit: CurveFit | None = None

    def add(self, step: int, loss: float, rate: float | None) -> None:
        """Add a point.

        Raises
        ------
        BayescaleError
            If the file holds something else, or cannot be written.
        """
        cells = {"run": self.run, "step": step, "loss": loss, "lr": "" if rate is None else rate}
        try:
            new = not self.path.exists()
            if not new:
                with self.path.open(encoding="utf-8", newline="") as file:
                    header = tuple(next(csv.reader(file), ()))
                if header != _HEADER:
                    raise BayescaleError(
                        f"{self.path}: its columns are {', '.join(header[:6])}, not "
                        f"{', '.join(_HEADER)}; name another file for the curve"
                    )
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, _HEADER, lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerow(cells)
        except OSError as error:
            raise BayescaleError(f"{self.path}: cannot be written: {error.strerror}") from error

    def forecast(self, end: int, schedule: str | None) -> str:
        """One line: what the loss will be at the last step.

        Parameters
        ----------
        end : int
            The run's last step.
        schedule : str or None
            Of the learning rate from now on, as `Schedule.declared` takes it; None if it is not
            known, so that the law does without.

        Raises
        ------
        BayescaleError
            If there are too few points yet.
        """
        frame = pd.read_csv(self.path, encoding="utf-8")
        if schedule is None:
            frame = frame.drop(columns="lr")
        curves = Curves.from_frame(frame, self.path.name, schedule=schedule, end=end)
        law = None if schedule else "broken-power"
        curve = curves[self.run]
        known = self._fit is not None and self._fit.law.name == (law or "multi-power")
        self._fit = (
            self._fit.update(curve)
            if self._fit is not None and known
            else fit_curves(curves, law, seed=Settings.seed, only=[self.run])
        )
        last = self._fit.forecast(self.run, end).table().iloc[-1]
        return (
            f"{self.run} at step {curve.end:.0f} of {end}: loss {curve.loss[-1]:.4g}; ends at "
            f"{last['median']:.4g}, {last['lower']:.4g} to {last['upper']:.4g} ({percent(PROB)})"
        )
