"""MLflow: its tracking store, the SQLite file that it makes by default or the folder of before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers._record import Record

# What the Hugging Face Trainer logs there; a run with names of its own takes --column.
HEADERS: Mapping[str, str] = {
    "params": "num_parameters",
    "tokens": "num_input_tokens_seen",
    "flops": "total_flos",
    "loss": "eval_loss",
    "step": "step",
}
_ACTIVE = (
    "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time"
)
_STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


class Point(NamedTuple):
    """One value that a run logged of a metric."""

    metric: str
    time: int
    step: int
    value: float


def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]:
    """The runs with their parameters and the last value of each metric.

    A run's step is that of its last loss.

    Raises
    ------
    BayescaleError
        If the path is no store.
    """
    response = headers.get("loss") or headers["perplexity"]
    try:
        runs = list(_folder(path)) if path.is_dir() else _database(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BayescaleError(f"{path}: not a readable store of MLflow: {error}") from error
    for name, status, cells in runs:
        state = _STATES.get(status, status)
        earlier = int(str(cells.get(f"{response} points", 1))) - 1
        yield Record(
            name,
            {**cells, "step": cells.get(f"{response} step")},
            state=None if state == "FINISHED" else state.lower(),
            unused={"a point before a run's last": earlier} if earlier else {},
        )


def histories(path: Path) -> list[tuple[str, list[Point]]]:
    """Each run's name and all that it logged.

    Raises
    ------
    BayescaleError
        If the path is no store.
    """
    if path.is_dir():
        try:
            return [
                (_name(folder, meta), [p for file in _metrics(folder) for p in _points(file)])
                for folder, meta in _runs(path)
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise BayescaleError(f"{path}: not a readable store of MLflow: {error}") from error
    with _opened(path) as store:
        runs = store.execute(_ACTIVE).fetchall()
        logged: dict[str, list[Point]] = {run: [] for run, _, _ in runs}
        for run, key, value, time, step, is_nan in store.execute(
            "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics"
        ):
            logged.get(run, []).append(Point(key, time, step, float("nan") if is_nan else value))
    return [(name or run, logged[run]) for run, name, _ in runs]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        store = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise BayescaleError(f"{path}: cannot be opened: {error}") from error
    try:
        yield store
    except sqlite3.Error as error:
        raise BayescaleError(f"{path}: not a tracking store of MLflow: {error}") from error
    finally:
        store.close()


def _database(path: Path) -> list[tuple[str, str, dict[str, object]]]:
    with _opened(path) as store:
        runs = store.execute(_ACTIVE).fetchall()
        cells: dict[str, dict[str, object]] = {run: {} for run, _, _ in runs}
        for run, key, value in store.execute("SELECT run_uuid, key, value FROM params"):
            cells.get(run, {})[key] = value
        for run, key, value, step, is_nan in store.execute(
            "SELECT run_uuid, key, value, step, is_nan FROM latest_metrics"
        ):
            cells.get(run, {}).update({key: "nan" if is_nan else value, f"{key} step": step})
        for run, key, points in store.execute(
            "SELECT run_uuid, key, COUNT(*) FROM metrics GROUP BY run_uuid, key"
        ):
            cells.get(run, {})[f"{key} points"] = points
    return [(name or run, status, cells[run]) for run, name, status in runs]


def _folder(path: Path) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Runs in an `mlruns` folder, one of its experiments, or one run."""
    for folder, meta in _runs(path):
        cells: dict[str, object] = {
            str(file.relative_to(folder / "params")): file.read_text("utf-8")
            for file in sorted((folder / "params").rglob("*"))
            if file.is_file()
        }
        for file in _metrics(folder):
            points = _points(file)
            if points:
                last = max(points, key=lambda point: (point.step, point.time))
                key = last.metric
                cells |= {key: last.value, f"{key} step": last.step, f"{key} points": len(points)}
        yield _name(folder, meta), meta.get("status", ""), cells


def _runs(path: Path) -> list[tuple[Path, dict[str, str]]]:
    """Folder of each run that was not deleted, and what its `meta.yaml` says."""
    files = [(file.parent, _entries(file)) for file in sorted(path.rglob("meta.yaml"))]
    # Experiments and models have such a file too; only that of a run names one.
    runs = [(folder, meta) for folder, meta in files if "run_id" in meta]
    if not runs:
        raise BayescaleError(f"{path}: no run of MLflow in it; name mlflow.db or an mlruns folder")
    return [(f, meta) for f, meta in runs if meta.get("lifecycle_stage", "active") == "active"]


def _name(folder: Path, meta: Mapping[str, str]) -> str:
    return meta.get("run_name", folder.name).strip("'\"")


def _metrics(folder: Path) -> list[Path]:
    return [file for file in sorted((folder / "metrics").rglob("*")) if file.is_file()]


def _points(file: Path) -> list[Point]:
    """What one file of a metric holds, by lines of time, value and step."""
    place = next(folder for folder in file.parents if folder.name == "metrics")
    metric, found = str(file.relative_to(place)), []
    try:
        for line in file.read_text("utf-8").splitlines():
            if line.strip():
                time, value, step = line.split()[:3]
                found.append(Point(metric, int(time), int(step), float(value)))
    except ValueError as error:
        raise BayescaleError(
            f"{file}: not a metric of MLflow: a line is time, value and step"
        ) from error
    return found


def _entries(file: Path) -> dict[str, str]:
    """One `key: value` a line, which YAML's own reader is not needed for."""
    return dict(line.partition(": ")[::2] for line in file.read_text("utf-8").splitlines())
