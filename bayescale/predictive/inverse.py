"""Invert: the compute, tokens or parameters that reach a target with a stated probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS, check_prob
from bayescale.base.notes import Note
from bayescale.base.numbers import human
from bayescale.base.settings import PROB
from bayescale.base.shown import Shown
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.predictive import Kind, Predictive, check_kind
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# How far beyond the largest run a solution is sought, in e-folds of compute.
_BEYOND = 12 * np.log(10)
# e-folds of compute between the places where the probability is looked at, and how many at once.
_STEP, _BLOCK = 0.1, 32
_HALVINGS = 24
# Of an input that is no logarithm.
_PLACES = 200


@dataclass(frozen=True, eq=False, repr=False)
class Inverse(Shown):
    """What it takes to reach a target with a stated probability.

    Attributes
    ----------
    target, prob, kind
        As asked.
    inputs : dict
        The law's inputs there; none where nothing does, or where the law leaves the split free.
    flops : float or None
        6 N D, in FLOP; None where nothing within 12 decades beyond the largest run does, or where
        another input was solved for.
    most_probable : float
        The largest probability of reaching the target up to there.
    notes : list of Note
    """

    target: float
    prob: float
    kind: Kind
    inputs: dict[str, float]
    flops: float | None
    most_probable: float
    notes: list[Note]

    @property
    def reached(self) -> bool:
        """True if there is an answer."""
        return self.flops is not None or bool(self.inputs)

    @property
    def params(self) -> float | None:
        """Parameters, as the law sees them."""
        return self.inputs.get("params")

    @property
    def tokens(self) -> float | None:
        """Tokens."""
        return self.inputs.get("tokens")

    def _title(self) -> str:
        question = f"target {self.target:g} with probability {self.prob:g}"
        if not self.reached:
            return f"{question}: not reached; at most with probability {self.most_probable:.2g}"
        named = {"params": "parameters", "tokens": "tokens"}
        found = [
            f"{human(value)} {named[name]}" if name in named else f"{name} {human(value)}"
            for name, value in self.inputs.items()
        ]
        flops = [] if self.flops is None else [f"{self.flops:.4g} FLOP"]
        return f"{question}: " + ", ".join([*found, *flops])

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values."""
        kept = ("target", "prob", "kind", "params", "tokens", "flops", "most_probable")
        answer = {name: getattr(self, name) for name in kept}
        others = {n: v for n, v in self.inputs.items() if n not in ("params", "tokens")}
        return {**answer, **others, "notes": [note.to_dict() for note in self.notes]}


@dataclass(frozen=True)
class Line:
    """A line through a law's inputs along which one quantity grows.

    Attributes
    ----------
    quantity : str
        `compute`, as ln(N D), or the input that grows, on its scale.
    smallest, farthest : float
        Where an answer is sought: from the smallest run to far beyond the largest.
    step : float
        Between the places where the probability is looked at.
    inputs : mapping
        The law's inputs.
    made : callable
        All inputs on their scales (place), from the quantity (place).
    has_split : bool
        False where the law needs no split between N and D, and the line is any.
    """

    quantity: str
    smallest: float
    farthest: float
    step: float
    inputs: Mapping[str, Column]
    made: Callable[[np.ndarray], dict[str, np.ndarray]]
    has_split: bool = True

    def __call__(self, quantity: np.ndarray) -> dict[str, xr.DataArray]:
        """Inputs on their scales at values of the quantity: (run)."""
        made = self.made(quantity)
        return {name: xr.DataArray(values, dims="run") for name, values in made.items()}

    def point(self, quantity: float) -> dict[str, float]:
        """The inputs themselves at one value of the quantity."""
        made = self.made(np.array([quantity]))
        return {name: float(self.inputs[name].unscaled(made[name][0])) for name in made}


def path(
    *,
    compute_only: bool,
    inputs: Mapping[str, Column],
    fixed: Mapping[str, float],
    runs: Runs,
    params: float | None = None,
    tokens: float | None = None,
    tokens_per_param: float | None = None,
) -> Line:
    """The line of growing compute on which one of N, D and D/N is given.

    Raises
    ------
    BayescaleError
        If more than one is given, or none and the law needs the split; or if `fixed` lacks an
        input, or has one that the law does not take.
    """
    options = {"params": params, "tokens": tokens, "tokens_per_param": tokens_per_param}
    chosen = {name: value for name, value in options.items() if value is not None}
    for name, value in chosen.items():
        if not (np.isfinite(value) and value > 0):
            raise BayescaleError(f"{name}={value:g}: must be a positive number")
    if not {"params", "tokens"} <= inputs.keys():
        known = ", ".join(inputs)
        raise BayescaleError(f"the law takes no parameters and tokens; solve along one of {known}")
    if len(chosen) > 1:
        raise BayescaleError(f"give one of {', '.join(options)}, not {' and '.join(chosen)}")
    if not chosen and not compute_only:
        raise BayescaleError(f"the law needs the split: give one of {', '.join(options)}")
    others = _fixed(inputs, fixed, {"params", "tokens"})
    if params is not None:
        a, b = float(np.log(params)), 0.0
    elif tokens is not None:
        a, b = -float(np.log(tokens)), 1.0
    else:
        a, b = -float(np.log(tokens_per_param or 1.0)) / 2, 0.5
    smallest, largest = _range(runs)

    def made(compute: np.ndarray) -> dict[str, np.ndarray]:
        size = a + b * compute
        rest = {name: np.full_like(compute, value) for name, value in others.items()}
        return {"params": size, "tokens": compute - size, **rest}

    return Line("compute", smallest, largest + _BEYOND, _STEP, inputs, made, bool(chosen))


