"""A fit's folder: written whole or not at all, read without trusting it.

posterior.nc   draws and predictions (NetCDF, groups as in `Fit.data`)
spec.toml      the spec, ready to be copied
runs.jsonl     the runs that were fitted
fit.json       settings, convergence, notes, versions, and a digest of each other file
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from pydantic import TypeAdapter, ValidationError

from bayescale.base.claim import claim
from bayescale.base.errors import BayescaleError, FitError, LawError
from bayescale.base.interrupts import ending, uninterrupted
from bayescale.base.notes import Note
from bayescale.base.output import say
from bayescale.base.settings import Settings
from bayescale.model.spec import Spec
from bayescale.runs.table import Runs
from bayescale.sampling.convergence import Convergence

FORMAT = 2
# What a folder of several fits and their weights is known by.
STACK = "stack.json"
# What a folder of a fit of benchmarks is known by.
BENCHMARKS = "benchmarks.json"
_FILES = ("posterior.nc", "spec.toml", "runs.jsonl")
_PACKAGES = ("bayescale", "pymc", "pytensor", "nutpie", "arviz", "xarray", "numpy", "pandas")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What `fit.json` says.

    The fields without a default are the fit's; the others are filled in when it is written.
    """

    centre: dict[str, float]
    settings: Settings
    convergence: Convergence
    notes: list[Note]
    format: int = FORMAT
    written: str = ""
    runs_name: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)


_RECORD = TypeAdapter(Record)


@dataclass(frozen=True, eq=False)
class Content:
    """What a fit's folder holds."""

    groups: Mapping[str, xr.Dataset]
    spec: Spec
    runs: Runs
    record: Record


