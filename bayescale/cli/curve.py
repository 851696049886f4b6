"""The commands `curve forecast`, `schedule` and `watch`: what will a run end at?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB, Settings
from bayescale.base.tables import Table
from bayescale.cli.options import Prob, Seed, pairs, positive
from bayescale.cli.printing import Output, printing

if TYPE_CHECKING:
    from bayescale.runs.curves import Curves

curve_app = typer.Typer(
    help="Forecast runs from their loss curves: what does one that is training end at?",
    no_args_is_help=True,
)

CurvesFile = Annotated[
    Path,
    typer.Argument(
        metavar="CURVES", help="A CSV table, or a log of the Trainer, W&B, TensorBoard or MLflow."
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=HEADER",
        help="Your header of run, family, setup, end, step, tokens, examples, loss or lr; "
        "repeatable.",
    ),
]
Rates = Annotated[
    str | None,
    typer.Option(
        "--schedule",
        help="Declare the learning rate, where a column lr ends or is missing: constant, cosine, "
        "wsd, wsd-linear, two-stage; with options, as in wsd:decay=0.2,warmup=2000.",
    ),
]
End = Annotated[float | None, positive("--end", "X", "The runs' last step, tokens or examples.")]
Warmup = Annotated[
    float | None, positive("--warmup", "STEPS", "Warm-up before a column of rates begins.")
]
LawName = Annotated[
    str | None,
    typer.Option(
        "--law",
        help="broken-power, power-floor, multi-power or annealing; by default multi-power where "
        "learning rates are known, else broken-power.",
    ),
]


@printing
def forecast_command(
    source: CurvesFile,
    *,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="A run to forecast; repeatable. By default all."),
    ] = None,
    end: End = None,
    target: Annotated[
        float | None, positive("--target", "LOSS", "Also the probability of ending below it.")
    ] = None,
    law: LawName = None,
    schedule: Rates = None,
    warmup: Warmup = None,
    column: Columns = None,
    prob: Prob = PROB,
    seed: Seed = Settings.seed,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw the curve of one run: .svg, .png, .pdf.")
    ] = None,
) -> Output:
    """The loss at which runs end, with intervals, and the probability that each ends best.

    Intervals are for the last checkpoint's loss: law, discrepancy and noise. All curves of the
    file inform each other, by family where it has that column. With --json, the curve ahead.
    """
    from bayescale.base.numbers import percent
    from bayescale.fit.curves.ends import ends
    from bayescale.fit.curves.fit import ahead, fit_curves

    curves = _read(source, column, schedule=schedule, end=end, warmup=warmup)
    runs = list(run or curves.curves)
    for name in runs:  # refused before the fit
        ahead(curves[name], end)
    if figure is not None and len(runs) != 1:
        raise BayescaleError(f"--figure {figure}: draws one run; name it with --run")
    fit = fit_curves(curves, law, seed=seed, progress=True)
    forecasts = {name: fit.forecast(name, end) for name in runs}
    rows = ends(curves, forecasts, target, prob)
    remarks = []
    if figure is not None:
        from bayescale.report.figures.files import save
        from bayescale.report.figures.whole_curve import whole_curve

        save(whole_curve(curves, runs[0], forecasts[runs[0]], target=target, prob=prob), figure)
        remarks.append(f"wrote {figure}")
    title = f"last loss, {percent(prob)} intervals for one checkpoint; law {fit.law.name}"
    content = {
        "law": fit.law.name,
        "unit": curves.unit,
        "prob": prob,
        "rows": rows,
        "sampling": {
            name: {"k_hat": drawn.k_hat, "effective_draws": drawn.effective}
            for name in runs
            for drawn in [fit.draws[fit.setup_of(name)]]
        },
        "ahead": {
            name: forecast.table(prob).to_dict(orient="records")
            for name, forecast in forecasts.items()
        },
    }
    people = [_for_people(row) for row in rows]
    return Output(content, [Table(people, title, rows)], fit.notes, remarks)


@printing
def schedule_command(
    source: CurvesFile,
    *,
    run: Annotated[str, typer.Option("--run", help="The run.")],
    to: Annotated[
        list[str],
        typer.Option(
            "--to", metavar="SCHEDULE", help="From its last point on; repeatable. As --schedule."
        ),
    ],
    end: End = None,
    law: LawName = None,
    schedule: Rates = None,
    warmup: Warmup = None,
    column: Columns = None,
    prob: Prob = PROB,
    seed: Seed = Settings.seed,
) -> Output:
    """What other learning-rate schedules would give from a run's last point on."""
    from bayescale.base.numbers import percent
    from bayescale.fit.curves import fit_curves

    curves = _read(source, column, schedule=schedule, end=end, warmup=warmup)
    curve = curves[run]
    last = end or (curve.schedule.end if curve.schedule is not None else curve.end)
    others = {text: curves.rescheduled(run, text, last)[run] for text in to}
    fit = fit_curves(curves, law, seed=seed, progress=True)
    if not fit.law.takes_rate:
        raise BayescaleError(
            f"law {fit.law.name!r} knows no learning rate; add a column lr, or declare what "
            "it was: --schedule cosine"
        )
    forecasts = {"as planned": fit.forecast(run, end)}
    for text, other in others.items():
        forecasts[text] = fit.forecast_of(other, fit.setup_of(run), last)
    rows = []
    for name, forecast in forecasts.items():
        ended = forecast.table(prob).iloc[-1]
        rows.append(
            {
                "schedule": name,
                "end": float(ended["position"]),
                "median": float(ended["median"]),
                "lower": float(ended["lower"]),
                "upper": float(ended["upper"]),
            }
        )
    title = f"last loss of {run}, {percent(prob)} intervals; law {fit.law.name}"
    content = {"law": fit.law.name, "run": run, "prob": prob, "rows": rows}
    return Output(content, [Table([_for_people(row) for row in rows], title, rows)], fit.notes)


