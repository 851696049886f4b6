"""Stack: several fits, averaged by their weights, that predicts like one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.errors import BayescaleError, FitError
from bayescale.base.intervals import flat, one_chain
from bayescale.base.notes import Note
from bayescale.base.seeds import random
from bayescale.fit import folder
from bayescale.fit.fit import Fit
from bayescale.model.spec import Spec
from bayescale.predictive.inverse import Inverse, answer
from bayescale.predictive.points import Points, as_points
from bayescale.predictive.predict import Kind, Prediction
from bayescale.runs.table import Runs

_FORMAT = 1
# A model with less is left out: its share of the draws would be a handful.
_WEIGHT_LEAST = 0.005


@dataclass(frozen=True, eq=False)
class Stack:
    """A mixture of fits of the same runs.

    Attributes
    ----------
    fits : tuple of Fit
    weights : tuple of float
        Share of each fit's draws; they sum to 1.
    """

    fits: tuple[Fit, ...]
    weights: tuple[float, ...]

    @property
    def heaviest(self) -> Fit:
        """The fit with the most weight."""
        return self.fits[int(np.argmax(self.weights))]

    @property
    def spec(self) -> Spec:
        """The spec of the fit with the most weight."""
        return self.heaviest.spec

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

    def predict(self, points: Points, kind: Kind = "run") -> Prediction:
        """Draws of the response at points, each from one of the fits; as for `Fit.predict`."""
        asked = as_points(points)
        said = [fit.predict(asked, kind) for fit in self.fits]
        notes = {str(note): note for one in said for note in one.notes}
        draws = self._mixed([one.draws for one in said])
        return Prediction(draws, kind, said[0].points, list(notes.values()))

    def invert(self, target: float, **question: Any) -> Inverse:
        """The least compute that reaches `target`; as for `Fit.invert`."""
        said = [fit.invert(target, **question) for fit in self.fits]
        notes = {str(note): note for one in said for note in one.notes}
        draws = self._mixed([one.draws for one in said])
        sizes = {name: question.get(name) for name in ("params", "tokens", "tokens_per_param")}
        return answer(
            draws,
            target=target,
            prob=said[0].prob,
            kind=said[0].kind,
            sizes=sizes,
            notes=list(notes.values()),
        )

    def _mixed(self, draws: Sequence[xr.DataArray]) -> xr.DataArray:
        """As many draws as the shortest holds, each fit's share in its weight, shuffled."""
        samples = [flat(one) for one in draws]
        length = min(one.sizes["sample"] for one in samples)
        ends = np.round(np.cumsum([0.0, *self.weights]) * length).astype(int)
        rng = random(self.seed, "stack")
        order = rng.permutation(length)
        parts = [
            one.isel(sample=rng.permutation(one.sizes["sample"])[: end - start])
            for one, start, end in zip(samples, ends, ends[1:], strict=False)
        ]
        mixed = xr.concat(parts, dim="sample", coords="minimal", compat="override")
        return one_chain(mixed.isel(sample=order))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fits and their weights to a folder, whole or not at all; as `Fit.save`."""
        names = [fit.spec.name for fit in self.fits]
        said = {"format": _FORMAT, "weights": dict(zip(names, self.weights, strict=True))}
        with folder.draft(Path(path), overwrite=overwrite) as draft:
            for fit in self.fits:
                fit.save(draft / fit.spec.name)
            (draft / folder.STACK).write_text(json.dumps(said, indent=2) + "\n", "utf-8")
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
        said = json.loads((path / folder.STACK).read_text("utf-8"))
        weights = {str(name): float(weight) for name, weight in said["weights"].items()}
        if said["format"] != _FORMAT or not weights:
            raise ValueError(f"format {said['format']}, this version reads {_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FitError(f"{path}: damaged: {folder.STACK}: {error}; stack again") from error
    fits = [Fit.load(path / name) for name in weights]
    try:
        return stack(fits, weights)
    except BayescaleError as error:
        raise FitError(f"{path}: damaged: {error}") from error
