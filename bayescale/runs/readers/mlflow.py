"""MLflow: its tracking store, the SQLite file that it makes by default or the folder of before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers.found import Found, has_response, number, pick

# What the Hugging Face Trainer logs there; a run with names of its own takes --column.
NAMES: Mapping[str, str] = {
    "params": "num_parameters",
    "tokens": "num_input_tokens_seen",
    "flops": "total_flos",
    "loss": "eval_loss",
}
FINISHED = ("FINISHED", "3")  # the folder holds the number


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """A row a finished run: its parameters and the last value of each metric.

    Raises
    ------
    BayescaleError
        If the path is no store.
    """
    names = {**NAMES, **columns}
    found = Found()
    for name, status, cells in _folder(path) if path.is_dir() else _database(path):
        row = pick(cells, names, f"{path}: run {name}")
        if status not in FINISHED:
            found.left_out["a run that did not finish"] += 1
        elif not has_response(row):
            found.left_out[f"no {names['loss']}"] += 1
        else:
            loss = names["loss"]
            step = number(cells.get(f"{loss} step"), f"{path}: step of {loss}")
            found.rows.append({"run": name, "step": step, **row})
            earlier = int(str(cells.get(f"{loss} points", 1))) - 1
            if earlier:
                found.left_out["a point before a run's last"] += earlier
    return found


def _database(path: Path) -> list[tuple[str, str, dict[str, object]]]:
    try:
        store = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise BayescaleError(f"{path}: cannot be opened: {error}") from error
    try:
        listed = store.execute(
            "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active' "
            "ORDER BY start_time"
        ).fetchall()
        cells: dict[str, dict[str, object]] = {run: {} for run, _, _ in listed}
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
    return [(name or run, status, cells[run]) for run, name, status in listed]


def _folder(path: Path) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Runs in an `mlruns` folder, one of its experiments, or one run."""
    metas = [(meta, _said(meta)) for meta in sorted(path.rglob("meta.yaml"))]
    # Experiments and models have such a file too; only that of a run names one.
    runs = [(meta.parent, said) for meta, said in metas if "run_id" in said]
    if not runs:
        raise BayescaleError(f"{path}: no run of MLflow in it; name mlflow.db or an mlruns folder")
    for run, said in runs:
        if said.get("lifecycle_stage", "active") != "active":
            continue
        cells: dict[str, object] = {
            str(file.relative_to(run / "params")): file.read_text("utf-8")
            for file in sorted((run / "params").rglob("*"))
            if file.is_file()
        }
        for file in (file for file in sorted((run / "metrics").rglob("*")) if file.is_file()):
            key = str(file.relative_to(run / "metrics"))
            lines = [line.split() for line in file.read_text("utf-8").splitlines() if line.strip()]
            if lines:  # time, value, step
                try:
                    last = max(lines, key=lambda line: (int(line[2]), int(line[0])))
                except (IndexError, ValueError) as error:
                    raise BayescaleError(
                        f"{file}: not a metric of MLflow: a line is time, value and step"
                    ) from error
                cells |= {key: last[1], f"{key} step": last[2], f"{key} points": len(lines)}
        yield said.get("run_name", run.name).strip("'\""), said.get("status", ""), cells


def _said(meta: Path) -> dict[str, str]:
    """One `key: value` a line, which YAML's own reader is not needed for."""
    return dict(line.partition(": ")[::2] for line in meta.read_text("utf-8").splitlines())
