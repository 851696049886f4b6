"""The commands `benchmarks fit`, `predict`, `reach` and `compare`: scores from compute or loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.base.tables import Table
from bayescale.cli.options import (
    At,
    Column,
    FigureFile,
    Kind,
    Prob,
    Seed,
    Target,
    Units,
    Where,
    one_of,
    pairs,
    positive,
    whole,
)
from bayescale.cli.printing import Output, printing, serious

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from bayescale.fit.benchmarks.fit import BenchmarkFit
    from bayescale.runs.benchmarks.scores import Scores

benchmarks_app = typer.Typer(
    help="Benchmark scores from compute, parameters and tokens, or loss.", no_args_is_help=True
)

_TABLE: Any = typer.Argument(metavar="TABLE", help="A file of models and scores, or - for stdin.")
_FOLDER: Any = typer.Argument(metavar="DIR", help="Folder of a fit of benchmarks.")
_FORMS = ("direct", "latent", "two-stage")
Benchmarks = Annotated[
    list[str] | None,
    typer.Option(
        "--benchmark",
        help="A benchmark and its header, as in mmlu=acc_mmlu; repeatable. By default all that "
        "are known.",
    ),
]
Card = Annotated[
    Path | None,
    typer.Option("--card", help="TOML file of more benchmarks: title, chance, questions."),
]
Form = Annotated[
    str | None,
    typer.Option(
        "--form",
        parser=one_of("form", _FORMS),
        metavar="FORM",
        help="direct: each benchmark from compute; latent: through a capability that is "
        "common to all; two-stage: through losses.",
    ),
]


def _scores(table: str, benchmark: list[str] | None, card: Path | None, **reading: Any) -> Scores:
    """The scores of a table, read as `Runs.read` is told."""
    from bayescale.runs.benchmarks.registry import known
    from bayescale.runs.benchmarks.scores import Scores
    from bayescale.runs.table import Runs

    columns = pairs(reading.pop("column"), "--column")
    runs = Runs.read(table, columns=columns, blank_counts=True, **reading)
    return Scores.of(runs, pairs(benchmark, "--benchmark"), known(card))


@benchmarks_app.command("fit")
@printing
def fit_command(
    table: Annotated[str, _TABLE],
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("fits/benchmarks"),
    benchmark: Benchmarks = None,
    form: Form = None,
    card: Card = None,
    column: Column = None,
    where: Where = None,
    units: Units = False,
    draws: Annotated[int | None, whole("--draws", "N", "Kept draws a chain.")] = None,
    chains: Annotated[int | None, whole("--chains", "N", "Independent chains.")] = None,
    seed: Seed = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a fit.")] = False,
) -> Output:
    """Sample the posterior of a model of many benchmarks, given a table of models and scores.

    Scores are shares; cells may be missing. Exit code 3 if the chains did not converge.
    """
    from bayescale.fit.folder import reserved

    scores = _scores(table, benchmark, card, column=column, where=where, units=units)
    asked = {"draws": draws, "chains": chains, "seed": seed}
    options: dict[str, Any] = {k: v for k, v in asked.items() if v is not None}
    with reserved(out, overwrite=overwrite):
        from bayescale.fit.benchmarks.fit import fit_benchmarks

        fitted = fit_benchmarks(scores, form, **options)
        fitted.save(out, overwrite=overwrite)
    summary = fitted.summary().reset_index()
    rows = [{str(k): v for k, v in row.items()} for row in summary.to_dict(orient="records")]
    title = f"{fitted.form} form; {len(scores)} models, {len(rows)} benchmarks, 90\xa0% intervals"
    return Output(
        {
            "fit": str(out),
            "form": fitted.form,
            "models": len(scores),
            "convergence": fitted.convergence.to_dict(),
            "benchmarks": rows,
        },
        [Table([_shares(row) for row in rows], title, rows)],
        fitted.notes,
        [f"saved in {out}"],
    )


@benchmarks_app.command("predict")
@printing
def predict_command(
    folder: Annotated[Path, _FOLDER],
    *,
    at: At = None,
    benchmark: Annotated[
        list[str] | None, typer.Option("--benchmark", help="Only this one; repeatable.")
    ] = None,
    kind: Kind = "run",
    prob: Prob = PROB,
    figure: FigureFile = None,
) -> Output:
    """Predict scores at parameters, tokens and family, with intervals.

    A family that was fitted has its own effects; without one, the model is of a new family.
    """
    import pandas as pd

    from bayescale.fit.benchmarks.fit import BenchmarkFit

    fitted = BenchmarkFit.load(folder)
    points = pd.DataFrame([_point(text, fitted) for text in at or []])
    if points.empty:
        raise BayescaleError(f"no point given; add --at {_example(fitted)}")
    found = fitted.predict(points, kind, prob, benchmarks=benchmark)
    rows = [{str(k): v for k, v in row.items()} for row in found.to_dict(orient="records")]
    kinds = {"run": "one model", "curve": "the expected score"}
    title = f"scores, {prob:.0%} intervals for {kinds[kind]}".replace("%", "\xa0%")
    return Output(
        {"kind": kind, "prob": prob, "rows": rows},
        [Table([_for_people(row) for row in rows], title, rows)],
        [*serious(fitted.notes), *fitted.outside_notes(points)],
        _drawn(fitted, figure),
    )


@benchmarks_app.command("reach")
@printing
def reach_command(
    folder: Annotated[Path, _FOLDER],
    benchmark: Annotated[str, typer.Argument(help="Such as mmlu.")],
    *,
    target: Target,
    tokens_per_param: Annotated[
        float, positive("--tokens-per-param", "RATIO", "How compute is split; by default 20.")
    ] = 20.0,
    family: Annotated[str, typer.Option("--family", help="By default a new one.")] = "new",
    instruct: Annotated[
        bool, typer.Option("--instruct", help="A model tuned on instructions.")
    ] = False,
    prob: Prob = PROB,
) -> Output:
    """The least compute at which a model reaches a score, with probability 0.5 and --prob."""
    from bayescale.base.numbers import human
    from bayescale.fit.benchmarks.fit import BenchmarkFit

    fitted = BenchmarkFit.load(folder)
    probs = sorted({0.5, prob})
    rows = [
        {"prob": each}
        | fitted.reach(
            benchmark,
            target,
            tokens_per_param=tokens_per_param,
            family=family,
            instruct=instruct,
            prob=each,
        )
        for each in probs
    ]
    short = [
        {
            "probability": f"{row['prob']:g}",
            **{
                name: "not reached" if row[name] is None else human(row[name])
                for name in ("flops", "params", "tokens")
            },
            "highest": f"{row['probability']:.2f}" if row["flops"] is None else "",
        }
        for row in rows
    ]
    if all(row["flops"] is not None for row in rows):
        short = [{k: v for k, v in row.items() if k != "highest"} for row in short]
    title = f"compute at which {benchmark} reaches {target:g}, family {family}"
    content = {"benchmark": benchmark, "target": target, "family": family, "rows": rows}
    return Output(content, [Table(short, title, rows)], serious(fitted.notes))


@benchmarks_app.command("compare")
@printing
def compare_command(
    table: Annotated[str, _TABLE],
    *,
    frontier: Annotated[
        float, positive("--frontier", "FLOP", "Fit models up to this compute, predict the others.")
    ],
    benchmark: Benchmarks = None,
    card: Card = None,
    column: Column = None,
    where: Where = None,
    units: Units = False,
    prob: Prob = PROB,
) -> Output:
    """Which form predicts larger models best? Each is fitted below a frontier, and predicts above.

    The best has the lowest CRPS (continuous ranked probability score), over all benchmarks.
    """
    from bayescale.evaluation.benchmarks import beyond_frontier, forms_of, held_out

    scores = _scores(table, benchmark, card, column=column, where=where, units=units).with_compute()
    split = beyond_frontier(scores, frontier)
    done = {form: held_out(scores, [split], form, prob=prob)[0] for form in forms_of(scores)}
    best = min(done, key=lambda form: done[form].crps)
    forms = [
        {
            "form": form,
            **{name: getattr(each, name) for name in ("crps", "rmse", "coverage")},
            "r_hat": each.convergence.r_hat,
        }
        for form, each in done.items()
    ]
    rows = [
        {"benchmark": name, "form": form, **row}
        for form, each in done.items()
        for name, row in each.by_benchmark().to_dict(orient="index").items()
    ]
    names = list(scores.benchmarks)
    rows.sort(key=lambda row: names.index(row["benchmark"]))
    models = f"{split[1].sum()} models above {frontier:g} FLOP, from {split[0].sum()} below"
    notes = [note for each in done.values() for note in each.convergence.notes()]
    return Output(
        {"frontier": frontier, "forms": forms, "rows": rows, "best": best},
        [
            Table([_errors(row) for row in forms], models, forms),
            Table([_errors(row) for row in rows], "by benchmark", rows),
            f"{best} predicts best: the lowest CRPS",
        ],
        notes,
    )


def _errors(row: dict[str, Any]) -> dict[str, Any]:
    """Errors and coverage with three digits."""
    return {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()}


def _point(text: str, fitted: BenchmarkFit) -> dict[str, Any]:
    """A point written as `params=70B,tokens=15T,family=llama`."""
    from bayescale.base.bundled import unknown
    from bayescale.base.numbers import parse_number
    from bayescale.cli.points import DERIVED, named_values, with_counts

    takes_losses = fitted.design.takes_losses
    numbers = [*fitted.predictive.needed, *(() if takes_losses else DERIVED)]
    stated: dict[str, Any] = {}
    for name, value in named_values(text, _example(fitted)).items():
        if name in numbers:
            stated[name] = parse_number(value, name)
            if stated[name] <= 0:
                raise BayescaleError(f"{name}={value}: must be positive")
        elif name == "instruct":
            if value not in ("true", "false"):
                raise BayescaleError(f"--at {text!r}: instruct is true or false")
            stated[name] = value == "true"
        elif name == "family":
            stated[name] = value
        else:
            raise unknown("--at: name", name, [*numbers, "family", "instruct"])
    point = stated if takes_losses else with_counts(stated, text)
    return {"family": "new", **point} if fitted.design.has_families else point


def _example(fitted: BenchmarkFit) -> str:
    if fitted.design.takes_losses:
        return ",".join(f"{name}=0.8" for name in fitted.predictive.needed)
    return "params=70B,tokens=15T"


def _shares(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers of a summary as people read them."""
    short = {"benchmark": row["benchmark"], "models": row["models"]}
    short |= {name: f"{row[name]:.3f}" for name in ("chance", "best", "floor")}
    return {**short, "ceiling": f"{row['ceiling_lower']:.3f} to {row['ceiling_upper']:.3f}"}


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    from bayescale.base.numbers import human, share

    short: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("params", "tokens"):
            short[name] = human(value)
        elif name in ("median", "lower", "upper"):
            short[name] = share(value)
        elif name == "decades_outside":
            if value == value:  # noqa: PLR0124 - not a number where losses are given
                short["decades outside"] = f"{value:.2f}"
        elif name == "instruct":
            short[name] = "yes" if value is True else "no"
        else:
            short[name] = value if isinstance(value, str) else f"{value:.4g}"
    return short


def _drawn(fitted: BenchmarkFit, path: Path | None) -> list[str]:
    if path is None:
        return []
    from bayescale.report.figures.benchmarks import score_figure
    from bayescale.report.figures.files import save

    draw: Callable[[BenchmarkFit], Figure] = score_figure
    save(draw(fitted), path)
    return [f"figure in {path}"]
