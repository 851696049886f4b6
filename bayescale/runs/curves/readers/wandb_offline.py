"""Weights & Biases: the `run-ID.wandb` file of a run, as `WANDB_MODE=offline` leaves it.

A log of LevelDB's format, in blocks of 32 KB, of records that wandb's `wandb_internal.proto`
describes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.runs.curves.readers._entries import Log
from bayescale.runs.curves.readers._messages import fields

SUFFIX = ".wandb"
_MAGIC, _HEADER, _BLOCK = b":W&B", 7, 32 * 1024
# Of a part of a record: its checksum, its length, its kind; 1 is whole, 2 first, 3 middle, 4 last.
_PART = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
# Fields of `Record`, `RunRecord`, `HistoryRecord` and `HistoryItem`.
_HISTORY, _RUN, _DISPLAY_NAME, _ITEM, _KEY, _NESTED, _JSON = 2, 17, 8, 1, 1, 2, 16
# The Trainer logs its own step beside wandb's, which counts calls of `log`.
_STEPS = ("train/global_step", "step", "_step")


def read_offline(path: Path) -> list[Log]:
    """The log of one run, by the name that it shows.

    Raises
    ------
    BayescaleError
        If the file is no such log.
    """
    name, entries = path.stem, []
    try:
        for record in map(fields, _records(path.read_bytes())):
            for run in map(fields, record.get(_RUN, [])):
                name = run.get(_DISPLAY_NAME, [name.encode()])[-1].decode("utf-8") or name
            for history in map(fields, record.get(_HISTORY, [])):
                entry = _entry(history.get(_ITEM, []))
                step = next((entry[each] for each in _STEPS if each in entry), None)
                if step is not None:
                    entries.append({**entry, "step": step})
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BayescaleError(f"{path}: not a readable log of wandb: {error}") from error
    return [Log(name, entries)]


def _entry(items: list[bytes]) -> dict[str, Any]:
    found = {}
    for item in map(fields, items):
        keys = item.get(_KEY) or item.get(_NESTED) or []
        name = ".".join(key.decode("utf-8") for key in keys)
        found[name] = json.loads(item[_JSON][-1])
    return found


def _records(content: bytes) -> Iterator[bytes]:
    """The complete records: while a run writes, the last may not be."""
    if content[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it does not begin as one")
    at, parts = _HEADER, b""
    while at + _PART.size <= len(content):
        left = _BLOCK - at % _BLOCK
        if left < _PART.size:  # too little of the block for another part
            at += left
            continue
        _, size, kind = _PART.unpack_from(content, at)
        start, at = at + _PART.size, at + _PART.size + size
        if kind == 0 and size == 0:  # the rest of the block is empty
            at = start + left - _PART.size
            continue
        if kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST):
            raise ValueError(f"a part of a record is of unknown kind {kind}")
        if at > len(content):
            return
        parts = content[start:at] if kind in (_WHOLE, _FIRST) else parts + content[start:at]
        if kind in (_WHOLE, _LAST):
            yield parts
