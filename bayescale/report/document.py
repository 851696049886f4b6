"""Document: a report as sections of paragraphs, tables and figures, its numbers already texts.

HTML, Markdown and `report.json` are all written from this one object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Tone = Literal["", "lead", "small", "warning"]


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences."""

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
    """A figure by its key among the SVGs, and a table of its numbers."""

    source: str
    alt: str
    caption: str
    table: Table
    kind: str = "figure"


@dataclass(frozen=True)
class Key:
    """The most important numbers: (label, value, unit)."""

    items: list[tuple[str, str, str]]
    kind: str = "key"


@dataclass(frozen=True)
class Checks:
    """Checks: name, status, found, wanted, recommendation."""

    rows: list[dict[str, str]]
    kind: str = "checks"


@dataclass(frozen=True)
class Code:
    """A command to type."""

    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Interactive:
    """An explorer that needs JavaScript, by the key of its data; `fallback` stands without it."""

    name: Literal["forecaster", "exhaustion", "benchmarks"]
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
