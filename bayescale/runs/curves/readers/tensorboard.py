"""TensorBoard: the scalars in its event files.

A file is a row of records (length, its checksum, an `Event`, its checksum); the schema is that of
tensorboard's `event.proto` and `summary.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.runs.curves.readers._entries import Log
from bayescale.runs.curves.readers._messages import fields, floats, signed

NAME = "events.out.tfevents"
# Fields of `Event`, of `Summary`, of its `Value` and of `TensorProto`.
_STEP, _SUMMARY, _VALUE, _TAG, _SIMPLE, _TENSOR = 2, 5, 1, 1, 2, 8
_DTYPE, _CONTENT, _FLOATS, _DOUBLES = 1, 4, 5, 6
_FLOAT, _DOUBLE = 1, 2


def event_files(path: Path) -> list[Path]:
    """The event files that a path is or that lie below it, in order of their names."""
    if path.is_file():
        return [path] if NAME in path.name else []
    return sorted(file for file in path.rglob(f"{NAME}*") if file.is_file())


def read_tensorboard(path: Path, files: Sequence[Path]) -> list[Log]:
    """The logs of the runs in the event files at or below a path, one a folder.

    A run that was resumed has several files, which are read in the order of their names: these
    hold when they were begun.

    Raises
    ------
    BayescaleError
        If a file is no file of events.
    """
    by_folder: dict[Path, list[dict[str, Any]]] = {}
    for file in files:
        by_folder.setdefault(file.resolve().parent, []).extend(_entries(file))
    above = path.resolve() if path.is_dir() else path.resolve().parent
    return [
        Log(str(folder.relative_to(above)) if folder != above else folder.name, entries)
        for folder, entries in by_folder.items()
    ]


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    try:
        content = file.read_bytes()
        for record in _records(content):
            event = fields(record)
            step = signed(event.get(_STEP, [0])[-1])
            for summary in event.get(_SUMMARY, []):
                for value in map(fields, fields(summary).get(_VALUE, [])):
                    number = _scalar(value)
                    if number is not None:
                        yield {"step": step, value[_TAG][-1].decode("utf-8"): number}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, struct.error) as error:
        raise BayescaleError(
            f"{file}: not a readable file of TensorBoard's events: {error}"
        ) from error


def _records(content: bytes) -> Iterator[bytes]:
    """The complete records: while a run writes, the last may not be."""
    at = 0
    while at + 12 <= len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        start, end = at + 12, at + 12 + size
        if end + 4 > len(content):
            if at == 0:
                raise ValueError("its first record does not end")
            return
        yield content[start:end]
        at = end + 4


def _scalar(value: dict[int, list[Any]]) -> float | None:
    """A number, or None for an image, a histogram or a text."""
    if _SIMPLE in value:
        return floats(value[_SIMPLE][-1])[0]
    if _TENSOR not in value:
        return None
    tensor = fields(value[_TENSOR][-1])
    letter = {_FLOAT: "f", _DOUBLE: "d"}.get(tensor.get(_DTYPE, [0])[-1])
    held = {"f": _FLOATS, "d": _DOUBLES}
    if letter is None:
        return None
    content = (tensor.get(_CONTENT) or tensor.get(held[letter]) or [b""])[-1]
    if len(content) != struct.calcsize(letter):
        return None
    return float(struct.unpack(f"<{letter}", content)[0])
