"""The commands `report` and `plot`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import Settings
from bayescale.cli.curve import End, Rates
from bayescale.cli.options import TARGET, Folder, Seed, one_of, positive
from bayescale.cli.printing import Output, failures, printing
from bayescale.report.figures import OF_A_FIT

if TYPE_CHECKING:
    from bayescale.fit.benchmarks.fit import BenchmarkFit
    from bayescale.fit.fit import Fit
    from bayescale.report.content.running import Running
    from bayescale.runs.table import Runs


@printing
def plot_command(
    kind: Annotated[
        str,
        typer.Argument(
            parser=one_of("figure", OF_A_FIT), metavar="FIGURE", help=", ".join(OF_A_FIT)
        ),
    ],
    folder: Folder,
    *,
    out: Annotated[Path, typer.Option("--out", help="A .svg, .png or .pdf file to write.")],
) -> Output:
    """Write one figure of a fit.

    Exit code 3 if the fit did not converge.
    """
    from bayescale.fit.fit import Fit
    from bayescale.report import figures

    fit = Fit.load(folder)
    figure = getattr(figures, kind.replace("-", "_"))(fit)
    if figure is None:
        raise BayescaleError(f"{folder}: the fit has nothing to show as {kind}; use curve")
    missing = figures.save(figure, out)
    return Output({"figure": kind, "file": str(out)}, [str(out)], [*failures(fit.notes), *missing])


@printing
def report_command(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Fits; without any, the main job is run."),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; by default reports/NAME.")
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Option(
            *("--question", "--at"),
            help="What to forecast, as in params=70B,tokens=15T; repeatable.",
        ),
    ] = None,
    target: Annotated[float | None, TARGET] = None,
    budget: Annotated[
        float | None, positive("--budget", "FLOP", "What so much compute buys.", "flops")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="An earlier fit's or report's folder: what changed since."),
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option("--comparison", help="A file from `compare --out`.")
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option("--curves", help="Loss curves, as for `curve forecast`: where runs end."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="Of --curves: one in progress; repeatable. By default all."),
    ] = None,
    schedule: Rates = None,
    end: End = None,
    benchmarks: Annotated[
        Path | None,
        typer.Option("--benchmarks", help="A fit of `benchmarks fit`: what scores to expect."),
    ] = None,
    seed: Seed = Settings.seed,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> Output:
    """Write a page, Markdown and JSON that answer: what will a run reach, and how sure are we?

    Answers to --question, --target and --budget come first, and sections that do not bear on them
    are left out.

    Without fits: the spec compute-only on the bundled table, again on its reference runs, to
    predict the others, and compared with separate slopes and Chinchilla's law on families left
    out. Exit code 3 if a fit did not converge.
    """
    from bayescale.base.notes import Note
    from bayescale.base.output import read_json
    from bayescale.cli.points import read_points
    from bayescale.fit.fit import Fit
    from bayescale.report.write import write

    in_progress = _in_progress(curves, run or [], schedule, end, seed)  # refused before any fit
    scores = None if benchmarks is None else _scores(benchmarks)
    if comparison and not folders:
        raise BayescaleError(
            f"--comparison {comparison}: without fits the main job makes its own; name the folders "
            "of the fits that were compared"
        )
    rivals: list[Fit] = []
    compared = None if comparison is None else read_json(comparison)
    if folders:
        fits = [Fit.load(folder) for folder in folders]
        out = out or Path("reports") / folders[0].resolve().name
    else:
        out = out or Path("reports") / "open-llm-bpc"
        fits, rivals, compared = _main_job(out, seed)
    points, notes = None, list[Note]()
    if question:
        runs, notes = read_points(question, None, fits[0])
        points = runs.table.to_dict(orient="records")
    asked: dict[str, Any] = {"--seed": seed if curves or not folders else None}
    asked |= {"--question": question, "--target": target, "--budget": budget, "--against": against}
    asked |= {"--comparison": comparison, "--curves": curves, "--run": run}
    asked |= {"--schedule": schedule, "--end": end, "--benchmarks": benchmarks}
    content = write(
        fits,
        out,
        command=_command(folders or [], {"--out": out} | asked),
        points=points,
        target=target,
        budget=budget,
        against=against,
        comparison=compared,
        rivals=rivals,
        in_progress=in_progress,
        scores=scores,
    )
    notes += [note for fit in (*fits, *rivals) for note in failures(fit.notes)]
    notes += [] if scores is None else failures(scores.notes)
    if compared is not None and not compared.get("passed"):
        text, hint = "refits of the comparison did not converge", "do not use its numbers"
        notes.append(Note("unconverged", "failure", text, hint))
    names = {"html": "index.html", "markdown": "report.md", "json": "report.json"}
    files = {kind: str(out / name) for kind, name in names.items()}
    remarks = [] if failures(notes) else ["all fits converged"]
    if show and not _opens(out / names["html"]):
        remarks.append(f"no browser could be started; open {files['html']}")
    return Output({**files, "passed": content["passed"]}, list(files.values()), notes, remarks)


def _command(folders: list[Path], asked: dict[str, Any]) -> str:
    """The command line that gives the same report."""
    words = ["bayescale", "report", *map(str, folders)]
    for flag, value in asked.items():
        for each in value if isinstance(value, list) else [value]:
            words += [] if each is None else [flag, str(each)]
    return shlex.join(words)


def _in_progress(
    curves: Path | None, runs: list[str], schedule: str | None, end: float | None, seed: int
) -> Running | None:
    from bayescale.report.content.running import Running
    from bayescale.runs.curves import Curves

    if curves is None:
        if runs or schedule is not None or end is not None:
            raise BayescaleError(
                "--run, --schedule and --end are of curves; name their file: --curves FILE"
            )
        return None
    return Running(Curves.read(curves, schedule=schedule, end=end), runs, end, seed)


def _scores(folder: Path) -> BenchmarkFit:
    """A fit of benchmarks that predicts scores from parameters and tokens."""
    from bayescale.fit.benchmarks.fit import BenchmarkFit

    fitted = BenchmarkFit.load(folder)
    if fitted.design.takes_losses:
        raise BayescaleError(
            f"--benchmarks {folder}: this fit predicts scores from losses, and a report has none; "
            "fit models whose params and tokens are known"
        )
    return fitted


def _opens(page: Path) -> bool:
    """Whether the user's browser (of the variable BROWSER, if set) shows a page."""
    import webbrowser

    return webbrowser.open(page.resolve().as_uri())


def _main_job(out: Path, seed: int) -> tuple[list[Fit], list[Fit], dict[str, Any]]:
    """The default spec on the bundled table and on its reference runs, and its rivals."""
    from bayescale.base.output import say
    from bayescale.evaluation.compare import compare
    from bayescale.evaluation.reference import reference_runs
    from bayescale.fit.scaling import ScalingModel
    from bayescale.runs.table import Runs

    runs = Runs.read("open-llm-bpc")

    def fit(spec: str, table: Runs, name: str) -> Fit:
        say(f"fitting {spec} to {len(table)} runs of {table.name}")
        fitted = ScalingModel(spec).fit(table, seed=seed)
        fitted.save(out / "fit" / name, overwrite=True)
        return fitted

    fits = [
        fit("compute-only", runs, "all"),
        fit("compute-only", reference_runs(runs), "reference"),
    ]
    rivals = [fit(spec, runs, spec) for spec in ("separate-slopes", "chinchilla")]
    specs = [fitted.spec for fitted in (fits[0], *rivals)]
    say(f"comparing {', '.join(spec.name for spec in specs)} on families left out")
    comparison = compare(specs, runs, by="family", seed=seed)
    return fits, rivals, comparison.to_dict()
