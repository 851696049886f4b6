"""Sentences of a report, all from `sentences.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _sentences() -> dict[str, Any]:
    return tomllib.loads(files("bayescale.report").joinpath("sentences.toml").read_text("utf-8"))


def say(key: str, **values: Any) -> str:
    """The sentence under a dotted key, with its gaps filled."""
    found: Any = _sentences()
    for part in key.split("."):
        found = found[part]
    return str(found).format(**values)
