"""Options and arguments that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import parse_number
from bayescale.base.text import control_character, escaped

if TYPE_CHECKING:
    from bayescale.runs.table import Runs
    from bayescale.sampling.jobs import Workers


def number(flag: str, metavar: str, help: str) -> Any:
    """An option that takes a number, as in 70B; neither nan nor infinity is one."""
    name = _name(flag)
    return _option(flag, lambda text: parse_number(str(text), name), metavar, help)


def positive(flag: str, metavar: str, help: str, column: str | None = None) -> Any:
    """An option that takes a number above 0, plausible in a column of runs where one is named."""
    name = _name(flag)

    def parse(text: Any) -> float:
        value = parse_number(str(text), name)
        if value <= 0:
            raise BayescaleError(f"{name}={text}: must be positive")
        if column is not None:
            from bayescale.runs.columns import COLUMNS

            rule = COLUMNS[column].rule(value)
            if rule is not None:
                raise BayescaleError(f"{name}={text}: {rule}")
        return value

    return _option(flag, parse, metavar, help)


def whole(flag: str, metavar: str, help: str) -> Any:
    """An option that takes a whole number, as in 3000 or 3k."""
    name = _name(flag)

    def parse(text: Any) -> int:
        if re.fullmatch(r"[+-]?\d{1,18}", str(text)):
            return int(text)
        value = parse_number(str(text), name)
        if value != int(value):
            raise BayescaleError(f"{name}={text}: must be a whole number")
        return int(value)

    return _option(flag, parse, metavar, help)


def _option(flag: str, parse: Callable[[Any], Any], metavar: str, help: str) -> Any:
    return typer.Option(flag, parser=parse, metavar=metavar, help=help)


def _name(flag: str) -> str:
    """What an option is called in Python and in messages."""
    return flag.removeprefix("--").replace("-", "_")


def one_of(what: str, names: Sequence[str]) -> Callable[[Any], Any]:
    """A parser of one of several names."""

    def parse(text: Any) -> str:
        if text not in names:
            raise unknown(what, str(text), list(names))
        return str(text)

    return parse


def _probability(text: Any) -> float:
    from bayescale.base.intervals import check_prob

    return check_prob(parse_number(str(text), "prob"))


# The same for all commands, some of which can do without.
FOLDER: Any = typer.Argument(metavar="DIR", help="A fit's folder.")
TARGET = number("--target", "NUMBER", "Response to reach.")

Folder = Annotated[Path, FOLDER]
Target = Annotated[float, TARGET]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="Your header for a column, as in loss=val_loss; repeatable."),
]
Where = Annotated[
    str | None, typer.Option("--where", help="Keep the rows that match, as in 'loss < 4'.")
]
Units = Annotated[
    bool, typer.Option("--units", help="Read 70B and 1.5T in the table's cells as numbers.")
]
Response = Annotated[
    str | None, typer.Option("--response", help="Such as loss, bpc or accuracy; else the spec's.")
]
NoGroups = Annotated[
    bool, typer.Option("--no-groups", help="Leave out the group effects of a spec.")
]
Kind = Annotated[
    Literal["curve", "run"],
    typer.Option(
        "--kind",
        parser=one_of("kind", ("curve", "run")),
        metavar="KIND",
        help="curve, or run: one new run, the curve and its noise.",
    ),
]
Prob = Annotated[
    float,
    typer.Option("--prob", parser=_probability, metavar="P", help="Probability, such as 0.9."),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        help="A point, as in params=70e9,tokens=15T,family=Llama-3; repeatable. Two of params, "
        "tokens, flops and tokens_per_param give the others (flops alone do for a law of compute "
        "alone). LOW:HIGH:COUNT makes a grid, evenly spaced in logs.",
    ),
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="As in family=Llama-3; repeatable.")
]
Corpus = Annotated[str | None, typer.Option("--corpus", help="For a fit of several corpora.")]
Seed = Annotated[
    int,
    whole("--seed", "SEED", "The same seed, the same draws; of refit i, plus i."),
]
Processes = Annotated[
    int | None,
    whole("--workers", "N", "So many processes do the fits; by default threads of one."),
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", help="A Dask cluster does the fits, as tcp://HOST:8786."),
]
FigureFile = Annotated[
    Path | None, typer.Option("--figure", help="Write the figure: a .svg, .png or .pdf file.")
]
FigureOut = Annotated[
    Path | None, typer.Option("--out", help="Write the figure here: .svg, .png or .pdf.")
]


def pairs(texts: Iterable[str] | None, option: str) -> dict[str, str]:
    """What an option of the form NAME=VALUE was given, by name.

    Raises
    ------
    BayescaleError
        If a text has another form, or a name comes twice.
    """
    values: dict[str, str] = {}
    for text in texts or ():
        check_text(text, option)
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise BayescaleError(f"{option} {text!r}: write it as NAME=VALUE")
        if name in values:
            raise BayescaleError(f"{option} {text!r}: {name} is given twice")
        values[name] = value
    return values


def check_text(text: str, option: str) -> None:
    """Raise a `BayescaleError` if a text holds what no name may, such as a line break."""
    character = control_character(text)
    if character is not None:
        hint = ""
        if "U+D800" <= character <= "U+DFFF":  # a byte that Python could not decode
            hint = "; if it is part of a letter, set PYTHONUTF8=1"
        raise BayescaleError(f"{option} {escaped(text)!r}: holds the character {character}{hint}")


def read_runs(source: str, column: list[str] | None, where: str | None, units: bool) -> Runs:
    """The table of runs that `--column`, `--where` and `--units` make of a source."""
    from bayescale.runs.table import Runs

    return Runs.read(source, columns=pairs(column, "--column"), where=where, units=units)


def models_and_runs(arguments: list[str]) -> tuple[list[str], str | None]:
    """Specs and folders of fits, and the table of runs if one was named last."""
    from bayescale.base import bundled
    from bayescale.runs.sources.registry import sources

    def is_model(name: str) -> bool:
        return name in bundled.specs() or name.endswith(".toml") or is_fit(name)

    *models, last = arguments
    if is_model(last) or not (last in sources() or last == "-" or Path(last).suffix):
        return arguments, None
    return models, last


def is_fit(name: str) -> bool:
    """Whether a fit was saved in this folder."""
    return (Path(name) / "fit.json").is_file()


def workers_of(processes: int | None, cluster: str | None) -> Workers | None:
    """Who does the fits; None for the threads of this process."""
    from bayescale.sampling.jobs import Workers

    if processes is not None and cluster is not None:
        raise BayescaleError(
            f"--workers {processes} --cluster {cluster}: processes here, or a cluster; name one"
        )
    if cluster is not None:
        return Workers(cluster=cluster)
    return None if processes is None else Workers(processes, "processes")
