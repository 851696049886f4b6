"""The command `log`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.base.errors import BayescaleError
from bayescale.cli.options import Folder
from bayescale.cli.printing import Output, failures, printing


@printing
def log_command(
    folder: Folder,
    *,
    mlflow: Annotated[
        str | None,
        typer.Option("--mlflow", metavar="URI", help="MLflow's tracking URI, as http://HOST:5000."),
    ] = None,
    wandb: Annotated[
        str | None,
        typer.Option("--wandb", metavar="PROJECT", help="A project of Weights & Biases."),
    ] = None,
) -> Output:
    """Put a fit's parameters, checks, forecast and report into an experiment tracker.

    The report is written to reports/NAME, as `bayescale report DIR` does. Exit code 3 if the fit
    did not converge.
    """
    from bayescale.base.need import need
    from bayescale.fit.fit import Fit
    from bayescale.report import trackers
    from bayescale.report.write import write

    if mlflow is None and wandb is None:
        raise BayescaleError("name a tracker: --mlflow URI or --wandb PROJECT")
    for name, place in (("mlflow", mlflow), ("wandb", wandb)):
        if place is not None:  # before the report takes its time
            need(name, extra="trackers", purpose=f"--{name}")
    fit = Fit.load(folder)
    name = folder.resolve().name
    out = Path("reports") / name
    report = write([fit], out, command=f"bayescale report {folder} --out {out}")
    given = trackers.logged(name, report, out)
    places = {}
    if mlflow is not None:
        places["mlflow"] = trackers.to_mlflow(given, mlflow)
    if wandb is not None:
        places["wandb"] = trackers.to_wandb(given, wandb)
    lines = [f"{tracker}: {place}" for tracker, place in places.items()]
    return Output({**places, "report": str(out)}, lines, failures(fit.notes))
