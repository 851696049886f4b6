"""Stack: several fits, averaged by their weights, that predicts like one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.base.errors import BayescaleError, FitError
from bayescale.base.notes import Note
from bayescale.base.shown import Shown
from bayescale.fit import folder
from bayescale.fit.fit import Fit
from bayescale.model.spec import Spec
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.points import Points, as_points
from bayescale.predictive.predict import Answers, Located
from bayescale.runs.table import Runs

_FORMAT = 1
# A model with less is left out: its share of the draws would be a handful.
_WEIGHT_LEAST = 0.005


@dataclass(frozen=True, eq=False, repr=False)
class Stack(Shown, Answers):
    """A mixture of fits of the same runs.

    Attributes
    ----------
    fits : tuple of Fit
    weights : tuple of float
        Share of each fit's draws; they sum to 1.
    """

    fits: tuple[Fit, ...]
    weights: tuple[float, ...]

    def _title(self) -> str:
        return f"Stack of {len(self.fits)} fits of {self.runs.name}: {len(self.runs)} runs"

    def _table(self) -> pd.DataFrame:
        return pd.DataFrame({"spec": [spec.name for spec in self.specs], "weight": self.weights})

    @property
    def heaviest(self) -> Fit:
        """The fit with the most weight."""
        return self.fits[int(np.argmax(self.weights))]

    @property
    def spec(self) -> Spec:
        """The spec of the fit with the most weight."""
        return self.heaviest.spec

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The specs of all fits."""
        return tuple(fit.spec for fit in self.fits)

    @property
    def runs(self) -> Runs:
        """The runs that every fit saw."""
        return self.fits[0].runs

    @property
    def seed(self) -> int:
        """Seed of the draws' shuffle."""
        return self.fits[0].seed

    @property
    def notes(self) -> list[Note]:
        """Notes of every fit."""
        return [
            Note(note.code, note.level, f"{fit.spec.name}: {note.text}", note.hint)
            for fit in self.fits
            for note in fit.notes
        ]

    def locate(self, points: Points) -> Located[Mixture]:
        """The predictive distribution of the response at points: each draw from one of the fits.

        A group that only some fits know is new or left out in the others.
        """
        rows = as_points(points)
        located = [fit.locate(rows) for fit in self.fits]
        members = tuple(member.predictive for member in located)
        described = located[0].points
        for member in located[1:]:
            new = [column for column in member.points if column not in described]
            described = described.join(member.points[new])
        notes = {str(note): note for member in located for note in member.notes}
        mixture = Mixture(members, self.weights, self.seed)
        return Located(mixture, described, list(notes.values()))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fits and their weights to a folder, whole or not at all; as `Fit.save`."""
        names = [fit.spec.name for fit in self.fits]
        record = {"format": _FORMAT, "weights": dict(zip(names, self.weights, strict=True))}
        with folder.draft(Path(path), overwrite=overwrite) as draft:
            for fit in self.fits:
                fit.save(draft / fit.spec.name)
            (draft / folder.STACK).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        return Path(path).absolute()


def stack(fits: Sequence[Fit], weights: Mapping[str, float]) -> Stack:
    """Average fits by their weights, such as `Comparison.weights`.

    Parameters
    ----------
    fits : sequence of Fit
        Of one response and the same runs.
    weights : mapping
        Spec name to weight; scaled to sum to 1. A fit below half a per cent is left out.

    Raises
    ------
    BayescaleError
        If a weight is missing or negative, or the fits saw different runs or responses.
    """
    for fit in fits:
        weight = weights.get(fit.spec.name)
        if weight is None or not (np.isfinite(weight) and weight >= 0):
            raise BayescaleError(
                f"weight of {fit.spec.name}: {weight}; give each fit a share from 0 to 1"
            )
    if not any(weights[fit.spec.name] > 0 for fit in fits):
        raise BayescaleError("no fit has a weight above 0; give at least one a share")
    first = fits[0]
    for fit in fits[1:]:
        if fit.spec.columns != first.spec.columns:
            raise BayescaleError(
                f"{fit.spec.name} predicts {', '.join(fit.spec.columns)}, {first.spec.name} "
                f"{', '.join(first.spec.columns)}: average fits of one response"
            )
        if fit.runs.to_jsonl() != first.runs.to_jsonl():
            raise BayescaleError(
                f"{fit.spec.name} and {first.spec.name} saw different runs; fit both to the same"
            )
    total = sum(weights[fit.spec.name] for fit in fits)
    kept = [fit for fit in fits if weights[fit.spec.name] / total >= _WEIGHT_LEAST]
    total = sum(weights[fit.spec.name] for fit in kept)
    return Stack(tuple(kept), tuple(float(weights[fit.spec.name] / total) for fit in kept))


def load(path: str | Path) -> Fit | Stack:
    """Read the folder of a fit or of a stack. Nothing in it is executed.

    Raises
    ------
    FitError
        If the folder is neither, or is damaged.
    """
    path = Path(path)
    if not (path / folder.STACK).is_file():
        return Fit.load(path)
    try:
        record = json.loads((path / folder.STACK).read_text("utf-8"))
        weights = {str(name): float(weight) for name, weight in record["weights"].items()}
        if record["format"] != _FORMAT or not weights:
            raise ValueError(f"format {record['format']}, this version reads {_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FitError(f"{path}: damaged: {folder.STACK}: {error}; stack again") from error
    fits = [Fit.load(path / name) for name in weights]
    try:
        return stack(fits, weights)
    except BayescaleError as error:
        raise FitError(f"{path}: damaged: {error}") from error
