"""Curve: the losses of one run, of which some are marked and not used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayescale.runs.curves.schedule import Schedule

# A loss so many robust standard deviations above its neighbours is a spike. Of Normal noise one
# in a million would be.
_SPIKE, _NEIGHBOURS = 6.0, 9
# The first points of a run, below this share of its last position, are start-up.
# A curve of few points has none to lose.
_START, _FEW = 0.002, 30
# A curve whose last points lie so far above its lowest has left its course.
_RISEN = 0.05


@dataclass(frozen=True)
class Curve:
    """The loss of one run along its training.

    Attributes
    ----------
    run : str
    family : str
        Curves of one family share what is known of the law's parameters.
    position : (point,) array
        Steps, tokens or examples; increases.
    loss : (point,) array
        Positive, or undefined where none was logged.
    schedule : Schedule or None
        The learning rate, known up to `schedule.end`.
    setup : str
        Runs of one setup differ in their schedule alone and share the law's parameters.
    """

    run: str
    family: str
    position: np.ndarray
    loss: np.ndarray
    schedule: Schedule | None = None
    setup: str = ""

    def __len__(self) -> int:
        return len(self.position)

    @property
    def end(self) -> float:
        """The last position that is known."""
        return float(self.position[-1])

    def upto(self, position: float) -> Curve:
        """The part of the curve that had been seen at a position; its schedule is known."""
        seen = self.position <= position
        return replace(self, position=self.position[seen], loss=self.loss[seen])

    @property
    def marks(self) -> dict[str, np.ndarray]:
        """Which points are not used, by the reason: `missing`, `warm-up`, `start-up`, `spike`."""
        missing = ~np.isfinite(self.loss)
        warm = np.zeros(len(self), bool)
        if self.schedule is not None:
            rising = np.flatnonzero(np.diff(self.schedule.rates) > 0)
            if len(rising) and rising[0] == 0:
                stop = np.flatnonzero(np.diff(self.schedule.rates) <= 0)
                reached = self.schedule.steps[stop[0]] if len(stop) else self.schedule.end
                warm = (self.position < reached) & (self.position <= self.end / 2)
        start = (self.position < _START * self.end) & ~warm & (len(self) > _FEW)
        return {
            "missing": missing,
            "warm-up": warm & ~missing,
            "start-up": start & ~missing,
            "spike": self._spikes(missing | warm | start),
        }

    def _spikes(self, left_out: np.ndarray) -> np.ndarray:
        """Losses far above the median of their neighbours, without the trend between these."""
        spike = np.zeros(len(self), bool)
        where = np.flatnonzero(~left_out)
        if len(where) < 2 * _NEIGHBOURS:
            return spike
        x, y = np.log(self.position[where]), np.log(self.loss[where])
        half = _NEIGHBOURS // 2
        points = np.arange(len(where))
        first = np.clip(points - half, 0, len(where) - _NEIGHBOURS)
        window = first[:, None] + np.arange(_NEIGHBOURS)
        near = window[window != points[:, None]].reshape(len(where), -1)
        slope = np.median(np.diff(y[near]) / np.diff(x[near]), axis=1, keepdims=True)
        residual = y - np.median(y[near] - slope * (x[near] - x[:, None]), axis=1)
        scale = 1.4826 * np.median(np.abs(residual))
        # The first neighbours bend more than the noise.
        bent = points < half
        spike[where[(residual > _SPIKE * max(scale, 1e-4)) & ~bent & (residual > 0.01)]] = True
        return spike

    @property
    def used(self) -> np.ndarray:
        """Which points are used."""
        return ~np.any(list(self.marks.values()), axis=0)

    @property
    def diverged(self) -> bool:
        """Whether its last losses are undefined, or far above its lowest and rising."""
        if not np.isfinite(self.loss[-1]):
            return True
        finite = self.loss[np.isfinite(self.loss)]
        last = finite[-3:]
        return len(finite) >= 5 and bool(last.min() > (1 + _RISEN) * finite.min())
