"""Arrays of curves: setups of runs that share parameters, padded to one length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayescale.laws.curves import CurveLaw
from bayescale.runs.curves.curve import Curve
from bayescale.runs.curves.schedule import Schedule
from bayescale.runs.curves.thin import MOST, thinned

# The rate of a schedule that ends at 0: a law divides by it.
_LOWEST = 1e-3
# Of a run among many that share its parameters.
_LEAST = 20


@dataclass(frozen=True)
class CurveArrays:
    """Points of setups of curves.

    Attributes
    ----------
    loss : (setup, point) array
        ln loss, 0 where padded.
    real : (setup, point) array
        1 for a point, 0 for padding.
    run : (setup, point) array
        Which of the setup's runs, from 0.
    x : mapping of str to array
        What the law takes in, dims (setup, point) or (setup, point, change).
    rate : (setup, point) array
        ln of the learning rate as a share of its peak; 0 where there is no schedule.
    """

    loss: np.ndarray
    real: np.ndarray
    run: np.ndarray
    x: Mapping[str, np.ndarray]
    rate: np.ndarray

    def of(self, setup: int, repeats: int) -> CurveArrays:
        """One setup without its padding, repeated along the first dim."""
        points = int(self.real[setup].sum())

        def one(values: np.ndarray) -> np.ndarray:
            return np.broadcast_to(values[setup, :points], (repeats, points, *values.shape[2:]))

        x = {name: one(values) for name, values in self.x.items()}
        return CurveArrays(one(self.loss), one(self.real), one(self.run), x, one(self.rate))


def progress(schedule: Schedule | None, position: np.ndarray) -> np.ndarray:
    """The summed learning rate over its peak, or the position where no rate is known."""
    return position if schedule is None else schedule.progress(position)


@dataclass(frozen=True)
class Extent:
    """How far the longest curve of a setup has come, and would come: in the law's own coordinate.

    Attributes
    ----------
    seen : float
        At the last point seen.
    whole : float
        At the end of the longest schedule; as `seen` where no rate is known.
    """

    seen: float
    whole: float


def extent(curves: Sequence[Curve], law: CurveLaw) -> Extent:
    """That of a setup's curves."""
    seen, whole = [], []
    for curve in curves:
        schedule, last = _used(curve, law), curve.position[curve.used][-1]
        ends = np.array([last, last if schedule is None else schedule.end])
        at = progress(schedule, ends)
        seen.append(float(at[0]))
        whole.append(float(at[1]))
    return Extent(max(seen), max(*seen, *whole))


def points(
    curve: Curve, law: CurveLaw, position: np.ndarray, extent: Extent
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a law takes in at some positions of a curve, and ln of the rate there.

    Parameters
    ----------
    curve : Curve
    law : CurveLaw
    position : (point,) array
    extent : Extent
        Of the setup.
    """
    schedule = _used(curve, law)
    now = progress(schedule, position)
    x = {"position": np.log(now / extent.seen)}
    if schedule is None:
        return x, np.zeros(len(position))
    first, last, fall, rate = schedule.drops()
    span = np.where(last > first, last - first, 1.0)
    passed = np.clip((now[:, None] - first) / span, 0, 1)
    # A jump has happened at its own step.
    passed = np.where(last > first, passed, now[:, None] >= first)
    middle = first + passed * (last - first) / 2
    x["fall"] = fall * passed
    x["wait"] = np.maximum(now[:, None] - middle, 0) / extent.seen
    x["rate"] = np.broadcast_to(np.log(np.maximum(rate, _LOWEST)), passed.shape)
    x["seen"] = np.full(len(now), np.log(extent.seen / extent.whole))
    return x, np.log(np.maximum(schedule.at(position), _LOWEST))


def arrays(setups: Sequence[Sequence[Curve]], law: CurveLaw) -> CurveArrays:
    """Thinned points of setups of curves: the more runs a setup has, the fewer of each."""
    parts = []
    for curves in setups:
        reach = extent(curves, law)
        most = max(_LEAST, int(MOST / math.sqrt(len(curves))))
        each = []
        for index, curve in enumerate(curves):
            used = np.flatnonzero(curve.used)
            kept = used[thinned(curve.position[used], most)]
            x, rate = points(curve, law, curve.position[kept], reach)
            run = np.full(len(kept), index)
            each.append({"loss": np.log(curve.loss[kept]), "run": run, "at": rate, **x})
        parts.append({name: _joined([part[name] for part in each]) for name in each[0]})
    lengths = [len(part["loss"]) for part in parts]
    padded = {name: _padded([part[name] for part in parts]) for name in parts[0]}
    real = np.arange(max(lengths)) < np.array(lengths)[:, None]
    x = {name: padded[name] for name in parts[0] if name not in ("loss", "run", "at")}
    return CurveArrays(padded["loss"], real.astype(float), padded["run"], x, padded["at"])


def _used(curve: Curve, law: CurveLaw) -> Schedule | None:
    return curve.schedule if law.takes_rate else None


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Points one after the other, with as many changes as the longest has."""
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    changes = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(p, ((0, 0), (0, changes - p.shape[1]))) for p in parts])


def _padded(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Setups one above the other, padded with zeros."""
    shape = np.max([part.shape for part in parts], axis=0)
    return np.stack(
        [np.pad(p, [(0, s - n) for s, n in zip(shape, p.shape, strict=True)]) for p in parts]
    )
