"""Trackers: a fit's parameters, checks, forecast and report as a run of MLflow or W&B."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.need import need
from bayescale.base.tables import Table, as_csv

_EXPERIMENT = "bayescale"
_EXTRA = "trackers"


@dataclass(frozen=True)
class Logged:
    """What a tracker is given.

    Attributes
    ----------
    name : str
        Of the run.
    config : mapping
        What was fitted, and how it was sampled.
    numbers : mapping of str to float
        Convergence, parameters and forecasts, as `forecast/1/median`.
    tables : mapping of str to list of mapping
        Parameters, checks and the forecast.
    report : Path
        Folder of the report.
    """

    name: str
    config: Mapping[str, Any]
    numbers: Mapping[str, float]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    report: Path


def logged(name: str, report: Mapping[str, Any], folder: Path) -> Logged:
    """What a tracker is given of a report of one fit, written to a folder."""
    (fit,) = report["fits"]
    numbers = {
        f"convergence/{key}": float(value)
        for key, value in fit["convergence"].items()
        if isinstance(value, int | float)
    }
    for row in fit["parameters"]:
        for end in ("median", "lower", "upper"):
            numbers[f"parameters/{row['name']}/{end}"] = row[end]
    for i, row in enumerate(fit["predictions"], start=1):
        forecast = {"median": row["median"], **row["new_run"]}
        numbers |= {f"forecast/{i}/{end}": value for end, value in forecast.items()}
    config = {
        "spec": fit["spec"]["name"],
        "law": fit["law"]["title"],
        "response": fit["spec"]["response"],
        "table": fit["runs"]["name"],
        "runs": fit["runs"]["count"],
        **fit["settings"],
        "bayescale": report["reproduce"]["versions"]["bayescale"],
    }
    tables = {
        "parameters": fit["parameters"],
        "checks": fit["checks"],
        "forecast": fit["predictions"],
    }
    return Logged(name, config, numbers, tables, folder)


def to_mlflow(given: Logged, uri: str) -> str:
    """Make a run of the experiment `bayescale` at a tracking URI; returns the run's id.

    Raises
    ------
    BayescaleError
        If MLflow is not installed, or refuses.
    """
    mlflow = need("mlflow", extra=_EXTRA, purpose="--mlflow")
    # MLflow prints where a run can be seen, also where a program reads standard output.
    with redirect_stdout(sys.stderr):
        return _to_mlflow(mlflow, given, uri)


def _to_mlflow(mlflow: Any, given: Logged, uri: str) -> str:
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(_EXPERIMENT)
        experiment = client.create_experiment(_EXPERIMENT) if found is None else found.experiment_id
        run = client.create_run(experiment, run_name=given.name).info.run_id
        for key, value in given.config.items():
            client.log_param(run, key, value)
        for key, value in given.numbers.items():
            # MLflow takes no brackets, as of a corpus: `level[python]`.
            client.log_metric(run, re.sub(r"[^\w./ -]", ".", key).replace("./", "/"), value)
        for key, rows in given.tables.items():
            client.log_text(run, as_csv(Table(rows)), f"{key}.csv")
        client.log_artifacts(run, str(given.report), "report")
        client.set_terminated(run)
    except mlflow.exceptions.MlflowException as error:
        raise BayescaleError(f"--mlflow {uri}: {error.message}") from error
    return str(run)


def to_wandb(given: Logged, project: str) -> str:
    """Make a run of a project of Weights & Biases; returns where it can be seen.

    With `WANDB_MODE=offline` it is a folder below `wandb/`, which `wandb sync` sends later.

    Raises
    ------
    BayescaleError
        If W&B is not installed, or refuses.
    """
    wandb = need("wandb", extra=_EXTRA, purpose="--wandb")
    settings = wandb.Settings(silent=True, console="off")
    wandb.setup(settings)
    try:
        run = wandb.init(
            project=project, name=given.name, config=dict(given.config), settings=settings
        )
        with run:
            run.summary.update(dict(given.numbers))
            for key, rows in given.tables.items():
                cells = pd.json_normalize(list(rows), sep="_")
                run.log({key: wandb.Table(dataframe=cells, allow_mixed_types=True)})
            artifact = wandb.Artifact(f"{given.name}-report", type="report")
            artifact.add_dir(str(given.report))
            run.log_artifact(artifact)
    except (wandb.Error, ValueError) as error:  # ValueError of a project's name
        raise BayescaleError(f"--wandb {project}: {error}") from error
    return str(Path(run.dir).parent if run.offline else run.url)
