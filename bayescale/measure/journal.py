"""Journal: what is scored already, one line a document, so that a killed measurement resumes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError


class Journal:
    """Results by key in a JSON Lines file, each on disk before the next is begun.

    A line that is not whole, as a kill may leave it, is passed over and scored again.

    Raises
    ------
    BayescaleError
        If the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[str, dict[str, Any]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                file.seek(0)
                text = file.read()
                if text and not text.endswith(b"\n"):
                    file.write(b"\n")  # what comes next must not continue the torn line
        except OSError as error:
            raise BayescaleError(f"{path}: cannot be written: {error.strerror}") from error
        for line in text.splitlines():
            entry = _parsed(line)
            if entry is not None:
                self._done[entry.pop("key")] = entry

    def get(self, key: str) -> dict[str, Any] | None:
        """What was found under this key, or None."""
        return self._done.get(key)

    def add(self, key: str, entry: dict[str, Any]) -> None:
        """Put an entry on disk."""
        line = json.dumps({"key": key, **entry}, ensure_ascii=False) + "\n"
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(handle, line.encode())  # in one piece: others may append too
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise BayescaleError(f"{self._path}: cannot be written: {error.strerror}") from error
        self._done[key] = entry


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "key" in entry else None
