"""Registry: the tables of runs that have a name, and where the files of each are published."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError


@dataclass(frozen=True)
class Source:
    """A table of runs by name, as `data/sources.toml` has it.

    Attributes
    ----------
    name, title : str
    rows : int
    licence, citation : str
        Of the published files; blank where the source states none.
    repository, commit : str
        On GitHub; blank for a table that ships with the package.
    files : mapping of str to str
        SHA-256 of each file, by its path in the repository.
    """

    name: str
    title: str
    rows: int
    licence: str
    citation: str
    repository: str = ""
    commit: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_bundled(self) -> bool:
        """Whether it ships with the package."""
        return not self.files

    @property
    def is_fetched(self) -> bool:
        """Whether its files are in the user's cache."""
        return not self.is_bundled and all(file.is_file() for file in self.paths.values())

    @property
    def folder(self) -> Path:
        """Where its files are kept: in the user's cache, laid out as where they are published."""
        return user_cache_path("bayescale") / "data" / self.repository / self.commit

    @property
    def paths(self) -> dict[str, Path]:
        """Where each file is kept, by its path in the repository."""
        return {path: self.folder / path for path in self.files}


def find(name: str) -> Source:
    """The table of a name that can be fetched.

    Raises
    ------
    BayescaleError
        If no table has this name, or it ships with the package.
    """
    if name not in sources():
        raise unknown("table", name, list(sources()))
    if sources()[name].is_bundled:
        raise BayescaleError(f"{name}: ships with the package; use its name")
    return sources()[name]


@cache
def sources() -> dict[str, Source]:
    """The tables of runs that have a name, bundled ones first."""
    text = files("bayescale.data").joinpath("sources.toml").read_text("utf-8")
    named = [Source(name, **entry) for name, entry in tomllib.loads(text).items()]
    return {source.name: source for source in sorted(named, key=lambda s: not s.is_bundled)}
