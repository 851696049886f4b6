"""Files: written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bayescale.base.interrupts import uninterrupted


@contextmanager
def whole(path: Path, *, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A stream whose content takes the place of a file when the block ends without an error.

    Until then, and after an error, the file is as it was. A pipe or a device, which has no
    content to keep, is written directly.

    Parameters
    ----------
    path : Path
        In a folder that is there. Where it is a link, its target is replaced.
    mode : int
        Of a new file, less the process's umask; a file that is there keeps its own.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    path = path.resolve()
    draft = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with uninterrupted():
        try:
            with os.fdopen(os.open(draft, flags, mode), "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if path.exists():
                shutil.copymode(path, draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """Write bytes, or text in UTF-8, to a file, whole or not at all; as for `whole`."""
    with whole(path, mode=mode) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