def direction(
    name: str, inputs: Mapping[str, Column], fixed: Mapping[str, float], runs: Runs
) -> Line:
    """The line along one input, all others given.

    Raises
    ------
    BayescaleError
        If the law takes no such input, or `fixed` lacks one of the others.
    """
    if name not in inputs:
        raise unknown("input", name, list(inputs))
    others, column = _fixed(inputs, fixed, {name}), inputs[name]
    with np.errstate(all="ignore"):
        limits = [float(column.scaled(limit)) for limit in (column.low, column.high)]
        seen = column.scaled(runs.table[name].astype(float))
    smallest, largest = float(seen.min()), float(seen.max())
    beyond = _BEYOND if column.scale == "log" else largest - smallest
    farthest = min(largest + beyond, limits[1]) if np.isfinite(limits[1]) else largest + beyond
    step = _STEP if column.scale == "log" else (farthest - smallest) / _PLACES

    def made(values: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values, **{n: np.full_like(values, v) for n, v in others.items()}}

    return Line(name, smallest, farthest, step, inputs, made)


def _fixed(
    inputs: Mapping[str, Column], fixed: Mapping[str, float], free: set[str]
) -> dict[str, float]:
    """Inputs that are given, on their scales."""
    wanted = inputs.keys() - free
    for name in fixed:
        if name not in wanted:
            raise unknown("input to fix", name, sorted(wanted) or ["none, for this fit"])
    missing = sorted(wanted - fixed.keys() - {"unique_tokens"})
    if missing:
        raise BayescaleError(f"the law needs {', '.join(missing)} too: say what they are")
    found = {}
    for name, value in fixed.items():
        rule = inputs[name].rule(value)
        if rule is not None:
            raise BayescaleError(f"{name}={value:g}: {rule}")
        found[name] = float(inputs[name].scaled(value))
    return found


def invert(
    predictive: Predictive | Mixture,
    along: Line,
    response: str,
    target: float,
    *,
    prob: float = PROB,
    kind: Kind = "run",
    corpus: str | None = None,
) -> Inverse:
    """The least compute whose response reaches `target` with probability `prob`.

    It is sought from the smallest run outwards, as nothing is extrapolated below the data: the
    first compute along the line at which the probability is at least `prob`.

    Parameters
    ----------
    predictive : Predictive or Mixture
        Whose first row has the groups that are asked for.
    along : Line
    response : str
        Says which direction is better.
    target : float
        In the response's unit.
    prob : float
    kind : {"curve", "run"}
    corpus : str, optional
        Which one must reach the target, for a response of several.

    Raises
    ------
    BayescaleError
        If an argument is none, or the target is reached at the smallest run already.
    """
    check_kind(kind)
    check_prob(prob)
    check_target(response, target)
    column = COLUMNS[response]

    def probability(quantity: np.ndarray) -> np.ndarray:
        draws = predictive.at(along(quantity)).draws(kind)
        if corpus is not None:
            draws = draws.sel(corpus=corpus)
        return np.asarray(column.reached(draws, target).mean(SAMPLE_DIMS))

    grid = np.arange(along.smallest, along.farthest + along.step, along.step)
    highest, found = 0.0, None
    for start in range(0, len(grid), _BLOCK):
        block = grid[start : start + _BLOCK]
        probabilities = probability(block)
        highest = max(highest, float(probabilities.max()))
        enough = np.flatnonzero(probabilities >= prob)
        if len(enough):
            found = start + int(enough[0])
            break
    if found == 0:
        raise BayescaleError(
            f"target={target:g}: reached with probability {highest:.2g} at the smallest run "
            f"already ({_least(along)}); ask for a {column.better} target"
        )
    if found is None:
        return Inverse(target, prob, kind, {}, None, highest, [])
    low, high = grid[found - 1], grid[found]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if probability(np.array([middle]))[0] >= prob else (middle, high)
    further = probability(np.linspace(high, grid[-1], _BLOCK))
    return Inverse(
        target=target,
        prob=prob,
        kind=kind,
        inputs=along.point(high) if along.has_split else {},
        flops=6 * float(np.exp(high)) if along.quantity == "compute" else None,
        most_probable=max(highest, float(further.max())),
        notes=[],
    )


def _least(along: Line) -> str:
    if along.quantity == "compute":
        return f"{human(6 * np.exp(along.smallest))} FLOP"
    return f"{along.quantity} {human(along.point(along.smallest)[along.quantity])}"


def check_target(response: str, target: float) -> None:
    """Raise a `BayescaleError` if no such response can be asked for."""
    rule = COLUMNS[response].target_rule(target)
    if rule is not None:
        raise BayescaleError(f"target={target:g}: {rule}")


def _range(runs: Runs) -> tuple[float, float]:
    """ln(N D) of the smallest and of the largest run; of a latent count, the middle."""
    table = runs.table
    tokens = np.log(table["tokens"])
    if not runs.known_tokens.all():
        tokens = tokens.fillna(np.log(table["tokens_low"] * table["tokens_high"]) / 2)
    compute = np.log(table["params"]) + tokens
    return float(compute.min()), float(compute.max())
