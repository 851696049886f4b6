"""Writing: what every section needs to put numbers and notes into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayescale.base.numbers import digits, human, percent
from bayescale.report.document import Block, Figure, Paragraph, Table, Tone
from bayescale.report.sentences import say

Content = Mapping[str, Any]
# An interval is one number and its ends; other keys of a row say what it is of.
INTERVAL = ("mean", "median", "lower", "upper")


@dataclass(frozen=True)
class Subject:
    """The fit that a section is about, within the report that it stands in.

    Attributes
    ----------
    all, fit : mapping
        Content of the report, and of the fit.
    key : str
        What the fit's figures and data start with.
    drawn : set of str
        The figures that there are.
    """

    all: Content
    fit: Content
    key: str
    drawn: set[str]

    @property
    def prob(self) -> str:
        """Probability of the intervals, as text."""
        return percent(self.all["prob"])

    @property
    def groups(self) -> list[str]:
        """Groups that have names: family, tokenizer."""
        return list(self.fit["spec"]["groups"])

    @property
    def corpora(self) -> list[str]:
        """Corpora of the response, if it has several."""
        return list(self.fit["spec"]["corpora"])

    def of_corpus(self, row: Content) -> list[str]:
        """The cell that says of which corpus a row is, where there are several."""
        return [str(row["corpus"])] if self.corpora else []

    def figure(self, kind: str, key: str, table: Table, **values: Any) -> list[Block]:
        """A figure with its table, or nothing where there is no such figure.

        Its alternative text and its caption are the sentences `key`_alt and `key`.
        """
        source = kind if kind in self.drawn else f"{self.key}-{kind}"
        if source not in self.drawn:
            return []
        return [Figure(source, say(f"{key}_alt"), say(key, **values), table)]

    def new_group(self, key: str) -> str:
        """A clause about a new family, or whatever is grouped; empty where nothing is."""
        return say(key, group=self.groups[0]) if self.groups else ""


def band(row: Content, count: int = 3) -> str:
    """The ends of an interval."""
    ends = {end: digits(row[end], count) for end in ("lower", "upper")}
    return say("to", **ends)


def told(value: Any, write: Callable[[float], str] = digits) -> str:
    """A number, or a median with its interval; a dash for none."""
    if value is None:
        return say("no_number")
    if not isinstance(value, Mapping):
        return write(value)
    median = told(value["median"], write)
    if "lower" not in value:
        return median
    ends = {end: told(value[end], write) for end in ("lower", "upper")}
    return say("with_interval", median=median, interval=say("to", **ends))


def sizes(row: Content) -> list[str]:
    """Cells of parameters, tokens."""
    return [human(row["params"]), human(row["tokens"])]


def note(one: Content, tone: Tone | None = None) -> Paragraph:
    """A note as a sentence; what is no warning is set small."""
    text = say("note", text=one["text"], hint=one["hint"], code=one["code"])
    usual: Tone = "small" if one["level"] == "info" else "warning"
    return Paragraph(text[0].upper() + text[1:], usual if tone is None else tone)


def notes(all_: Sequence[Content], *, leave_out: Sequence[str] = ()) -> list[Block]:
    """Notes, but for those of some codes."""
    return [note(one) for one in all_ if one["code"] not in leave_out]
