"""Commands under `bayescale measure`. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import typer

measure_app = typer.Typer(
    help="Make rows for a runs table: BPC of a model, FLOP of an architecture, other tools' logs.",
    no_args_is_help=True,
)
