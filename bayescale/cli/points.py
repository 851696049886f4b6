"""Points of a prediction as the command line has them: `--at` texts, or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod, sqrt
from typing import Any

import numpy as np
import pandas as pd

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.base.numbers import digits, parse_number
from bayescale.cli.options import check_text
from bayescale.predictive.points import as_points
from bayescale.predictive.predict import Answers
from bayescale.runs.columns import of_kind
from bayescale.runs.table import Runs

# What stands for an input that a point does not state.
_DERIVED = ("flops", "tokens_per_param")
_FLOP_PER_PARAM_TOKEN = 6
_MOST = 100_000


def read_points(texts: Sequence[str], file: str | None, fitted: Answers) -> tuple[Runs, list[Note]]:
    """Points written as `params=70e9,tokens=15T,family=Llama-3`, or those of a file.

    Two of `params`, `tokens`, `flops` (6 N D, of active parameters where these are given) and
    `tokens_per_param` give the others. For a law of compute alone `flops` do, and a note says
    how they were split. `low:high:count` in place of a size makes a grid, evenly spaced in logs.

    Raises
    ------
    BayescaleError
        If a text or the file is not what it should be, or there is no point at all.
    """
    if file is not None and texts:
        raise BayescaleError("give points with --at or in a file with --points, not both")
    if file is not None:
        return Runs.read(file), []
    if not texts:
        raise BayescaleError("no point given; add --at params=70e9,tokens=15e12")
    choices = [_choices(text, fitted.group_names) for text in texts]
    number = sum(prod(map(len, each.values())) for each in choices)
    if number > _MOST:
        raise BayescaleError(f"{number} points; at most {_MOST} at a time")
    notes: list[Note] = []
    rows = []
    for text, each in zip(texts, choices, strict=True):
        usual_ratio = None
        if _is_split_free(each, fitted):
            usual_ratio = _ratio(fitted)
            notes = [_split_note(usual_ratio)]
        rows += [
            _with_counts(dict(zip(each, values, strict=True)), text, usual_ratio)
            for values in product(*each.values())
        ]
    return as_points(pd.DataFrame(rows)), notes


def _choices(text: str, groups: Sequence[str]) -> dict[str, list[Any]]:
    """The values that a text gives each name: one, or those of a grid."""
    check_text(text, "--at")
    sizes = (*of_kind("input"), *_DERIVED)
    choices: dict[str, list[Any]] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise BayescaleError(
                f"--at {text!r}: {part!r} is not NAME=VALUE; write params=70e9,tokens=15e12"
            )
        if name in choices:
            raise BayescaleError(f"--at {text!r}: {name} is given twice")
        if name in sizes:
            choices[name] = _sizes(value, name)
        elif name == "run" or name in groups:
            choices[name] = [value]
        else:
            raise unknown("--at: name", name, [*sizes, "run", *groups])
    return choices


def _sizes(text: str, name: str) -> list[float]:
    """A size, or a grid LOW:HIGH:COUNT of them."""
    low_text, *others = text.split(":")
    low = parse_number(low_text, name)
    if not others:
        if low <= 0:
            raise BayescaleError(f"{name}={text}: must be positive")
        return [low]
    count = others[1] if len(others) == 2 else ""
    # A number of more digits than `_MOST` is too many, whatever it is.
    if not (count.isdecimal() and len(count) <= 6 and 2 <= int(count) <= _MOST):
        raise BayescaleError(f"{name}={text!r}: write a grid as LOW:HIGH:COUNT, as in 1e9:1e12:7")
    high = parse_number(others[0], name)
    if not 0 < low < high:
        raise BayescaleError(f"{name}={text!r}: a grid needs 0 < LOW < HIGH")
    return [float(value) for value in np.geomspace(low, high, int(count))]


def _with_counts(row: dict[str, Any], text: str, usual_ratio: float | None) -> dict[str, Any]:
    """A point with `params` and `tokens`, from those two of the sizes that it states."""
    stated = {name: row.pop(name) for name in ("params", "tokens", *_DERIVED) if name in row}
    if usual_ratio is not None:
        stated["tokens_per_param"] = usual_ratio
    active = row.get("params_active")
    match stated:
        case {"params": params, "tokens": tokens} if len(stated) == 2:
            pass
        case {"params": params, "flops": flops} if len(stated) == 2:
            seen = params if active is None else active
            tokens = flops / _FLOP_PER_PARAM_TOKEN / seen
        case {"params": params, "tokens_per_param": ratio} if len(stated) == 2:
            tokens = ratio * params
        case _ if active is not None:
            raise BayescaleError(f"--at {text!r}: params_active stands beside params; give both")
        case {"tokens": tokens, "flops": flops} if len(stated) == 2:
            params = flops / _FLOP_PER_PARAM_TOKEN / tokens
        case {"tokens": tokens, "tokens_per_param": ratio} if len(stated) == 2:
            params = tokens / ratio
        case {"flops": flops, "tokens_per_param": ratio} if len(stated) == 2:
            params = sqrt(flops / _FLOP_PER_PARAM_TOKEN / ratio)
            tokens = ratio * params
        case _:
            have = ", ".join(stated) or "none of them"
            raise BayescaleError(
                f"--at {text!r}: give two of params, tokens, flops and tokens_per_param, not "
                f"{have}; write params=70e9,tokens=15e12"
            )
    return {"params": params, "tokens": tokens, **row}


def _is_split_free(choices: Mapping[str, Any], fitted: Answers) -> bool:
    """Whether a point states compute alone, and that is all that the fit takes in."""
    return choices.keys() & {*of_kind("input"), *_DERIVED} == {"flops"} and all(
        spec.law.compute_only and not spec.discrepancy for spec in fitted.specs
    )


def _ratio(fitted: Answers) -> float:
    """Tokens per parameter of the fitted runs: their geometric mean."""
    runs = fitted.runs.table[fitted.runs.known_tokens]
    return float(np.exp(np.log(runs["tokens"] / runs["params"]).mean()))


def _split_note(ratio: float) -> Note:
    return Note(
        "any-split",
        "info",
        f"points of flops alone have {digits(ratio)} tokens a parameter, the fitted runs' mean",
        "nothing to do: the law sees their product alone; state params or tokens to be told how "
        "far outside the data a split lies",
    )
