"""Curves: a long table (run, step or tokens, loss, learning rate), read, checked and marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.runs.curves.check import (
    check_losses,
    check_positions,
    check_rates,
    in_order,
)
from bayescale.runs.curves.curve import Curve
from bayescale.runs.curves.readers import read_frame
from bayescale.runs.curves.schedule import Schedule

UNITS = ("step", "tokens", "examples")
_COLUMNS = ("run", "family", "setup", "end", *UNITS, "loss", "lr")
# What else people call the columns.
_ALSO = {"learning_rate": "lr", "curve": "run", "steps": "step", "name": "run"}


@dataclass(frozen=True)
class Curves:
    """Curves of several runs along one unit.

    Attributes
    ----------
    name : str
    unit : {"step", "tokens", "examples"}
    curves : mapping of str to Curve
        By run.
    notes : tuple of Note
        `curve-resumed`, `curve-points-unused`, `curve-diverged`.
    """

    name: str
    unit: str
    curves: Mapping[str, Curve]
    notes: tuple[Note, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.curves)

    def __iter__(self) -> Iterator[Curve]:
        return iter(self.curves.values())

    def __getitem__(self, run: str) -> Curve:
        if run not in self.curves:
            raise unknown("run", run, list(self.curves))
        return self.curves[run]

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        schedule: str | None = None,
        end: float | None = None,
        warmup: float | None = None,
    ) -> Curves:
        """Curves of a CSV table, or of what a trainer or a tracker wrote.

        `trainer_state.json` of the Hugging Face Trainer; a chart exported from W&B, or the
        `run-ID.wandb` of a run that was offline; event files of TensorBoard; `mlflow.db` or an
        `mlruns` folder.

        Parameters
        ----------
        path : str or Path
        columns : mapping, optional
            The file's header of `run`, `family`, `setup`, `end`, `step`, `tokens`, `examples`,
            `loss` or `lr`.
        schedule : str, optional
            A declared schedule, such as `cosine`. A column of learning rates says what was, and
            the schedule what follows.
        end : float, optional
            The last step of the declared schedule; by default what a column `end` says, or each
            curve's last.
        warmup : float, optional
            Steps of the linear warm-up before a column of learning rates begins.

        Raises
        ------
        BayescaleError
            If the file cannot be read, or a row breaks a rule.
        """
        path = Path(path)
        frame, notes = read_frame(path, columns or {})
        curves = cls.from_frame(
            frame, path.name, columns=columns, schedule=schedule, end=end, warmup=warmup
        )
        return replace(curves, notes=(*notes, *curves.notes))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        name: str = "curves",
        *,
        columns: Mapping[str, str] | None = None,
        schedule: str | None = None,
        end: float | None = None,
        warmup: float | None = None,
    ) -> Curves:
        """Curves of a DataFrame, a row a checkpoint; `read` says what the options mean."""
        frame = _renamed(frame, name, columns or {})
        units = [unit for unit in UNITS if unit in frame]
        if not units:
            raise BayescaleError(
                f"{name}: none of the columns {', '.join(UNITS)}; its columns: "
                f"{', '.join(map(str, frame.columns[:8]))}; say which it is: --column step=NAME"
            )
        unit = units[0]
        if "loss" not in frame:
            raise BayescaleError(
                f"{name}: no column 'loss'; its columns: "
                f"{', '.join(map(str, frame.columns[:8]))}; say which it is: --column loss=NAME"
            )
        if "run" not in frame:
            frame = frame.assign(run=Path(name).stem)
        curves, notes = {}, []
        for run, rows in frame.groupby("run", sort=False):
            curve, said = _curve(str(run), rows, unit, text=schedule, end=end, warmup=warmup)
            curves[curve.run] = curve
            notes += said
        if not curves:
            raise BayescaleError(f"{name}: holds no row")
        return cls(name, unit, curves, tuple(notes))

    def rescheduled(self, run: str, text: str, end: float) -> Curves:
        """The same curves where one run's schedule is another one from now on."""
        curve = self[run]
        seen = curve.schedule
        planned = Schedule.declared(text, end)
        if seen is not None:
            planned = _continued(seen, planned, curve.end)
        changed = {**self.curves, run: replace(curve, schedule=planned)}
        return replace(self, curves=changed)


