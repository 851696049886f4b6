"""Folder of a fit of benchmarks: draws, scores and record, each with its digest.

posterior.nc       draws of the free variables (NetCDF)
scores.jsonl       the table of models and scores
benchmarks.json    form, columns, benchmarks, settings, convergence, notes, digests
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from pydantic import BaseModel, ValidationError

from bayescale.base.errors import BayescaleError, FitError
from bayescale.base.notes import Note
from bayescale.base.settings import Settings
from bayescale.fit.folder import BENCHMARKS, Stored, draft, versions
from bayescale.runs.benchmarks.registry import Benchmark
from bayescale.runs.benchmarks.scores import Scores
from bayescale.runs.table import Runs
from bayescale.sampling.convergence import Convergence

_FORMAT = 2
_FILES = ("posterior.nc", "scores.jsonl")


@dataclass(frozen=True, eq=False)
class Content:
    """What a folder holds."""

    form: str
    scores: Scores
    posterior: xr.Dataset
    convergence: Convergence
    settings: Settings
    notes: list[Note]


class Record(BaseModel):
    """What `benchmarks.json` says."""

    format: int = _FORMAT
    form: str
    source: str
    columns: dict[str, str]
    benchmarks: dict[str, Benchmark]
    settings: Settings
    convergence: Convergence
    notes: list[Note]
    versions: dict[str, str]
    sha256: dict[str, str]


def write(path: Path, content: Content, *, overwrite: bool = False) -> Path:
    """Write a fit beside its place and move it there."""
    with draft(path, overwrite=overwrite) as place:
        data = xr.DataTree.from_dict({"posterior": content.posterior})
        (place / "posterior.nc").write_bytes(data.to_netcdf(engine="h5netcdf"))
        (place / "scores.jsonl").write_text(content.scores.runs.to_jsonl(), "utf-8")
        record = Record(
            form=content.form,
            source=content.scores.runs.name,
            columns=dict(content.scores.columns),
            benchmarks=dict(content.scores.benchmarks),
            settings=content.settings,
            convergence=content.convergence,
            notes=content.notes,
            versions=versions(),
            sha256={file: _digest(place / file) for file in _FILES},
        )
        (place / BENCHMARKS).write_text(record.model_dump_json(indent=2) + "\n", "utf-8")
    return path.absolute()


def read(path: Path) -> Content:
    """Read a folder.

    Raises
    ------
    FitError
        If it is none, or any file is missing or not what was written.
    """
    if not (path / BENCHMARKS).is_file():
        raise FitError(
            f"{path}: holds no fit of benchmarks; make one with `bayescale benchmarks fit`"
        )
    try:
        record = Record.model_validate_json((path / BENCHMARKS).read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise FitError(f"{path}: damaged: {BENCHMARKS} cannot be read; fit again") from error
    if record.format != _FORMAT:
        raise FitError(f"{path}: written by another version of bayescale; fit again")
    for file in _FILES:
        if not (path / file).is_file():
            raise FitError(f"{path}: damaged: {file} is missing; fit again")
        if _digest(path / file) != record.sha256.get(file):
            raise FitError(f"{path}: damaged: {file} is not what was written; fit again")
    try:
        runs = Runs.read(path / "scores.jsonl", blank_counts=True)
        scores = Scores.of(Runs(runs.table, record.source), record.columns, record.benchmarks)
        posterior = Stored(path / "posterior.nc")["posterior"]
    except (OSError, ValueError, KeyError, BayescaleError) as error:
        raise FitError(f"{path}: damaged: {error}; fit again") from error
    return Content(
        record.form, scores, posterior, record.convergence, record.settings, record.notes
    )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
