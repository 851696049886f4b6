"""The commands `plan optimum`, `plan overhead`, `plan serve` and `exhaust`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.errors import BayescaleError
from bayescale.settings import PROB

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.fit import Fit
    from bayescale.notes import Note
    from bayescale.plan.curve import Curve

plan_app = typer.Typer(help="Decide: how big, how long, at what cost.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A fit's folder.")]
Published = Annotated[
    str | None,
    typer.Option("--published", help="Instead of a fit: the constants of a published law."),
]
Group = Annotated[
    list[str] | None, typer.Option("--group", help="As in family=Llama-3; repeatable.")
]
Corpus = Annotated[str | None, typer.Option("--corpus", help="For a fit of several corpora.")]
Prob = Annotated[float, typer.Option("--prob", help="Probability, such as 0.9.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
FigureFile = Annotated[
    Path | None, typer.Option("--figure", help="Write the figure: a .svg, .png or .pdf file.")
]
Unique = Annotated[
    str | None,
    typer.Option("--unique-tokens", help="Tokens that are not repeats, for a law that sees them."),
]


@plan_app.command("optimum")
def optimum_command(
    folder: Folder = None,
    *,
    flops: Annotated[str, typer.Option("--flops", help="Training budget in FLOP, 6 N D.")],
    published: Published = None,
    unique_tokens: Unique = None,
    group: Group = None,
    corpus: Corpus = None,
    prob: Prob = PROB,
    figure: FigureFile = None,
    as_json: Json = False,
) -> None:
    """The parameters and tokens with the least loss for a budget."""
    from bayescale import bundled
    from bayescale.intervals import check_prob
    from bayescale.numbers import parse_number
    from bayescale.plan import content
    from bayescale.plan.curve import positive

    check_prob(prob)
    budget = parse_number(flops, "flops")
    positive(flops=budget)
    printed = bundled.published_laws().get(published or "", {})
    if published is not None and "powers" in printed and "constants" not in printed:
        _answer(content.allocation(published, budget), [], as_json)
        return
    fit, curve = _curve(folder, published, group, corpus)
    unique = None if unique_tokens is None else parse_number(unique_tokens, "unique_tokens")
    answer, notes = content.optimum_content(curve, budget, prob, unique_tokens=unique, fit=fit)
    if figure is not None:
        from bayescale.plan.figures import budget_figure

        _draw(budget_figure(curve, budget, prob, unique_tokens=unique), figure)
    _answer(answer, notes, as_json)


@plan_app.command("overhead")
def overhead_command(
    folder: Folder = None,
    *,
    size: Annotated[
        str, typer.Option("--size", help="Parameters over the compute-optimal ones, as in 0.5.")
    ],
    published: Published = None,
    group: Group = None,
    corpus: Corpus = None,
    prob: Prob = PROB,
    figure: FigureFile = None,
    as_json: Json = False,
) -> None:
    """The extra compute that a model of another than the optimal size costs."""
    from bayescale.intervals import check_prob
    from bayescale.numbers import parse_number
    from bayescale.plan import content

    check_prob(prob)
    _, curve = _curve(folder, published, group, corpus)
    answer, notes = content.overhead_content(curve, parse_number(size, "size"), prob)
    if figure is not None:
        from bayescale.plan.figures import overhead_figure

        _draw(overhead_figure(curve, prob), figure)
    _answer(answer, notes, as_json)


@plan_app.command("serve")
def serve_command(
    folder: Folder = None,
    *,
    published: Published = None,
    target: Annotated[float | None, typer.Option("--target", help="Response to reach.")] = None,
    as_good_as: Annotated[
        str | None,
        typer.Option("--as-good-as", help="Instead: as a compute-optimal model of so many N."),
    ] = None,
    prompt: Annotated[
        str, typer.Option("--prompt", help="Tokens read over the model's lifetime.")
    ] = "0",
    generated: Annotated[
        str, typer.Option("--generated", help="Tokens written over the model's lifetime.")
    ] = "0",
    max_tokens: Annotated[
        str | None, typer.Option("--max-tokens", help="The most tokens there are to train on.")
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option("--prices", help="Costs in dollars: sardana-2023, or a TOML file."),
    ] = None,
    group: Group = None,
    corpus: Corpus = None,
    prob: Prob = PROB,
    figure: FigureFile = None,
    as_json: Json = False,
) -> None:
    """The cheapest model to train and serve that reaches a target with a stated probability."""
    from bayescale.numbers import parse_number
    from bayescale.plan import content
    from bayescale.plan.serving import Prices

    def number(text: str | None, name: str) -> float | None:
        return None if text is None else parse_number(text, name)

    fit, curve = _curve(folder, published, group, corpus)
    question: dict[str, Any] = {
        "target": target,
        "as_good_as": number(as_good_as, "as_good_as"),
        "prompt_tokens": number(prompt, "prompt"),
        "generated_tokens": number(generated, "generated"),
        "max_tokens": number(max_tokens, "max_tokens"),
        "prices": None if prices is None else Prices.load(prices),
        "prob": prob,
    }
    answer, notes = content.serve_content(curve, fit=fit, **question)
    if figure is not None:
        from bayescale.plan.figures import serving_figure

        _draw(serving_figure(curve, **question), figure)
    _answer(answer, notes, as_json)


def exhaust_command(
    scenario: Annotated[
        str, typer.Argument(metavar="[SCENARIO]", help="A shipped scenario's name, or a TOML file.")
    ] = "villalobos-2024",
    *,
    folder: Annotated[
        list[Path] | None,
        typer.Option("--fit", help="A fit whose law to apply; repeatable."),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option("--published", help="A published law to apply; repeatable."),
    ] = None,
    figure: FigureFile = None,
    as_json: Json = False,
) -> None:
    """When the stock of text is used up, and what it costs, under each of several laws.

    Without --fit or --published: the data-constrained law with published constants, and a line
    in log compute through the bundled table.
    """
    from bayescale.fit import Fit
    from bayescale.plan import content
    from bayescale.plan.curve import Curve
    from bayescale.plan.exhaustion import exhaust
    from bayescale.plan.scenario import Scenario

    assumed = Scenario.load(scenario)
    fits = [Fit.load(path) for path in folder or []]
    named = published or ([] if fits else list(content.USUAL_LAWS))
    curves = [Curve.of_fit(fit) for fit in fits] + [Curve.published(name) for name in named]
    outlook = exhaust(assumed, curves)
    if figure is not None:
        from bayescale.plan.figures import exhaustion_figure

        _draw(exhaustion_figure(outlook), figure)
    notes = [note for fit in fits for note in _failures(fit)]
    answer = content.exhaustion_content(outlook)
    notes += content.exhaustion_notes(answer)
    if as_json:
        _answer(answer, notes, as_json)
        return
    from bayescale.output import print_notes

    content.print_exhaustion(answer)
    print_notes(notes)


def _curve(
    folder: Path | None, published: str | None, group: list[str] | None, corpus: str | None
) -> tuple[Fit | None, Curve]:
    from bayescale.fit import Fit
    from bayescale.plan.curve import Curve

    if (folder is None) == (published is None):
        raise BayescaleError("give one of a fit's folder and --published NAME")
    if published is not None:
        if group or corpus:
            raise BayescaleError(f"--published {published}: published laws have no groups")
        return None, Curve.published(published)
    groups = {}
    for text in group or []:
        name, equals, label = text.partition("=")
        if not (name and equals and label):
            raise BayescaleError(f"--group {text!r}: write it as NAME=VALUE")
        groups[name.strip()] = label.strip()
    assert folder is not None
    fit = Fit.load(folder)
    return fit, Curve.of_fit(fit, groups, corpus)


def _answer(answer: dict[str, Any], notes: list[Note], as_json: bool) -> None:
    from bayescale.output import print_json, print_notes, print_table
    from bayescale.plan.describe import shown

    if as_json:
        print_json({**answer, "notes": [note.to_dict() for note in notes]})
    else:
        tables = {name: value for name, value in answer.items() if isinstance(value, list)}
        print_table(
            [
                {"quantity": name, "value": shown(value, name)}
                for name, value in answer.items()
                if name not in tables
            ]
        )
        for name, rows in tables.items():
            print_table([{k: shown(v, k) for k, v in row.items()} for row in rows], name)
    print_notes(notes)


def _draw(figure: Figure, path: Path) -> None:
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise BayescaleError(f"--figure {path}: name a .svg, .png or .pdf file")
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error
    sys.stderr.write(f"figure in {path}\n")


def _failures(fit: Fit) -> list[Note]:
    return [note for note in fit.notes if note.level == "failure"]
