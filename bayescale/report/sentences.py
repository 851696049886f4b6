"""Sentences of a report, all from `sentences.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _sentences() -> dict[str, Any]:
    return tomllib.loads(files("bayescale.report").joinpath("sentences.toml").read_text("utf-8"))


def found(key: str) -> Any:
    """What stands under a dotted key: a sentence, or a table of them."""
    here: Any = _sentences()
    for part in key.split("."):
        here = here[part]
    return here


def say(key: str, **values: Any) -> str:
    """The sentence under a dotted key, with its gaps filled."""
    return str(found(key)).format(**values)


def columns(names: str | Sequence[str], **values: Any) -> list[str]:
    """Headers of a table, by their keys."""
    listed = names.split() if isinstance(names, str) else names
    return [say(f"columns.{name}", **values) for name in listed]


def joined(items: Sequence[str]) -> str:
    """Items as in a sentence: a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return say("and", first=", ".join(items[:-1]), last=items[-1])
