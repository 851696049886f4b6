"""Printing: what a command found, for people or programs, and the exit code that it gives."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.base.tables import Table

USER_ERROR, NOT_CONVERGED = 2, 3


@dataclass(frozen=True)
class Output:
    """What a command found.

    Attributes
    ----------
    content : mapping, or callable without arguments that returns one
        All of it, for `--json`; `notes` are added.
    parts : sequence of Table or str
        Tables and sentences in the order in which people read them; `--csv` prints the tables.
        Text of several lines stands as it is.
    notes : sequence of Note
        On standard error. One of level `failure` gives exit code 3.
    remarks : sequence of str
        What else was done, such as a file written; on standard error.
    error : str, optional
        What is wrong with the input, in one line on standard error; gives exit code 2.
    """

    content: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    parts: Sequence[Table | str] = ()
    notes: Sequence[Note] = ()
    remarks: Sequence[str] = ()
    error: str | None = None


def printing(command: Callable[..., Output | None]) -> Callable[..., None]:
    """A command that prints the output which a function returns.

    It takes the function's options and `--json`, `--csv` and `--quiet`. None, of a group whose
    subcommand will answer, prints nothing.
    """

    @wraps(command)
    def run(*, as_json: bool, as_csv: bool, quiet: bool, **options: Any) -> None:
        from bayescale.base.output import standard_error

        if as_json and as_csv:
            raise BayescaleError("--json --csv: standard output has one form; name one")
        with standard_error(quiet=quiet):
            output = command(**options)
            if output is not None:
                _give(output, as_json=as_json, as_csv=as_csv)

    own = inspect.signature(command, eval_str=True)
    parameters = [*own.parameters.values(), *_FORM.parameters.values()]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def _form(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output.")
    ] = False,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print tables as CSV, every digit; an empty line between two."),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="Nothing on standard error but warnings and errors."),
    ] = False,
) -> None: ...


_FORM = inspect.signature(_form, eval_str=True)


def _give(output: Output, *, as_json: bool, as_csv: bool) -> None:
    from bayescale.base.output import (
        print_csv,
        print_json,
        print_line,
        print_notes,
        print_table,
        say,
    )

    tables = [part for part in output.parts if isinstance(part, Table)]
    if as_json:
        content = output.content() if callable(output.content) else output.content
        print_json({**content, "notes": [note.to_dict() for note in output.notes]})
    elif as_csv:
        if not tables:
            raise BayescaleError("--csv: there is no table to print; use --json")
        print_csv(tables)
    else:
        if failures(output.notes):
            print_line("did not converge: do not use these numbers")
        for part in output.parts:
            if isinstance(part, Table):
                print_table(part)
            elif "\n" in part:
                sys.stdout.write(part)
            else:
                print_line(part)
    print_notes(output.notes)
    for remark in output.remarks:
        say(remark)
    if output.error is not None:
        raise BayescaleError(output.error)
    if failures(output.notes):
        raise typer.Exit(NOT_CONVERGED)


def failures(notes: Sequence[Note]) -> list[Note]:
    """The notes that say why numbers may not be used."""
    return [note for note in notes if note.level == "failure"]


def serious(notes: Sequence[Note]) -> list[Note]:
    """Failures and warnings: what a fit was told bears on all that is asked of it later."""
    return [note for note in notes if note.level != "info"]
