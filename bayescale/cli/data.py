"""The commands `models` and `data`: what has a name, and whether a table of your own is sound."""

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
    """List tables of runs and published laws, fetch a table, or check one of your own."""
    return None if context.invoked_subcommand else _named()


@data_app.command("list")
@printing
def list_command() -> Output:
    """List the tables of runs that have a name, and the published laws."""
    return _named()


def _named() -> Output:
    from bayescale.base import bundled
    from bayescale.runs.sources.registry import sources

    tables = [
        {
            "table": source.name,
            "rows": source.rows,
            "here": "bundled" if source.is_bundled else "fetched" if source.is_fetched else "no",
            "licence": source.licence or "none stated",
            "citation": source.citation or source.repository,
            "what": source.title,
        }
        for source in sources().values()
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


@data_app.command("fetch")
@printing
def fetch_command(
    name: Annotated[str, typer.Argument(help="As in `bayescale data list`.")],
) -> Output:
    """Get a published table of runs, checked against its SHA-256, and keep it for later.

    From then on its name can stand for it in every command; --csv prints all of it.
    """
    from bayescale.base.numbers import count
    from bayescale.runs.sources import read
    from bayescale.runs.sources.fetch import fetch
    from bayescale.runs.sources.registry import find

    source = find(name)
    fetch(source)
    rows = read(source).astype(object)
    rows = rows.where(rows.notna(), None).to_dict(orient="records")
    about = {
        "table": name,
        "rows": len(rows),
        "columns": list(rows[0]),
        "licence": source.licence or None,
        "citation": source.citation or None,
        "repository": source.repository,
        "commit": source.commit,
        "folder": str(source.folder),
    }
    shown = [{"column": column, "first": rows[0][column]} for column in rows[0]]
    licence = f"licence: {source.licence}" if source.licence else "no licence stated"
    remarks = [
        f"{licence}; cite {source.citation or source.repository}",
        f"kept in {source.folder}",
    ]
    title = f"{name}: {count(len(rows), 'row')}"
    return Output(about, [Table(shown, title, rows)], remarks=remarks)


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
    spec: Annotated[
        str | None,
        typer.Option("--spec", help="Check what this spec needs; by default params and tokens."),
    ] = None,
    column: Column = None,
    where: Where = None,
    units: Units = False,
) -> Output:
    """Validate a table of runs and print every problem."""
    from dataclasses import asdict

    from bayescale.base.numbers import count
    from bayescale.model.design import require
    from bayescale.model.spec import Spec
    from bayescale.runs.notes import headers_note, table_notes

    chosen = None if spec is None else Spec.load(spec)
    try:
        runs = read_runs(file, column, where, units)
        if chosen is None:
            runs.require(("params", "tokens"))
        else:
            require(chosen.for_runs(runs)[0], runs)
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
        [
            *filter(None, [headers_note(runs)]),
            *table_notes(runs, inputs=None if chosen is None else chosen.law.inputs),
        ],
    )
