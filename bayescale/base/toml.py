"""TOML: text that a user wrote, as plain values or as a pydantic model."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from bayescale.base.errors import BayescaleError
from bayescale.base.text import escaped

# TOML's own range of integers.
_LARGEST = 2**63
_MOST_PROBLEMS = 5


def parse_toml(text: str, source: object) -> dict[str, Any]:
    """The values of a TOML file's text.

    Raises
    ------
    BayescaleError
        If it is not TOML, nests too deeply, or holds a number that is not finite.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise BayescaleError(f"{source}: not TOML: brackets nest too deeply") from error
    except ValueError as error:  # tomllib's own error, and Python's of an endless integer
        raise BayescaleError(f"{source}: not TOML: {escaped(str(error))}") from error
    _require_finite(values, source)
    return values


def validated[M: BaseModel](model: type[M], text: str, source: object) -> M:
    """A pydantic model of a TOML file's text.

    Raises
    ------
    BayescaleError
        If it is not TOML, or a value breaks a rule of the model; the error names its place.
    """
    try:
        return model.model_validate(parse_toml(text, source))
    except ValidationError as error:
        raise BayescaleError(f"{source}: {one_line(error)}") from error


def one_line(error: ValidationError) -> str:
    """The problems that pydantic found, each with its place, on one line."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        rule = problem["msg"].removeprefix("Value error, ")
        lines.append(escaped(f"{place}: {rule}" if place else rule))
    rest = len(lines) - _MOST_PROBLEMS
    return "; ".join(lines[:_MOST_PROBLEMS]) + (f"; and {rest} more" if rest > 0 else "")


def _require_finite(values: Mapping[str, Any], source: object) -> None:
    pending: list[tuple[str, Any]] = [("", values)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [(f"{place}.{key}" if place else key, inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [(place, inner) for inner in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise BayescaleError(f"{source}: {escaped(place)}={value}: write a finite number")
        elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            raise BayescaleError(
                f"{source}: {escaped(place)}: an integer beyond 64 bits; write it like 1e24"
            )
