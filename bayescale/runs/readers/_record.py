"""Record: one run, in the words of the tool that wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bayescale.base.notes import Note


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes
    ----------
    run : str
        Its name, where the headers map no column to `run`.
    cells : mapping
        What the tool says, under its own names: text or numbers, None where it says nothing.
    state : str or None
        How the run ended, as in "crashed"; None where it finished, or nobody says.
    unused : mapping
        How many points of the run are not used, by the reason.
    extra : mapping
        Further columns of its row, as they are.
    notes : tuple of Note
        What a reader of the row must know; the same note of several runs is said once.
    """

    run: str
    cells: Mapping[str, object]
    state: str | None = None
    unused: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