class Stored(Mapping[str, xr.Dataset]):
    """Groups of a NetCDF file, each read when it is first asked for.

    The file stays open, so all of them are of one fit, whatever takes its place in the folder.
    """

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r")
        self._read: dict[str, xr.Dataset] = {}

    def __getitem__(self, name: str) -> xr.Dataset:
        if name not in self._read:
            self._read[name] = _group(self._file[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __len__(self) -> int:
        return len(self._file)


# Attributes by which NetCDF tells its dims; all others are the variables'.
_NETCDF = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid",
           "_Netcdf4Coordinates", "_nc3_strict"}  # fmt: skip


def _group(stored: h5py.Group) -> xr.Dataset:
    """A group's variables, as xarray's own reader has them in a tenth of the time.

    That asks the file for every dim of every variable some ten times.
    """
    variables = {}
    for name, found in stored.items():
        if found.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension but not"):
            continue
        if found.is_scale:
            dims: tuple[str, ...] = (name,)
        else:
            dims = tuple(dim[0].name.rpartition("/")[2] for dim in found.dims)
        text = h5py.check_string_dtype(found.dtype) is not None
        values = found.asstr()[()].astype(str) if text else found[()]
        variables[name] = xr.Variable(dims, values, _attributes(found))
    return xr.decode_cf(xr.Dataset(variables, attrs=_attributes(stored)))


def _attributes(stored: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    attributes = {key: stored.attrs[key] for key in stored.attrs.keys() - _NETCDF}
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in attributes.items()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that produce a fit."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def check_destination(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that cannot be written, before anything is sampled.

    Raises
    ------
    FitError
    """
    if path.exists():
        if not path.is_dir():
            raise FitError(f"{path}: a file is in the way; name another folder")
        if any(path.iterdir()):
            if not any((path / name).is_file() for name in ("fit.json", STACK, BENCHMARKS)):
                raise FitError(f"{path}: not empty and not a fit; name another folder")
            if not overwrite:
                raise FitError(f"{path}: holds a fit already; add --overwrite, or name another")
    ancestor = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with uninterrupted(), tempfile.TemporaryDirectory(dir=ancestor, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise FitError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def reserved(path: Path, *, overwrite: bool = False) -> Iterator[None]:
    """Hold a folder for what will be written there; errors as for `check_destination`.

    Raises
    ------
    BayescaleError
        If another process holds it.
    """
    path = path.absolute()
    check_destination(path, overwrite=overwrite)
    new = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with ending(lambda: _remove_empty(new)), claim(path) as killed:
        check_destination(path, overwrite=overwrite)  # another may have written it since
        if killed:
            _tidy(path)
            say(f"{path}: an earlier command was killed here; this one starts over")
        yield


def _remove_empty(folders: list[Path]) -> None:
    for place in folders:
        if not any(place.iterdir()):
            place.rmdir()


def _tidy(path: Path) -> None:
    """Remove drafts of killed processes; the last may have moved the old fit, not yet the new."""
    for left in path.parent.iterdir():
        if left.is_dir() and re.fullmatch(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}", left.name):
            if (left / "replaced").exists() and not path.exists():
                (left / "fit").rename(path)
            shutil.rmtree(left)


@contextmanager
def draft(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder to write in, moved to its place at the end; errors as for `check_destination`."""
    path = path.absolute()
    try:
        prefix = f".{path.name}."
        with (
            reserved(path, overwrite=overwrite),
            uninterrupted(),
            tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as name,
        ):
            place = Path(name) / "fit"
            place.mkdir()
            yield place
            if path.exists():
                path.rename(Path(name) / "replaced")
            place.rename(path)
    except OSError as error:
        raise FitError(f"{path}: cannot be written: {error.strerror or error}") from error


def write(path: Path, content: Content, *, overwrite: bool = False) -> Path:
    """Write a fit beside its place and move it there; errors as for `check_destination`."""
    with draft(path, overwrite=overwrite) as place:
        data = xr.DataTree.from_dict(dict(content.groups))
        # By way of memory: on a full disk HDF5 fails untidily, and may end the process.
        (place / "posterior.nc").write_bytes(data.to_netcdf(engine="h5netcdf"))
        (place / "spec.toml").write_text(content.spec.to_toml(), "utf-8")
        (place / "runs.jsonl").write_text(content.runs.to_jsonl(), "utf-8")
        record = replace(
            content.record,
            written=datetime.now(UTC).isoformat(timespec="seconds"),
            runs_name=content.runs.name,
            versions=versions(),
            sha256={file: _digest(place / file) for file in _FILES},
        )
        (place / "fit.json").write_bytes(_RECORD.dump_json(record, indent=2) + b"\n")
    return path.absolute()


def read(path: Path) -> Content:
    """Read a fit's folder.

    Raises
    ------
    FitError
        If it is not one, or any file is missing or not what was written.
    """
    record = _record(path)
    for file in _FILES:
        if not (path / file).is_file():
            raise FitError(f"{path}: damaged: {file} is missing; fit again")
        if _digest(path / file) != record.sha256.get(file):
            raise FitError(f"{path}: damaged: {file} is not what was written; fit again")
    try:
        groups = Stored(path / "posterior.nc")
        spec = Spec.load(path / "spec.toml")
        table = Runs.read(path / "runs.jsonl").table
    except LawError as error:  # the folder is whole; what it needs is not installed
        raise FitError(str(error)) from error
    except (OSError, ValueError, KeyError, BayescaleError) as error:
        raise FitError(f"{path}: damaged: {error}; fit again") from error
    return Content(groups, spec, Runs(table, record.runs_name), record)


def _record(path: Path) -> Record:
    if not path.is_dir():
        raise FitError(f"{path}: no such folder; make one with `bayescale fit SPEC --out DIR`")
    if (path / BENCHMARKS).is_file():
        raise FitError(f"{path}: a fit of benchmarks; ask it with `bayescale benchmarks predict`")
    try:
        text = (path / "fit.json").read_text("utf-8")
        record = json.loads(text)
        if isinstance(record, dict) and record.get("format", FORMAT) != FORMAT:
            raise FitError(
                f"{path}: format {record['format']}, this version reads {FORMAT}; "
                "use the version that wrote it, or fit again"
            )
        return _RECORD.validate_json(text)
    except FileNotFoundError as error:
        raise FitError(f"{path}: not a fit: it has no fit.json") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FitError(f"{path}: damaged: fit.json: {where}: {first['msg']}; fit again") from error
    except (OSError, ValueError) as error:
        raise FitError(f"{path}: damaged: fit.json: {error}; fit again") from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
