"""The commands `plan optimum`, `plan overhead`, `plan serve` and `exhaust`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.base.notes import Note
    from bayescale.fit.fit import Fit
    from bayescale.plan.answer import Answer
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
    from bayescale.base.intervals import check_prob
    from bayescale.base.numbers import parse_number
    from bayescale.plan import allocation
    from bayescale.plan import printed as printed_allocations
    from bayescale.plan.curve import positive

    check_prob(prob)
    budget = parse_number(flops, "flops")
    positive(flops=budget)
    printed = None if published is None else printed_allocations.answer(published, budget)
    if published is not None and printed is not None:
        _refuse_options(published, folder, group, corpus)
        if unique_tokens is not None:
            raise BayescaleError(f"--unique-tokens: what {published} prints knows no repeats")
        if figure is not None:
            from bayescale.report.figures.plans import allocation_figure

            _draw(allocation_figure(published, budget), figure)
        _print(printed, [], as_json)
        return
    source = _Source.of(folder, published, group, corpus)
    unique = None if unique_tokens is None else parse_number(unique_tokens, "unique_tokens")
    answer = allocation.answer(source.curve, budget, prob, unique_tokens=unique, fit=source.fit)
    if figure is not None:
        from bayescale.report.figures.plans import budget_figure

        _draw(budget_figure(source.curve, budget, prob, unique_tokens=unique), figure)
    _print(answer, source.failures, as_json)


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
    from bayescale.base.intervals import check_prob
    from bayescale.base.numbers import parse_number
    from bayescale.plan import overhead

    check_prob(prob)
    source = _Source.of(folder, published, group, corpus)
    answer = overhead.answer(source.curve, parse_number(size, "size"), prob)
    if figure is not None:
        from bayescale.report.figures.plans import overhead_figure

        _draw(overhead_figure(source.curve, prob), figure)
    _print(answer, source.failures, as_json)


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
    from bayescale.base.numbers import parse_number
    from bayescale.plan import serving

    def number(text: str | None, name: str) -> float | None:
        return None if text is None else parse_number(text, name)

    source = _Source.of(folder, published, group, corpus)
    question: dict[str, Any] = {
        "target": target,
        "as_good_as": number(as_good_as, "as_good_as"),
        "prompt_tokens": number(prompt, "prompt"),
        "generated_tokens": number(generated, "generated"),
        "max_tokens": number(max_tokens, "max_tokens"),
        "prices": None if prices is None else serving.Prices.load(prices),
        "prob": prob,
    }
    answer = serving.answer(source.curve, fit=source.fit, **question)
    if figure is not None:
        from bayescale.report.figures.plans import serving_figure

        _draw(serving_figure(source.curve, **question), figure)
    _print(answer, source.failures, as_json)


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
    from bayescale.plan import exhaustion
    from bayescale.plan.scenario import Scenario

    assumed = Scenario.load(scenario)
    named = published or ([] if folder else list(exhaustion.USUAL_LAWS))
    sources = [_Source.of(path, None) for path in folder or []]
    sources += [_Source.of(None, name) for name in named]
    outlook = exhaustion.exhaust(assumed, [source.curve for source in sources])
    if figure is not None:
        from bayescale.report.figures.plans import exhaustion_figure

        _draw(exhaustion_figure(outlook), figure)
    failures = [note for source in sources for note in source.failures]
    _print(exhaustion.answer(outlook), failures, as_json)


@dataclass(frozen=True)
class _Source:
    """The curve to plan with, the fit behind it, and what failed in that."""

    curve: Curve
    fit: Fit | None
    failures: list[Note]

    @classmethod
    def of(
        cls,
        folder: Path | None,
        published: str | None,
        group: list[str] | None = None,
        corpus: str | None = None,
    ) -> _Source:
        from bayescale.fit.stack import Stack, load
        from bayescale.plan.curve import Curve
        from bayescale.plan.mixture import as_curve

        if published is not None:
            _refuse_options(published, folder, group, corpus)
            return cls(Curve.published(published), None, [])
        if folder is None:
            raise BayescaleError("give one of a fit's folder and --published NAME")
        groups = {}
        for text in group or []:
            name, equals, label = text.partition("=")
            if not (name and equals and label):
                raise BayescaleError(f"--group {text!r}: write it as NAME=VALUE")
            groups[name.strip()] = label.strip()
        loaded = load(folder)
        curve = as_curve(loaded, groups, corpus)
        failures = [note for note in loaded.notes if note.level == "failure"]
        return cls(curve, loaded.heaviest if isinstance(loaded, Stack) else loaded, failures)


def _refuse_options(
    published: str, folder: Path | None, group: list[str] | None, corpus: str | None
) -> None:
    if folder is not None:
        raise BayescaleError("give one of a fit's folder and --published NAME")
    if group or corpus:
        raise BayescaleError(f"--published {published}: published laws have no groups")


def _print(answer: Answer, failures: list[Note], as_json: bool) -> None:
    from bayescale.base.output import print_json, print_notes, print_table

    notes = [*failures, *answer.notes]
    if as_json:
        print_json({**answer.content, "notes": [note.to_dict() for note in notes]})
    else:
        if answer.headline:
            sys.stdout.write(answer.headline + "\n")
        for table in answer.tables:
            print_table(table.rows, table.title)
    print_notes(notes)


def _draw(figure: Figure, path: Path) -> None:
    from bayescale.base.output import print_notes, say
    from bayescale.report.figures import save

    print_notes(save(figure, path))
    say(f"figure in {path}")
