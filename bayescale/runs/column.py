"""Column: what a column of a table of runs says: its unit, its range, its scale, what is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["input", "response", "group", "auxiliary"]
Scale = Literal["log", "logit", "linear"]

SHARE = "share"  # the unit of what lies between 0 and 1


@dataclass(frozen=True)
class Column:
    """A canonical column of a table of runs.

    Attributes
    ----------
    name : str
    kind : {"input", "response", "group", "auxiliary"}
        What a law takes in, what it predicts, what its parameters vary by, or a number that is
        checked and kept.
    label : str
        For axes, without the unit.
    unit : str
        Empty for a group.
    low, high : float
        Plausible range, in the unit; outside it a value is a slip.
    scale : {"log", "logit", "linear"}
        On which differences count.
    better : {"lower", "higher"} or None
        The better direction of a response.
    example : str
        A value as people write it.
    headers : tuple of str
        What others call the column; compared without case and punctuation.
    """

    name: str
    kind: Kind
    label: str
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    scale: Scale = "linear"
    better: Literal["lower", "higher"] | None = None
    example: str = ""
    headers: tuple[str, ...] = ()

    @property
    def axis(self) -> str:
        """Label of an axis, with the unit where the label does not say it."""
        return self.label if self.unit in self.label else f"{self.label} ({self.unit})"

    def scaled(self, value: Any) -> Any:
        """A value on the column's scale: its logarithm, its logit, or itself."""
        match self.scale:
            case "log":
                return np.log(value)
            case "logit":
                return np.log(value) - np.log1p(-value)
            case "linear":
                return value

    def unscaled(self, value: Any, xp: Any = np) -> Any:
        """The inverse of `scaled`, for any module's functions."""
        match self.scale:
            case "log":
                return xp.exp(value)
            case "logit":
                return 1 / (1 + xp.exp(-value))
            case "linear":
                return value

    @property
    def middle(self) -> float:
        """A value in the middle of the plausible range, on the column's scale; 1 where it has no
        ends."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return 1.0
        if self.scale == "log" and self.low > 0:
            return math.sqrt(self.low) * math.sqrt(self.high)
        return (self.low + self.high) / 2

    def rule(self, value: float) -> str | None:
        """The rule that a value breaks, with its hint; None if the value is plausible."""
        if self.low <= value <= self.high:
            return None
        value, text = float(value), f"expected {self.low:g} to {self.high:g} {self.unit}"
        if self.unit == SHARE and 2 <= value <= 100:
            return f"{text}; if it counts per cent, write {value / 100:g}"
        scaled = [f"{value:g}{e}" for e in ("e9", "e12") if self.low <= value * float("1" + e)]
        if self.low >= 1e4 and 0 < value < 1e4 and scaled:
            text += f"; if it counts billions or trillions, write {' or '.join(scaled)}"
        return text

    def target_rule(self, target: float) -> str | None:
        """The rule that a response to reach breaks; None where it can be asked for."""
        finite = math.isfinite(target)
        match self.scale:
            case "log":
                return None if finite and target > 0 else "must be a positive number"
            case "logit":
                return self.rule(target)
            case "linear":
                return None if finite else "must be a finite number"

    def impossible(self, response: Any) -> Any:
        """Whether no such response can be: at or below 0, or outside 0 to 1, by the scale."""
        match self.scale:
            case "log":
                return response <= 0
            case "logit":
                return (response < 0) | (response > 1)
            case "linear":
                return response != response  # noqa: PLR0124

    @property
    def is_cross_entropy(self) -> bool:
        """True for a loss in nats or bits, what laws of language models are of."""
        return self.unit.startswith(("nats", "bits"))

    @property
    def beyond(self) -> str:
        """In words, where `impossible` responses are."""
        return "outside 0 to 1" if self.scale == "logit" else "at or below 0"

    @property
    def worse(self) -> str:
        """The other direction of a response than the better one."""
        return "lower" if self.better == "higher" else "higher"

    def as_loss(self, response: Any) -> Any:
        """What is to be made small: a response, or its negative where higher is better.

        The way back is the same.
        """
        return -response if self.better == "higher" else response

    def reached(self, response: Any, target: float) -> Any:
        """Whether responses are at a target or better."""
        return response >= target if self.better == "higher" else response <= target

    def best(self, responses: Any) -> float:
        """The best of some responses."""
        return float(responses.max() if self.better == "higher" else responses.min())
