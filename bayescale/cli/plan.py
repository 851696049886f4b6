"""The commands `plan optimum`, `plan overhead`, `plan serve` and `exhaust`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.cli.options import TARGET, Corpus, FigureFile, Groups, Prob, number, pairs, positive
from bayescale.cli.printing import Output, printing, serious

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayescale.base.notes import Note
    from bayescale.fit.fit import Fit
    from bayescale.plan.answer import Answer
    from bayescale.plan.curve import Curve

plan_app = typer.Typer(help="Decide: how big, how long, at what cost.", no_args_is_help=True)

FolderOrNot = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A fit's folder.")]
Published = Annotated[
    str | None,
    typer.Option("--published", help="Instead of a fit: the constants of a published law."),
]


@plan_app.command("optimum")
@printing
def optimum_command(
    folder: FolderOrNot = None,
    *,
    flops: Annotated[
        float | None,
        positive("--flops", "FLOP", "Training budget in FLOP, 6 N D.", "flops"),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="INPUT[=LOW:HIGH]",
            help="Instead: choose this input of the law; repeatable.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="NAME=VALUE,...", help="With --over: the other inputs."),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            "--subject",
            metavar="CONDITION",
            help="With --over: as in 'params * experts <= 200e9'; repeatable.",
        ),
    ] = None,
    published: Published = None,
    unique_tokens: Annotated[
        float | None,
        positive(
            "--unique-tokens",
            "D",
            "Tokens that are not repeats, for a law that sees them.",
            "unique_tokens",
        ),
    ] = None,
    group: Groups = None,
    corpus: Corpus = None,
    prob: Prob = PROB,
    figure: FigureFile = None,
) -> Output:
    """The parameters and tokens with the best response for a budget, or the best of any inputs."""
    from bayescale.plan import allocation, printed
    from bayescale.report import figures

    if over:
        others = {"flops": flops, "published": published, "unique-tokens": unique_tokens}
        _refuse_beside("over", {**others, "figure": figure})
        return _best_inputs(folder, over, at, subject or [], group, corpus, prob)
    if at or subject:
        raise BayescaleError("--at and --subject belong to --over INPUT")
    if flops is None:
        raise BayescaleError("give a budget with --flops, or name inputs to choose with --over")
    if published is not None:
        allotted = printed.answer(published, flops)
        if allotted is not None:
            _refuse_options(published, folder, group, corpus)
            if unique_tokens is not None:
                raise BayescaleError(f"--unique-tokens: what {published} prints knows no repeats")
            return _output(allotted, [], figure, figures.allocation_figure, published, flops)
    source = _Source.of(folder, published, group, corpus)
    answer = allocation.answer(
        source.curve, flops, prob, unique_tokens=unique_tokens, fit=source.fit
    )
    draw = partial(figures.budget_figure, unique_tokens=unique_tokens)
    return _output(answer, source.notes, figure, draw, source.curve, flops, prob)


def _best_inputs(  # noqa: PLR0917 (the options of the command)
    folder: Path | None,
    over: list[str],
    at: str | None,
    subject: list[str],
    group: list[str] | None,
    corpus: str | None,
    prob: float,
) -> Output:
    """The answer to --over."""
    from bayescale.cli.points import fixed_inputs, input_ranges
    from bayescale.fit.stack import load
    from bayescale.plan import best

    if folder is None:
        raise BayescaleError("--over needs a fit's folder")
    fitted = load(folder)
    answer = best.answer(
        fitted,
        input_ranges(over, fitted),
        at=fixed_inputs(at, fitted),
        subject=subject,
        groups=pairs(group, "--group"),
        corpus=corpus,
        prob=prob,
    )
    return Output(answer.content, answer.tables, [*serious(fitted.notes), *answer.notes])


@plan_app.command("overhead")
@printing
def overhead_command(
    folder: FolderOrNot = None,
    *,
    size: Annotated[
        float,
        positive("--size", "RATIO", "Parameters over the compute-optimal ones, as in 0.5."),
    ],
    published: Published = None,
    group: Groups = None,
    corpus: Corpus = None,
    prob: Prob = PROB,
    figure: FigureFile = None,
) -> Output:
    """The extra compute that a model of another than the optimal size costs."""
    from bayescale.plan import overhead
    from bayescale.report import figures

    source = _Source.of(folder, published, group, corpus)
    answer = overhead.answer(source.curve, size, prob)
    return _output(answer, source.notes, figure, figures.overhead_figure, source.curve, prob)


@plan_app.command("serve")
@printing
def serve_command(
    folder: FolderOrNot = None,
    *,
    published: Published = None,
    target: Annotated[float | None, TARGET] = None,
    as_good_as: Annotated[
        float | None,
        positive(
            "--as-good-as",
            "N",
            "Instead: as a compute-optimal model of so many parameters.",
            "params",
        ),
    ] = None,
    prompt: Annotated[
        float,
        number("--prompt", "D", "Tokens read over the model's lifetime."),
    ] = 0.0,
    generated: Annotated[
        float,
        number("--generated", "D", "Tokens written over the model's lifetime."),
    ] = 0.0,
    max_tokens: Annotated[
        float | None,
        positive("--max-tokens", "D", "The most tokens there are to train on.", "tokens"),
    ] = None,
    prices: Annotated[
        str | None,
        typer.Option("--prices", help="Costs in dollars: sardana-2023, or a TOML file."),
    ] = None,
    group: Groups = None,
    corpus: Corpus = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark", help="For a fit of benchmarks: the target is a score on this one."
        ),
    ] = None,
    prob: Prob = PROB,
    figure: FigureFile = None,
) -> Output:
    """The cheapest model to train and serve that reaches a target with a stated probability."""
    from bayescale.plan import serving
    from bayescale.plan.costs import Prices
    from bayescale.report import figures

    question: dict[str, Any] = {
        "target": target,
        "prompt_tokens": prompt,
        "generated_tokens": generated,
        "max_tokens": max_tokens,
        "prices": None if prices is None else Prices.load(prices),
        "prob": prob,
    }
    if benchmark is not None:
        other = {"published": published, "as-good-as": as_good_as, "corpus": corpus}
        return _of_scores(folder, benchmark, question, group, {**other, "figure": figure})
    source = _Source.of(folder, published, group, corpus)
    question["as_good_as"] = as_good_as
    answer = serving.answer(source.curve, fit=source.fit, **question)
    draw = partial(figures.serving_figure, **question)
    return _output(answer, source.notes, figure, draw, source.curve)


@printing
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
) -> Output:
    """When the stock of text is used up, and what it costs, under each of several laws.

    Without --fit or --published: the data-constrained law with published constants, and a line
    in log compute through the bundled table.
    """
    from bayescale.plan import exhaustion
    from bayescale.plan.scenario import Scenario
    from bayescale.report import figures

    assumed = Scenario.load(scenario)
    names = published or ([] if folder else list(exhaustion.USUAL_LAWS))
    sources = [_Source.of(path, None) for path in folder or []]
    sources += [_Source.of(None, name) for name in names]
    outlook = exhaustion.exhaust(assumed, [source.curve for source in sources])
    known = [note for source in sources for note in source.notes]
    answer = exhaustion.answer(outlook)
    return _output(answer, known, figure, figures.exhaustion_figure, outlook)


@dataclass(frozen=True)
class _Source:
    """Where a plan takes its curve from.

    Attributes
    ----------
    curve : Curve
    fit : Fit or None
        Behind the curve; of a stack, the one with the most weight; None of a published law.
    notes : list of Note
        Warnings and failures of the fit.
    """

    curve: Curve
    fit: Fit | None
    notes: list[Note]

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
        fitted = load(folder)
        curve = as_curve(fitted, pairs(group, "--group"), corpus)
        fit = fitted.heaviest if isinstance(fitted, Stack) else fitted
        return cls(curve, fit, serious(fitted.notes))


def _of_scores(
    folder: Path | None,
    benchmark: str,
    question: dict[str, Any],
    group: list[str] | None,
    others: dict[str, Any],
) -> Output:
    """The cheapest model that reaches a score, as `plan.benchmark` finds it."""
    from bayescale.base.bundled import unknown
    from bayescale.fit.benchmarks.fit import BenchmarkFit
    from bayescale.plan.benchmark import answer
    from bayescale.predictive.benchmarks import NEW

    _refuse_beside("benchmark", others)
    if folder is None or question["target"] is None:
        raise BayescaleError(
            f"--benchmark {benchmark}: give the folder of a fit of benchmarks and --target SCORE"
        )
    named = pairs(group, "--group")
    for name in named:
        if name != "family":
            raise unknown("--group: name", name, ["family"])
    fitted = BenchmarkFit.load(folder)
    found = answer(fitted, benchmark, family=named.get("family", NEW), **question)
    return Output(found.content, found.tables, [*serious(fitted.notes), *found.notes])


def _refuse_beside(option: str, others: dict[str, Any]) -> None:
    for name, value in others.items():
        if value is not None:
            raise BayescaleError(f"--{name} and --{option} do not go together; leave one out")


def _refuse_options(
    published: str, folder: Path | None, group: list[str] | None, corpus: str | None
) -> None:
    if folder is not None:
        raise BayescaleError("give one of a fit's folder and --published NAME")
    if group or corpus:
        raise BayescaleError(f"--published {published}: published laws have no groups")


def _output(
    answer: Answer, known: list[Note], path: Path | None, draw: Callable[..., Figure], *of: Any
) -> Output:
    """A plan's answer as a command prints it, and its figure in a file where one is named."""
    notes, remarks = [*known, *answer.notes], []
    if path is not None:
        from bayescale.report.figures import save

        notes += save(draw(*of), path)
        remarks.append(f"figure in {path}")
    headline = [answer.headline] if answer.headline else []
    return Output(answer.content, [*headline, *answer.tables], notes, remarks)
