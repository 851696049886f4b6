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
from bayescale.base.notes import Note, listed
from bayescale.base.numbers import digits, parse_number
from bayescale.cli.options import check_text
from bayescale.predictive.points import as_points
from bayescale.predictive.predict import Answers
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# What stands for an input that a point does not state.
DERIVED = ("flops", "tokens_per_param")
_OF_COMPUTE = ("params", "params_active", "tokens", "unique_tokens")
_FLOP_PER_PARAM_TOKEN = 6
_MOST = 100_000


def read_points(texts: Sequence[str], file: str | None, fitted: Answers) -> tuple[Runs, list[Note]]:
    """Points written as `params=70e9,tokens=15T,family=Llama-3`, or those of a file.

    Two of `params`, `tokens`, `flops` (6 N D, of active parameters where these are given) and
    `tokens_per_param` give the others. For a law of compute alone `flops` do, and a note says
    how they were split. Any other input of the law is given by its name. `low:high:count` in place
    of a value makes a grid, evenly spaced on the input's scale.

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
        raise BayescaleError(f"no point given; add --at {_example(fitted)}")
    choices = [_choices(text, fitted) for text in texts]
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
        for values in product(*each.values()):
            row = dict(zip(each, values, strict=True))
            if _takes_compute(fitted):
                row = with_counts(row, text, usual_ratio)
            missing = [name for name in _required(fitted) if name not in row]
            if missing:
                raise BayescaleError(
                    f"--at {text!r}: the law takes {', '.join(_required(fitted))}; give "
                    f"{listed(missing)} too"
                )
            rows.append(row)
    return as_points(pd.DataFrame(rows)), notes


def fixed_inputs(text: str | None, fitted: Answers) -> dict[str, float]:
    """Inputs written as `batch=256,lr=3e-4`, each one value."""
    if text is None:
        return {}
    choices = _choices(text, fitted)
    for name, values in choices.items():
        if name not in fitted.inputs or len(values) > 1:
            raise BayescaleError(f"--at {text!r}: {name}: give one value of an input of the law")
    return {name: values[0] for name, values in choices.items()}


def input_ranges(texts: Sequence[str], fitted: Answers) -> dict[str, tuple[float, float] | None]:
    """Inputs written as `lr` or `lr=1e-5:1e-2`, each with its range or None."""
    ranges: dict[str, tuple[float, float] | None] = {}
    for text in texts:
        check_text(text, "--over")
        name, equals, span = (piece.strip() for piece in text.partition("="))
        if name not in fitted.inputs:
            raise unknown("--over: input", name, list(fitted.inputs))
        low, colon, high = span.partition(":")
        if equals and not colon:
            raise BayescaleError(f"--over {text!r}: write a range as {name}=LOW:HIGH")
        ends = (parse_number(low, name), parse_number(high, name)) if equals else None
        ranges[name] = ends
    return ranges


def _takes_compute(fitted: Answers) -> bool:
    return any(spec.law.takes_compute for spec in fitted.specs)


def _required(fitted: Answers) -> list[str]:
    """The inputs that a point must state, or have derived."""
    return [name for name in fitted.inputs if name != "unique_tokens"]


def _example(fitted: Answers) -> str:
    if _takes_compute(fitted) and len(_required(fitted)) == 2:
        return "params=70e9,tokens=15e12"
    inputs = fitted.inputs
    return ",".join(f"{name}={inputs[name].example or 'VALUE'}" for name in _required(fitted))


def named_values(text: str, example: str) -> dict[str, str]:
    """The values of a text such as `params=70e9,family=Llama-3`, by name.

    Raises
    ------
    BayescaleError
        If a part is not NAME=VALUE, or a name is given twice.
    """
    check_text(text, "--at")
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise BayescaleError(f"--at {text!r}: {part!r} is not NAME=VALUE; write {example}")
        if name in found:
            raise BayescaleError(f"--at {text!r}: {name} is given twice")
        found[name] = value
    return found


def _choices(text: str, fitted: Answers) -> dict[str, list[Any]]:
    """The values that a text gives each name: one, or those of a grid."""
    groups, inputs = fitted.group_names, dict(fitted.inputs)
    if _takes_compute(fitted):
        inputs |= {name: COLUMNS[name] for name in (*_OF_COMPUTE, *DERIVED) if name in COLUMNS}
        inputs |= {name: COLUMNS["tokens"] for name in DERIVED if name not in COLUMNS}
    choices: dict[str, list[Any]] = {}
    for name, value in named_values(text, _example(fitted)).items():
        if name in inputs:
            choices[name] = _sizes(value, name, inputs[name])
        elif name == "run" or name in groups:
            choices[name] = [value]
        else:
            raise unknown("--at: name", name, [*inputs, "run", *groups])
    return choices


def _sizes(text: str, name: str, column: Column) -> list[float]:
    """A value of an input, or a grid LOW:HIGH:COUNT of them."""
    positive = column.scale == "log"
    low_text, *others = text.split(":")
    low = parse_number(low_text, name)
    if not others:
        if low <= 0 and positive:
            raise BayescaleError(f"{name}={text}: must be positive")
        return [low]
    count = others[1] if len(others) == 2 else ""
    # A number of more digits than `_MOST` is too many, whatever it is.
    if not (count.isdecimal() and len(count) <= 6 and 2 <= int(count) <= _MOST):
        raise BayescaleError(f"{name}={text!r}: write a grid as LOW:HIGH:COUNT, as in 1e9:1e12:7")
    high = parse_number(others[0], name)
    if not low < high or (low <= 0 and positive):
        rule = "0 < LOW < HIGH" if positive else "LOW < HIGH"
        raise BayescaleError(f"{name}={text!r}: a grid needs {rule}")
    steps = np.geomspace if positive else np.linspace
    return [float(value) for value in steps(low, high, int(count))]


def with_counts(row: dict[str, Any], text: str, usual_ratio: float | None = None) -> dict[str, Any]:
    """A point with `params` and `tokens`, from those two of the sizes that it states.

    Raises
    ------
    BayescaleError
        If it does not state two, and one is not `flops` with a usual ratio.
    """
    stated = {name: row.pop(name) for name in ("params", "tokens", *DERIVED) if name in row}
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
    return choices.keys() & {*_OF_COMPUTE, *DERIVED} == {"flops"} and all(
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
