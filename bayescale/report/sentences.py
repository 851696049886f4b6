"""Sentences of a report, all from `sentences.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _entries() -> dict[str, Any]:
    return tomllib.loads(files("bayescale.report").joinpath("sentences.toml").read_text("utf-8"))


def entry(key: str) -> Any:
    """The entry under a dotted key: a sentence, or a table of them."""
    value: Any = _entries()
    for part in key.split("."):
        value = value[part]
    return value


def sentence(key: str, **gaps: Any) -> str:
    """The sentence under a dotted key, with its gaps filled."""
    return str(entry(key)).format(**gaps)


def columns(names: str | Sequence[str], **gaps: Any) -> list[str]:
    """Headers of a table, by their keys (a list, or one text with spaces between)."""
    keys = names.split() if isinstance(names, str) else names
    return [sentence(f"columns.{key}", **gaps) for key in keys]


def joined(items: Sequence[str]) -> str:
    """Items as in a sentence: a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return sentence("and", first=", ".join(items[:-1]), last=items[-1])
