"""The commands `next` and `design`: which runs to buy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.cli.options import Corpus, FigureFile, Folder, Kind, Prob, one_of, positive, whole
from bayescale.cli.printing import Output, printing, serious

if TYPE_CHECKING:
    from bayescale.plan.next_run import NextRun

Budget = Annotated[
    float,
    positive("--budget", "COST", "For all runs together: FLOP, or the unit of --cost."),
]
Aims = Annotated[
    list[str],
    typer.Option("--target", help="A point, as for predict --at: params=70B,tokens=15T."),
]
Cost = Annotated[
    str | None,
    typer.Option(
        "--cost",
        metavar="FORMULA",
        help="Of a run, by its columns; by default the column cost, or 6 * params * tokens.",
    ),
]


@printing
def next_command(
    folder: Folder,
    *,
    budget: Budget,
    target: Aims,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            help="Candidates as a grid: params=1e8:1e10:12,tokens=2e9:2e11:12; by default one "
            "from the fitted runs towards the target.",
        ),
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option("--candidates", metavar="FILE", help="Instead: a table of candidates."),
    ] = None,
    in_flight: Annotated[
        str | None,
        typer.Option("--in-flight", metavar="FILE", help="Runs whose outcome is not known yet."),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            "--subject",
            metavar="CONDITION",
            help="On candidates, as in 'params * experts <= 200e9'; repeatable.",
        ),
    ] = None,
    cost: Cost = None,
    batch: Annotated[int, whole("--batch", "K", "Buy up to so many runs at once.")] = 1,
    by: Annotated[
        Literal["width", "choice", "law"],
        typer.Option(
            "--by",
            parser=one_of("by", ("width", "choice", "law")),
            metavar="GOAL",
            help="width of the target's interval; choice: the loss by a wrong choice among "
            "several targets; law: which law of a stack holds.",
        ),
    ] = "width",
    width: Annotated[
        float | None,
        positive("--width", "SHARE", "How many runs until the interval is as narrow: 0.02."),
    ] = None,
    corpus: Corpus = None,
    kind: Kind = "run",
    prob: Prob = PROB,
    figure: FigureFile = None,
) -> Output:
    """The run, or the runs, that make a forecast most certain for a budget.

    A row for each run that is bought, the best candidates one by one, and the curve of money and
    certainty. Nothing is sampled: after a run has landed, fit again and ask again.
    """
    from bayescale.cli.points import read_points
    from bayescale.fit.stack import load
    from bayescale.plan.next_run import next_run
    from bayescale.runs.table import Runs

    fitted = load(folder)
    if at and candidates is not None:
        raise BayescaleError("give candidates with --at or in a file with --candidates, not both")
    aims, split_notes = read_points(target, None, fitted)
    pool = None
    if at or candidates is not None:
        pool, _ = read_points(at or [], candidates, fitted)
    found = next_run(
        fitted,
        aims,
        budget,
        candidates=pool,
        in_flight=None if in_flight is None else Runs.read(in_flight),
        subject=subject or [],
        cost=cost,
        batch=batch,
        by=by,
        aim=width,
        corpus=corpus,
        kind=kind,
        prob=prob,
    )
    return _output(found, [*serious(fitted.notes), *split_notes], figure)


def _output(found: NextRun, known: list[Any], path: Path | None) -> Output:
    from bayescale.plan.next_answer import answer

    said = answer(found)
    notes, remarks = [*known, *said.notes], []
    if path is not None:
        from bayescale.report import figures

        notes += figures.save(figures.certainty_figure(found), path)
        remarks.append(f"figure in {path}")
    return Output(said.content, [said.headline, *said.tables], notes, remarks)


@printing
def design_command(
    *,
    source: Annotated[
        str,
        typer.Option("--from", metavar="nothing|SPEC", help="The priors of forecast, or a spec's."),
    ],
    target: Annotated[
        str, typer.Option("--target", help="What the ladder is for: params=70B,tokens=15T.")
    ],
    budget: Annotated[
        float, positive("--budget", "FLOP", "For all runs together, 6 N D.", "flops")
    ],
    runs: Annotated[int, whole("--runs", "K", "Train at most so many, seeds counted.")] = 20,
    prob: Prob = PROB,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the runs here, as a table: .csv.")
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option("--sweep", help="Write plans for bayescale sweep: .toml, one for each seed."),
    ] = None,
) -> Output:
    """A first ladder for a target and a budget, from priors alone: sizes, tokens and seeds.

    And how far below the target the largest run may stop. To buy from a fit: next.
    """
    from bayescale.base.numbers import parse_number
    from bayescale.cli.options import pairs
    from bayescale.model.spec import Spec
    from bayescale.plan.ladder import ladder, sweeps
    from bayescale.plan.next_answer import ladder_answer

    given = pairs(target.split(","), "--target")
    if set(given) != {"params", "tokens"}:
        raise BayescaleError(f"--target {target!r}: write it as params=70B,tokens=15T")
    sizes = {name: parse_number(text, name) for name, text in given.items()}
    spec = Spec.load("forecast" if source == "nothing" else source)
    found = ladder(spec, sizes, budget, runs=runs, prob=prob)
    said = ladder_answer(found, sizes)
    remarks = []
    if out is not None:
        found.runs.to_csv(out, index=False)
        remarks.append(f"runs in {out}")
    if sweep is not None:
        for seed, text in enumerate(sweeps(found, sweep.stem)):
            path = sweep if seed == 0 else sweep.with_stem(f"{sweep.stem}-{seed}")
            path.write_text(text, "utf-8")
            remarks.append(f"sweep in {path}")
    return Output(said.content, [said.headline, *said.tables], said.notes, remarks)
