"""Readers: what other tools write, as rows of a table of runs. One file each.

To add one, put `TOOL_NAME.py` here; it is then the format `tool-name` of `measure read`. It holds

    HEADERS: Mapping[str, str]
        A column of runs to what the tool calls it, as in `{"params": "N", "loss": "val_loss"}`.
    def read(path: Path, headers: Mapping[str, str]) -> Iterator[Record]
        The runs in a file or folder, with whatever the tool says of each under the tool's own
        names. `headers` is `HEADERS` with the user's choices over it.

Modules that begin with `_` are no readers: `_record` has `Record`, `_files` reads CSV and JSON.
All else is the same for every reader and stands in `runs/results.py`: columns are mapped, numbers
checked, converted and overruled; runs that diverged or did not end are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from bayescale.base.bundled import unknown
from bayescale.runs.readers._record import Record

FORMATS = tuple(
    sorted(
        module.name.replace("_", "-")
        for module in iter_modules(__path__)
        if not module.name.startswith("_")
    )
)


@dataclass(frozen=True)
class Reader:
    """A format that can be read.

    Attributes
    ----------
    headers : mapping
        A column of runs to what the tool calls it.
    read : callable (path, headers) -> iterator of Record
    """

    headers: Mapping[str, str]
    read: Callable[[Path, Mapping[str, str]], Iterator[Record]]


def reader_of(name: str) -> Reader:
    """The reader of a format.

    Raises
    ------
    BayescaleError
        If there is none.
    """
    if name not in FORMATS:
        raise unknown("format", name, list(FORMATS))
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    return Reader(module.HEADERS, module.read)
