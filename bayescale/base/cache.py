"""Cache: files of this user that spare work, each under a digest of all that it depends on.

Written whole or not at all, by any number of processes; what another user could have written is
not read, and what is damaged is made again, each said in a line.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from bayescale.base.files import write_whole
from bayescale.base.output import say


@dataclass(frozen=True)
class Cache:
    """A folder of such files in the user's cache folder.

    Attributes
    ----------
    name : str
        Of the folder.
    most : int
        Files that are kept; the least recently used go.
    again, not_kept : str
        What is said to happen where a file cannot be read, and where none can be written.
    """

    name: str
    most: int
    again: str
    not_kept: str

    def folder(self) -> Path:
        """Where the files are."""
        return user_cache_path("bayescale") / self.name

    def holds(self, name: str) -> bool:
        """Whether anything is kept under a name; only `read` tells whether it can be used."""
        return (self.folder() / name).is_file()

    def read(self, name: str) -> bytes | None:
        """What was kept under a name, if it is whole and nobody else could have written it."""
        path = self.folder() / name
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        try:
            with os.fdopen(os.open(path, flags), "rb") as stream:
                if not (_own(os.fstat(stream.fileno())) and _own(path.parent.stat())):
                    say(f"{path}: others may write it, so it is not read; {self.again}")
                    return None
                mark, content = stream.read(32), stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            say(f"{path}: cannot be read: {error.strerror}; {self.again}")
            return None
        if hashlib.sha256(content).digest() != mark:
            say(f"{path}: damaged; {self.again}")
            return None
        with suppress(OSError):  # gone meanwhile, or where nothing can be written
            os.utime(path)
        return content

    def write(self, name: str, content: bytes) -> None:
        """Keep something under a name, if that can be done."""
        path = self.folder() / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, hashlib.sha256(content).digest() + content, mode=0o600)
            self._forget(path.parent)
        except OSError as error:
            say(f"{path.parent}: cannot be written: {error.strerror}; {self.not_kept}")

    def remove(self, name: str) -> None:
        """Forget what was kept under a name, if anything was."""
        with suppress(OSError):  # where nothing can be written, nothing was
            (self.folder() / name).unlink(missing_ok=True)

    def _forget(self, folder: Path) -> None:
        """Remove the files that were used longest ago; another process may be doing so too."""
        last_used = {}
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                last_used[file] = file.stat().st_mtime
        surplus = max(0, len(last_used) - self.most)
        for file in sorted(last_used, key=last_used.__getitem__)[:surplus]:
            file.unlink(missing_ok=True)


def _own(status: os.stat_result) -> bool:
    """Whether only this user may write a file or folder of this status."""
    if not hasattr(os, "getuid"):  # Windows: a user's cache folder is the user's
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
