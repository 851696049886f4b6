"""Document: a report as sections of paragraphs, tables and figures, each number already a text.

HTML, Markdown and `report.json` are all written from this one object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Tone = Literal["", "lead", "small", "warning"]


@dataclass(frozen=True)
class Paragraph:
    """A sentence or some."""

    text: str
    tone: Tone = ""
    kind: str = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Table:
    """Cells as texts; the first of a row names it."""

    caption: str
    columns: list[str]
    rows: list[list[str]]
    folded: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A figure by its place among the SVGs, and the table of what it shows."""

    source: str
    alt: str
    caption: str
    table: Table
    kind: str = "figure"


@dataclass(frozen=True)
class Key:
    """The few numbers that a reader must not miss: (label, value, what it is)."""

    items: list[tuple[str, str, str]]
    kind: str = "key"


@dataclass(frozen=True)
class Checks:
    """Typed checks: name, status, found, wanted, recommendation."""

    rows: list[dict[str, str]]
    kind: str = "checks"


@dataclass(frozen=True)
class Code:
    """A command to type."""

    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Interactive:
    """What only a browser with JavaScript shows, from the data of this id."""

    name: Literal["forecaster", "exhaustion"]
    source: str
    fallback: str
    kind: str = "interactive"


Block = Paragraph | Heading | Table | Figure | Key | Checks | Code | Interactive


@dataclass(frozen=True)
class Section:
    """A section of the report."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report; `alerts` come before everything else."""

    title: str
    kicker: str
    lead: str
    alerts: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
