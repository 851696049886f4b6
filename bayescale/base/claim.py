"""Claim: one process at a time writes to a place; the others are told so at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayescale.base.errors import BayescaleError
from bayescale.base.interrupts import ending

_mine: set[Path] = set()


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Hold a place, whose parent is there, until the block ends; its holder may claim it again.

    Yields
    ------
    bool
        Whether the last process to hold it was killed.

    Raises
    ------
    BayescaleError
        If another process holds it.
    OSError
        If no lock can be written beside it.
    """
    path = path.absolute()
    if path in _mine or sys.platform == "win32":  # it has no lock that ends with its process
        yield False
        return
    lock = path.with_name(f".{path.name}.lock")
    left = lock.exists()
    handle = _locked(lock, path)
    _mine.add(path)
    try:
        with ending(lambda: lock.unlink(missing_ok=True)):
            yield left
    finally:
        _mine.discard(path)
        os.close(handle)


def _locked(lock: Path, path: Path) -> int:
    import fcntl  # noqa: PLC0415 - not on Windows

    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        except BlockingIOError:
            os.close(handle)
            raise BayescaleError(
                f"{path}: another process is writing it; wait for it, or name another"
            ) from None
        except FileNotFoundError:  # its holder has just ended, and removed it
            pass
        os.close(handle)
