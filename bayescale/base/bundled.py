"""What ships with the package: tables of runs with their cards, specs, published constants."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError


def _named(package: str, suffix: str, folder: str = "") -> dict[str, Traversable]:
    entries = sorted(files(package).joinpath(folder).iterdir(), key=lambda entry: entry.name)
    return {
        entry.name.removesuffix(suffix).replace("_", "-"): entry
        for entry in entries
        if entry.name.endswith(suffix)
    }


def tables() -> dict[str, Traversable]:
    """The bundled tables of runs, by name."""
    return _named("bayescale.data", ".csv")


def specs() -> dict[str, Traversable]:
    """The shipped specs, by name."""
    return _named("bayescale.models", ".toml")


def inputs(kind: str) -> dict[str, Traversable]:
    """The shipped TOML files of a folder of `models/`, such as prices or suites, by name."""
    return _named("bayescale.models", ".toml", kind)


def read_input(kind: str, source: str | Path) -> str:
    """The text of a shipped file of `models/{kind}/` by its name, or of any by its path.

    Raises
    ------
    BayescaleError
        If there is no such file, or it is not text.
    """
    name = str(source)
    if name in inputs(kind):
        return inputs(kind)[name].read_text("utf-8")
    path = Path(source)
    if not path.is_file():
        if path.suffix:
            raise BayescaleError(f"{name}: no such file")
        raise unknown(kind, name, list(inputs(kind)))
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BayescaleError(f"{name}: not a readable text file: {error}") from error


def published_laws() -> dict[str, dict[str, Any]]:
    """Constants of published laws with their citations, by name; N and D in raw counts."""
    text = files("bayescale.data").joinpath("published_laws.toml").read_text("utf-8")
    return tomllib.loads(text)


def learnt_priors() -> dict[str, dict[str, Any]]:
    """Priors learnt from many tables of runs, by name; the card beside them says from which."""
    text = files("bayescale.data").joinpath("learnt_priors.toml").read_text("utf-8")
    return tomllib.loads(text)


def unknown(what: str, name: str, known: list[str]) -> BayescaleError:
    """The error for a name that is not among `known`, with the closest one."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return BayescaleError(f"{what} {name!r} not found; {hint}")
