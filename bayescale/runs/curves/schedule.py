"""Schedules: the learning rate along a run, as a declared object or as a column says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import parse_number

# Knots of a smooth part. Between two of them the rate is linear.
_KNOTS = 64


@dataclass(frozen=True)
class Schedule:
    """A learning rate that is linear between knots; two knots at one step are a jump.

    Attributes
    ----------
    steps : (knot,) array
        Not decreasing, from 0 to the run's last step. In the unit of the curve's position.
    rates : (knot,) array
        As shares of the peak.
    """

    steps: np.ndarray
    rates: np.ndarray

    @property
    def end(self) -> float:
        """The run's last step."""
        return float(self.steps[-1])

    def at(self, steps: np.ndarray) -> np.ndarray:
        """The rate at some steps, as a share of the peak; at a jump the new one."""
        after = np.searchsorted(self.steps, steps, side="right")
        after = np.clip(after, 1, len(self.steps) - 1)
        span = self.steps[after] - self.steps[after - 1]
        share = (steps - self.steps[after - 1]) / np.where(span > 0, span, 1.0)
        share = np.clip(share, 0.0, 1.0)
        return self.rates[after - 1] + share * (self.rates[after] - self.rates[after - 1])

    def progress(self, steps: np.ndarray) -> np.ndarray:
        """Summed rate up to some steps: how many steps at the peak it comes to."""
        total = self._totals
        before = np.searchsorted(self.steps, steps, side="right") - 1
        before = np.clip(before, 0, len(self.steps) - 1)
        mean = (self.rates[before] + self.at(steps)) / 2
        return total[before] + mean * (steps - self.steps[before])

    @property
    def _totals(self) -> np.ndarray:
        """Summed rate up to each knot."""
        parts = np.diff(self.steps) * (self.rates[1:] + self.rates[:-1]) / 2
        return np.concatenate([[0.0], np.cumsum(parts)])

    def drops(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Where the rate falls or rises: first and last progress, fall, and the rate reached.

        A run without a warm-up starts with a rise from 0.

        Returns
        -------
        tuple of (drop,) arrays
        """
        fall = self.rates[:-1] - self.rates[1:]
        where = np.flatnonzero(fall)
        total = self._totals
        first, last, rate = total[where], total[where + 1], self.rates[where + 1]
        if self.rates[0] == 0:
            return first, last, fall[where], rate
        start = self.rates[0]
        return (
            np.append(0.0, first),
            np.append(0.0, last),
            np.append(-start, fall[where]),
            np.append(start, rate),
        )

    @classmethod
    def from_column(cls, steps: np.ndarray, rates: np.ndarray, warmup: float | None) -> Schedule:
        """What a column of learning rates says.

        Between rows the rate is linear. A change between rows where it was constant before and
        is constant after is a jump at the later row. Before the first row it rose linearly from 0.

        Parameters
        ----------
        steps, rates : (row,) array
        warmup : float or None
            Steps of the linear warm-up; None for those before the first row.
        """
        peak = rates.max()
        knots, values = _jumps(steps.astype(float), rates / peak)
        first = knots[0] if warmup is None else min(warmup, knots[0])
        if first > 0:
            start, level = ([0.0], [0.0])
            if first < knots[0]:
                start, level = [0.0, first], [0.0, values[0]]
            knots, values = np.append(start, knots), np.append(level, values)
        return cls(*_fewer(knots, values))

    @classmethod
    def declared(cls, text: str, end: float) -> Schedule:
        """A schedule by its name and options, as in `wsd:decay=0.2,final=0.1,warmup=2000`.

        Parameters
        ----------
        text : str
            `constant`, `cosine` (`final`), `wsd` or `wsd-linear` (`decay`: share of the run;
            `final`), `two-stage` (`at`: share of the run; `final`); each takes `warmup` in steps.
        end : float
            The run's last step.

        Raises
        ------
        BayescaleError
            If there is no such schedule or option.
        """
        name, _, rest = text.partition(":")
        if name not in _SHAPES:
            raise unknown("schedule", name, list(_SHAPES))
        shape, options = _SHAPES[name]
        chosen = {"warmup": 0.0, **options}
        for item in filter(None, rest.split(",")):
            key, equals, value = item.partition("=")
            if not equals or key.strip() not in chosen:
                raise BayescaleError(
                    f"schedule {text!r}: {item!r} is none of its options; "
                    f"{name} takes {', '.join(f'{k}=' for k in chosen)}"
                )
            chosen[key.strip()] = parse_number(value, key.strip())
        for key, amount in chosen.items():
            highest = end if key == "warmup" else 1.0
            if not 0 <= amount <= highest:
                raise BayescaleError(
                    f"schedule {text!r}: {key}={amount:g}: must lie between 0 and {highest:g}"
                )
        warmup = chosen.pop("warmup")
        knots, values = shape(warmup, end, **chosen)
        if warmup > 0:
            knots, values = np.append(0.0, knots), np.append(0.0, values)
        return cls(knots, values)


def _jumps(steps: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of a column; a lone change between two constant parts is a jump."""
    change = np.flatnonzero(np.diff(rates))
    lone = [
        i + 1
        for i in change
        if i > 0
        and rates[i] == rates[i - 1]
        and i + 2 < len(rates)
        and rates[i + 2] == rates[i + 1]
    ]
    return np.insert(steps, lone, steps[lone]), np.insert(
        rates, lone, rates[np.array(lone, int) - 1]
    )


def _fewer(steps: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same rates with no more knots than needed: ends of constant parts, the rest thinned."""
    bend = np.ones(len(steps), bool)
    inner = (rates[1:-1] == rates[:-2]) & (rates[1:-1] == rates[2:])
    bend[1:-1] = ~inner
    steps, rates = steps[bend], rates[bend]
    if len(steps) <= 2 * _KNOTS:
        return steps, rates
    moved = np.abs(np.diff(rates))
    keep = np.append(True, moved > 2.0 / _KNOTS) | np.append(moved > 2.0 / _KNOTS, True)
    total = np.append(0, moved.cumsum())
    even = np.interp(np.linspace(0, total[-1], 2 * _KNOTS), total, np.arange(len(steps)))
    keep[even.round().astype(int)] = True
    return steps[keep], rates[keep]


_Knots = tuple[np.ndarray, np.ndarray]


def _constant(warmup: float, end: float) -> _Knots:
    return np.array([warmup, end]), np.ones(2)


def _cosine(warmup: float, end: float, final: float) -> _Knots:
    share = np.linspace(0, 1, _KNOTS)
    return warmup + share * (end - warmup), final + (1 - final) * (1 + np.cos(np.pi * share)) / 2


def _wsd(warmup: float, end: float, final: float, decay: float) -> _Knots:
    """Exponential decay; one to 0 would never get there, so it starts from a thousandth."""
    share = np.linspace(0, 1, _KNOTS)
    start = max(warmup, end * (1 - decay))
    return (
        np.append(warmup, start + share * (end - start)),
        np.append(1.0, max(final, 1e-3) ** share),
    )


def _wsd_linear(warmup: float, end: float, final: float, decay: float) -> _Knots:
    share = np.linspace(0, 1, _KNOTS)
    start = max(warmup, end * (1 - decay))
    return np.append(warmup, start + share * (end - start)), np.append(1.0, 1 - share * (1 - final))


def _two_stage(warmup: float, end: float, at: float, final: float) -> _Knots:
    jump = max(warmup, at * end)
    return np.array([warmup, jump, jump, end]), np.array([1.0, 1.0, final, final])


_SHAPES: dict[str, tuple[Callable[..., _Knots], dict[str, float]]] = {
    "constant": (_constant, {}),
    "cosine": (_cosine, {"final": 0.1}),
    "wsd": (_wsd, {"decay": 0.2, "final": 0.1}),
    "wsd-linear": (_wsd_linear, {"decay": 0.2, "final": 0.1}),
    "two-stage": (_two_stage, {"at": 0.5, "final": 0.3}),
}
SCHEDULES = tuple(_SHAPES)


def is_schedule(text: str) -> bool:
    """Whether a text begins with the name of a schedule."""
    return re.split(":", text, maxsplit=1)[0] in _SHAPES
