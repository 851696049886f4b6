"""Protocol buffers without their schema: the fields of a message, by number."""

from __future__ import annotations

import struct
from typing import Any

# What a field's tag says of its value: a varint, 8 bytes, bytes with their length, 4 bytes.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def fields(message: bytes) -> dict[int, list[Any]]:
    """Values of each field, in order: int, or bytes (of strings, messages and fixed numbers).

    Raises
    ------
    ValueError
        If it is no message.
    """
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        else:
            if kind == _BYTES:
                size, at = _varint(message, at)
            elif kind in (_EIGHT, _FOUR):
                size = 8 if kind == _EIGHT else 4
            else:
                raise ValueError(f"field of unknown kind {kind}")
            value, at = message[at : at + size], at + size
            if at > len(message):
                raise ValueError("a field ends beyond its message")
        found.setdefault(tag >> 3, []).append(value)
    return found


def signed(value: int) -> int:
    """A varint as the signed number of 64 bits that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def floats(packed: bytes) -> list[float]:
    """Numbers of 4 bytes each."""
    return [value for (value,) in struct.iter_unpack("<f", packed)]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number does not end")
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