def _read(
    source: Path,
    column: list[str] | None,
    *,
    schedule: str | None,
    end: float | None,
    warmup: float | None,
) -> Curves:
    from bayescale.runs.curves import Curves

    return Curves.read(
        source,
        columns=pairs(column, "--column"),
        schedule=schedule,
        end=end,
        warmup=warmup,
    )


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    from bayescale.base.numbers import human

    short: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("seen", "end"):
            short[name] = human(value)
        elif name == "median":
            short["ends at"] = f"{value:.4g}"
        elif name == "lower":
            short["interval"] = f"{value:.4g} to {row['upper']:.4g}"
        elif name == "below_target":
            short["below target"] = f"{value:.2f}"
        elif name == "best":
            short["ends best"] = f"{value:.2f}"
        elif name != "upper":
            short[name] = value
    return short


def watch_command(
    source: CurvesFile,
    *,
    end: Annotated[float, positive("--end", "X", "The run's last step, tokens or examples.")],
    run: Annotated[str | None, typer.Option("--run", help="By default the file's last.")] = None,
    every: Annotated[
        float, positive("--every", "SECONDS", "How often to look whether the file has changed.")
    ] = 30.0,
    law: LawName = None,
    schedule: Rates = None,
    warmup: Warmup = None,
    column: Columns = None,
    prob: Prob = PROB,
    seed: Seed = Settings.seed,
) -> None:
    """Forecast a run again whenever its file has grown, a line each, until it has ended.

    The file may be missing, half-written, or start anew. Ctrl-C ends it.
    """
    import time

    from bayescale.base.numbers import human
    from bayescale.base.output import print_line, say
    from bayescale.fit.curves.watch import watched

    def read() -> Curves:
        return _read(source, column, schedule=schedule, end=end, warmup=warmup)

    for found in watched(read, run, end=end, law=law, seed=seed, wait=lambda: time.sleep(every)):
        if isinstance(found, BayescaleError):
            say(f"waiting: {found}")
            continue
        curve, forecast = found
        last = forecast.table(prob).iloc[-1]
        clock = time.strftime("%H:%M:%S")
        print_line(
            f"{clock}  {curve.run}  at {human(curve.end)} of {human(end)}: "
            f"{curve.loss[-1]:.4g}; ends at {last['median']:.4g}, "
            f"{last['lower']:.4g} to {last['upper']:.4g}"
        )
        sys.stdout.flush()


curve_app.command("forecast")(forecast_command)
curve_app.command("schedule")(schedule_command)
curve_app.command("watch")(watch_command)
