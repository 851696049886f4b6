"""MLflow: its tracking store, the SQLite file that it makes by default or the folder of before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

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
_STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


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


def _database(path: Path) -> list[tuple[str, str, dict[str, object]]]:
    try:
        store = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise BayescaleError(f"{path}: cannot be opened: {error}") from error
    try:
        runs = store.execute(
            "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active' "
            "ORDER BY start_time"
        ).fetchall()
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
    except sqlite3.Error as error:
        raise BayescaleError(f"{path}: not a tracking store of MLflow: {error}") from error
    finally:
        store.close()
    return [(name or run, status, cells[run]) for run, name, status in runs]


def _folder(path: Path) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Runs in an `mlruns` folder, one of its experiments, or one run."""
    files = [(file.parent, _entries(file)) for file in sorted(path.rglob("meta.yaml"))]
    # Experiments and models have such a file too; only that of a run names one.
    runs = [(folder, meta) for folder, meta in files if "run_id" in meta]
    if not runs:
        raise BayescaleError(f"{path}: no run of MLflow in it; name mlflow.db or an mlruns folder")
    for folder, meta in runs:
        if meta.get("lifecycle_stage", "active") != "active":
            continue
        cells: dict[str, object] = {
            str(file.relative_to(folder / "params")): file.read_text("utf-8")
            for file in sorted((folder / "params").rglob("*"))
            if file.is_file()
        }
        for file in (file for file in sorted((folder / "metrics").rglob("*")) if file.is_file()):
            key = str(file.relative_to(folder / "metrics"))
            lines = [line.split() for line in file.read_text("utf-8").splitlines() if line.strip()]
            if lines:  # time, value, step
                try:
                    last = max(lines, key=lambda line: (int(line[2]), int(line[0])))
                except (IndexError, ValueError) as error:
                    raise BayescaleError(
                        f"{file}: not a metric of MLflow: a line is time, value and step"
                    ) from error
                cells |= {key: last[1], f"{key} step": last[2], f"{key} points": len(lines)}
        yield meta.get("run_name", folder.name).strip("'\""), meta.get("status", ""), cells


def _entries(file: Path) -> dict[str, str]:
    """One `key: value` a line, which YAML's own reader is not needed for."""
    return dict(line.partition(": ")[::2] for line in file.read_text("utf-8").splitlines())
