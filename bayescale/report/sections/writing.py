"""Writing: what every section needs to put numbers and notes into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bayescale.base.numbers import Write, digits, human, percent, within
from bayescale.report.document import Block, Figure, Paragraph, Table, Tone
from bayescale.report.sentences import sentence

Content = Mapping[str, Any]
# Keys of an interval in a row; its other keys name the row.
INTERVAL = ("mean", "median", "lower", "upper")

# A difference or an effect, whose size matters more than its digits.
two_digits: Write = partial(digits, count=2)


@dataclass(frozen=True)
class Context:
    """The fit that a section is about, within its report.

    Attributes
    ----------
    report, fit : mapping
        Content of the report, and of the fit.
    key : str
        Prefix of the fit's figures and data.
    drawn : set of str
        The figures that exist.
    """

    report: Content
    fit: Content
    key: str
    drawn: set[str]

    @property
    def prob(self) -> str:
        """Probability of the intervals, as text."""
        return percent(self.report["prob"])

    @property
    def groups(self) -> list[str]:
        """Groups that have names: family, tokenizer."""
        return list(self.fit["spec"]["groups"])

    @property
    def corpora(self) -> list[str]:
        """Corpora of the response, if it has several."""
        return list(self.fit["spec"]["corpora"])

    def corpus_cell(self, row: Content) -> list[str]:
        """The corpus of a row, where there are several."""
        return [str(row["corpus"])] if self.corpora else []

    def figure(self, kind: str, key: str, table: Table, **gaps: Any) -> list[Block]:
        """A figure with its table, or nothing where there is no such figure.

        Its alternative text and its caption are the sentences `key`_alt and `key`.
        """
        source = kind if kind in self.drawn else f"{self.key}-{kind}"
        if source not in self.drawn:
            return []
        return [Figure(source, sentence(f"{key}_alt"), sentence(key, **gaps), table)]

    def new_group(self, key: str) -> str:
        """A clause about a new level of the first group; empty where there are no groups."""
        return sentence(key, group=self.groups[0]) if self.groups else ""


def band(row: Content, write: Write = digits) -> str:
    """The ends of an interval."""
    write = within(row["lower"], row["upper"], write)
    return sentence("to", lower=write(row["lower"]), upper=write(row["upper"]))


def median_and_band(row: Content, write: Write = digits) -> list[str]:
    """Cells of a median and its interval."""
    return [within(row["lower"], row["upper"], write)(row["median"]), band(row, write)]


def estimate(value: Any, write: Write = digits) -> str:
    """A number, or a median with its interval; a dash for none."""
    if value is None:
        return sentence("no_number")
    if not isinstance(value, Mapping):
        return write(value)
    if "lower" not in value:
        return estimate(value["median"], write)
    write = within(value["lower"], value["upper"], write)
    median = estimate(value["median"], write)
    ends = {end: estimate(value[end], write) for end in ("lower", "upper")}
    return sentence("with_interval", median=median, interval=sentence("to", **ends))


def sizes(row: Content) -> list[str]:
    """Cells of parameters, tokens."""
    return [human(row["params"]), human(row["tokens"])]


def note(content: Content, tone: Tone | None = None) -> Paragraph:
    """A note as a sentence; small if it is for information only, else a warning."""
    text = sentence("note", text=content["text"], hint=content["hint"], code=content["code"])
    by_level: Tone = "small" if content["level"] == "info" else "warning"
    return Paragraph(text[0].upper() + text[1:], by_level if tone is None else tone)


def notes(contents: Sequence[Content], *, leave_out: Sequence[str] = ()) -> list[Block]:
    """Notes, except for those of some codes."""
    return [note(content) for content in contents if content["code"] not in leave_out]