def _continued(seen: Schedule, planned: Schedule, now: float) -> Schedule:
    """What was, up to now, and what is planned from now on."""
    past, ahead = seen.steps <= now, planned.steps > now
    if not ahead.any():
        return seen
    here = np.array([now])
    steps = np.concatenate([seen.steps[past], here, here, planned.steps[ahead]])
    rates = np.concatenate(
        [seen.rates[past], seen.at(here), planned.at(here), planned.rates[ahead]]
    )
    return Schedule(steps, rates)


def _renamed(frame: pd.DataFrame, name: str, columns: Mapping[str, str]) -> pd.DataFrame:
    wrong = [key for key in columns if key not in _COLUMNS]
    if wrong:
        raise unknown("column of curves", wrong[0], list(_COLUMNS))
    lacking = [header for header in columns.values() if header not in frame]
    if lacking:
        raise BayescaleError(
            f"{name}: no column {lacking[0]!r}; its columns: "
            f"{', '.join(map(str, frame.columns[:8]))}"
        )
    names = {header: key for key, header in columns.items()}
    names |= {
        header: key
        for header, key in _ALSO.items()
        if header in frame and key not in frame and key not in columns
    }
    return frame.drop(columns=[key for key in columns if key in frame and key not in names]).rename(
        columns=names
    )


def _curve(
    run: str,
    rows: pd.DataFrame,
    unit: str,
    *,
    text: str | None,
    end: float | None,
    warmup: float | None,
) -> tuple[Curve, list[Note]]:
    position = _numbers(rows, unit, run)
    loss = _numbers(rows, "loss", run)
    loss[~np.isfinite(loss)] = np.nan
    check_positions(run, position, unit)
    order, notes = in_order(run, position, loss, unit)
    order = order[position[order] > 0]
    position, loss = position[order], loss[order]
    check_losses(run, loss)
    schedule = None
    if "lr" in rows:
        rates = _numbers(rows, "lr", run)[order]
        check_rates(run, rates)
        schedule = Schedule.from_column(position, rates, warmup)
    if text is not None:
        now = float(position[-1])
        last = _numbers(rows, "end", run)[-1] if end is None and "end" in rows else end or now
        planned = Schedule.declared(text, max(last, now))
        schedule = planned if schedule is None else _continued(schedule, planned, now)
    family = str(rows["family"].iloc[0]) if "family" in rows else ""
    setup = str(rows["setup"].iloc[0]) if "setup" in rows else run
    curve = Curve(run, family, position, loss, schedule, setup)
    if curve.used.sum() < 5:
        raise BayescaleError(
            f"run {run!r}: {int(curve.used.sum())} points after its warm-up and start-up; "
            "a curve needs 5, so wait for more"
        )
    return curve, [*notes, *_marked(curve)]


def _numbers(rows: pd.DataFrame, column: str, run: str) -> np.ndarray:
    values = pd.to_numeric(rows[column], errors="coerce")
    text = rows[column][values.isna() & rows[column].notna()].astype(str).str.strip().str.lower()
    wrong = text[~text.isin(["nan", "inf", "-inf", "+inf", ""])]
    if len(wrong):
        raise BayescaleError(
            f"run {run!r}: {column}={wrong.iloc[0][:40]!r}: not a number; correct it"
        )
    return values.to_numpy(float).copy()


def _marked(curve: Curve) -> list[Note]:
    marked = {why: int(points.sum()) for why, points in curve.marks.items()}
    found = ", ".join(f"{count} {why}" for why, count in marked.items() if count)
    notes = []
    if found:
        notes.append(
            Note(
                "curve-points-unused",
                "info",
                f"run {curve.run!r}: of {len(curve)} points not used: {found}",
                "a spike is far above its neighbours; start-up is the first 0.2% of the curve",
            )
        )
    if curve.diverged:
        notes.append(
            Note(
                "curve-diverged",
                "warning",
                f"run {curve.run!r} diverged: its last losses are undefined or more than 5% above "
                "its lowest",
                "no law here describes a loss that rises; do not use its forecast",
            )
        )
    return notes
