"""The commands `models`, `data` and `data check`: what ships, and whether a table is sound."""

from __future__ import annotations

from typing import Annotated

import typer

from bayescale.base.errors import RunsError
from bayescale.base.tables import Table
from bayescale.cli.options import Column, Units, Where, read_runs
from bayescale.cli.printing import Output, printing

data_app = typer.Typer()


@printing
def models_command(
    name: Annotated[str | None, typer.Argument(help="Print this spec, to copy and edit.")] = None,
) -> Output:
    """List the shipped specs, or print one."""
    from bayescale.base import bundled
    from bayescale.model.spec import Spec

    if name is not None:
        if name not in bundled.specs():
            raise bundled.unknown("spec", name, list(bundled.specs()))
        text = bundled.specs()[name].read_text("utf-8")
        return Output(Spec.load(name).model_dump(mode="json"), [text])
    rows = [
        {
            "spec": spec.name,
            "law": spec.law.name,
            "response": spec.response,
            "effects": ", ".join(spec.groups),
            "what": spec.title,
        }
        for spec in map(Spec.load, bundled.specs())
    ]
    return Output({"models": rows}, [Table(rows)])


@data_app.callback(invoke_without_command=True)
@printing
def data_command(context: typer.Context) -> Output | None:
    """List the bundled tables and published laws, or check a table of your own."""
    if context.invoked_subcommand is not None:
        return None
    from bayescale.base import bundled
    from bayescale.runs.table import Runs

    tables = [
        {"table": name, "runs": len(Runs.read(name)), "what": bundled.card_title(name)}
        for name in bundled.tables()
    ]
    published = bundled.published_laws()
    laws = [
        {"law": name, "form": law.get("law", ""), "citation": law["citation"]}
        for name, law in published.items()
    ]
    return Output(
        {"tables": tables, "published_laws": published},
        [Table(tables, "Tables of runs"), Table(laws, "Published laws")],
    )


@data_app.command("check")
@printing
def check_command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, JSON, JSON Lines, Parquet or Excel; - for standard input.",
        ),
    ],
    *,
    column: Column = None,
    where: Where = None,
    units: Units = False,
) -> Output:
    """Validate a table of runs and print every problem."""
    from dataclasses import asdict

    from bayescale.base.numbers import count
    from bayescale.runs.notes import table_notes

    try:
        runs = read_runs(file, column, where, units)
    except RunsError as error:
        problems = [asdict(problem) for problem in error.problems]
        return Output(
            {"ok": False, "problems": problems},
            [Table(problems)],
            error=f"{file}: {count(len(problems), 'problem')}",
        )
    latent = int((~runs.known_tokens).sum())
    columns = [
        {
            "column": name,
            "filled": int(values.notna().sum()),
            "min": float(values.min()) if values.dtype.kind in "fi" else None,
            "max": float(values.max()) if values.dtype.kind in "fi" else None,
            "distinct": int(values.nunique()),
        }
        for name, values in runs.table.items()
    ]
    title = f"{file}: {count(len(runs), 'run')}, {latent} of them with a token range"
    return Output(
        {"ok": True, "runs": len(runs), "latent_token_counts": latent, "columns": columns},
        [Table(columns, title)],
        table_notes(runs),
    )
