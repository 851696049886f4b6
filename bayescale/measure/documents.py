"""Documents: the texts to score, from .txt files, .jsonl files and folders of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bayescale.base.errors import BayescaleError

SUFFIXES = (".txt", ".jsonl")


@dataclass(frozen=True)
class Document:
    """One text.

    Attributes
    ----------
    name : str
        Its file, and its line in a .jsonl file.
    text : str
    read : int
        Bytes that it takes in its file.
    """

    name: str
    text: str
    read: int

    @property
    def characters(self) -> int:
        """Unicode code points: those outside the Basic Multilingual Plane count one each."""
        return len(self.text)

    @property
    def bytes(self) -> int:
        """Bytes in UTF-8."""
        return len(self.text.encode())


def text_files(paths: Sequence[Path]) -> list[Path]:
    """The files of text among these paths, those of a folder by name, its subfolders included.

    Raises
    ------
    BayescaleError
        If a path is not there, of no known kind, or a folder without text.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            texts = sorted(f for f in path.rglob("*") if f.suffix in SUFFIXES and f.is_file())
            if not texts:
                raise BayescaleError(f"{path}: holds no {' or '.join(SUFFIXES)} file")
            files += texts
        elif not path.is_file():
            raise BayescaleError(f"{path}: no such file or folder of text")
        elif path.suffix not in SUFFIXES:
            raise BayescaleError(
                f"{path}: unknown kind of text {path.suffix!r}; use {' or '.join(SUFFIXES)}"
            )
        else:
            files.append(path)
    if not files:
        raise BayescaleError("no text to score; name files or folders")
    return files


def read_documents(files: Sequence[Path], field: str = "text") -> Iterator[Document]:
    """Documents one after the other: a .txt file is one, each line of a .jsonl file is one.

    Parameters
    ----------
    files : sequence of Path
        As `text_files` gives them.
    field : str
        Where the text stands in the objects of a .jsonl file.

    Raises
    ------
    BayescaleError
        If a file is not UTF-8, or a line of a .jsonl file has no such text.
    """
    for file in files:
        try:
            if file.suffix == ".txt":
                raw = file.read_bytes()  # line ends stay as they are: they are scored too
                yield Document(str(file), raw.decode("utf-8"), len(raw))
                continue
            with file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield _parsed(f"{file}:{number}", line, field)
        except UnicodeDecodeError as error:
            raise BayescaleError(
                f"{file}: not UTF-8 text ({error.reason} at byte {error.start}); convert it"
            ) from error
        except OSError as error:
            raise BayescaleError(f"{file}: cannot be read: {error.strerror}") from error


def _parsed(name: str, line: bytes, field: str) -> Document:
    try:
        entry = json.loads(line.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise BayescaleError(f"{name}: not JSON: {error.msg}; every line must be one") from error
    if not isinstance(entry, dict) or not isinstance(entry.get(field), str):
        names = (
            [k for k, v in entry.items() if isinstance(v, str)] if isinstance(entry, dict) else []
        )
        hint = f"choose with --field: {', '.join(names)}" if names else "write objects with text"
        raise BayescaleError(f"{name}: no text under {field!r}; {hint}")
    text = entry[field]
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, written as an escape
        raise BayescaleError(
            f"{name}: half a character at {error.start}; correct the file"
        ) from error
    return Document(name, text, len(line))
