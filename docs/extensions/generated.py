"""Generated parts of pages: what a registry or a report says, as Markdown to include."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.cli import app
from typer.testing import CliRunner

from bayescale.laws import LAWS
from bayescale.runs.columns import COLUMNS

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"


def write(folder: Path) -> None:
    """Write each part to a file of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in PARTS.items():
        path, text = folder / f"{name}.md", part()
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table; the keys of the first row are the header."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _columns() -> str:
    rows = [
        {
            "column": f"`{column.name}`",
            "kind": column.kind,
            "unit": column.unit,
            "plausible": "text" if column.kind == "group" else f"{column.low:g} to {column.high:g}",
            "often called": ", ".join(f"`{header}`" for header in column.headers),
        }
        for column in COLUMNS.values()
    ]
    return table(rows)


def _commands() -> str:
    """The help of every command, as typer writes it."""
    arguments = ["bayescale.cli.main", "utils", "docs", "--name", "bayescale"]
    text = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    return text.partition("\n")[2].replace("```console", "```text")


def _laws() -> str:
    rows = [
        {
            "law": f"`{law.name}`",
            "equation": f"`{law.equation}`",
            "inputs": ", ".join(f"`{name}`" for name in law.inputs),
            "source": law.citation,
        }
        for law in LAWS.values()
    ]
    return table(rows)


PARTS = {"columns": _columns, "commands": _commands, "laws": _laws}
