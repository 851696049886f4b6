"""Notes: what a reader of a result must know, each with a stable code and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["failure", "warning", "info"]


@dataclass(frozen=True)
class Note:
    """A finding about a fit or a prediction.

    Attributes
    ----------
    code : str
        Stable, for programs; `docs/notes.md` has a section on each. A warning of Python has the
        name of its class.
    level : {"failure", "warning", "info"}
    text, hint : str
        What was found, and what to do.
    """

    code: str
    level: Level
    text: str
    hint: str

    def __str__(self) -> str:
        return f"{self.level} [{self.code}] {self.text}; {self.hint}"

    def to_dict(self) -> dict[str, str]:
        """The fields as plain values."""
        return asdict(self)


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names on one line, cut where there are many."""
    shown = list(names)
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")
