"""Invert: the compute, tokens or parameters that reach a target with a stated probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS, check_prob
from bayescale.base.notes import Note
from bayescale.base.numbers import human
from bayescale.base.settings import PROB
from bayescale.base.shown import Shown
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.predictive import Kind, Predictive, check_kind
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# How far beyond the largest run a solution is sought, in e-folds of compute.
_BEYOND = 12 * np.log(10)
# e-folds of compute between the places where the probability is looked at, and how many at once.
_STEP, _BLOCK = 0.1, 32
_HALVINGS = 24


@dataclass(frozen=True, eq=False, repr=False)
class Inverse(Shown):
    """What it takes to reach a target with a stated probability.

    Attributes
    ----------
    target, prob, kind
        As asked.
    params, tokens : float or None
        The smallest that do; None where nothing does, or where the law leaves the split free.
    flops : float or None
        6 N D, in FLOP; None where nothing within 12 decades beyond the largest run does.
    most_probable : float
        The largest probability of reaching the target up to there.
    notes : list of Note
    """

    target: float
    prob: float
    kind: Kind
    params: float | None
    tokens: float | None
    flops: float | None
    most_probable: float
    notes: list[Note]

    def _title(self) -> str:
        question = f"target {self.target:g} with probability {self.prob:g}"
        if self.flops is None:
            return f"{question}: not reached; at most with probability {self.most_probable:.2g}"
        sizes = (
            []
            if self.params is None or self.tokens is None
            else [f"{human(self.params)} parameters", f"{human(self.tokens)} tokens"]
        )
        return f"{question}: " + ", ".join([*sizes, f"{self.flops:.4g} FLOP"])

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values."""
        kept = ("target", "prob", "kind", "params", "tokens", "flops", "most_probable")
        answer = {name: getattr(self, name) for name in kept}
        return {**answer, "notes": [note.to_dict() for note in self.notes]}


@dataclass(frozen=True)
class Path:
    """A line through (ln N, ln D) along which compute grows: ln N = a + b ln(N D).

    `has_split` is False where the law needs none, and the line is any.
    """

    a: float
    b: float
    has_split: bool = True

    def __call__(self, compute: np.ndarray) -> dict[str, xr.DataArray]:
        """Natural logarithms of N and D at values of ln(N D): (run)."""
        params = self.a + self.b * compute
        return {"params": xr.DataArray(params, dims="run"),
                "tokens": xr.DataArray(compute - params, dims="run")}  # fmt: skip


def path(
    *,
    compute_only: bool,
    params: float | None = None,
    tokens: float | None = None,
    tokens_per_param: float | None = None,
) -> Path:
    """The line on which one of N, D and D/N is given.

    Raises
    ------
    BayescaleError
        If more than one is given, or none and the law needs the split.
    """
    options = {"params": params, "tokens": tokens, "tokens_per_param": tokens_per_param}
    chosen = {name: value for name, value in options.items() if value is not None}
    for name, value in chosen.items():
        if not (np.isfinite(value) and value > 0):
            raise BayescaleError(f"{name}={value:g}: must be a positive number")
    if len(chosen) > 1:
        raise BayescaleError(f"give one of {', '.join(options)}, not {' and '.join(chosen)}")
    if not chosen and not compute_only:
        raise BayescaleError(f"the law needs the split: give one of {', '.join(options)}")
    if params is not None:
        return Path(float(np.log(params)), 0.0)
    if tokens is not None:
        return Path(-float(np.log(tokens)), 1.0)
    ratio = 1.0 if tokens_per_param is None else tokens_per_param
    return Path(-float(np.log(ratio)) / 2, 0.5, has_split=tokens_per_param is not None)


def invert(
    predictive: Predictive | Mixture,
    runs: Runs,
    along: Path,
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
    runs : Runs
        That were fitted.
    along : Path
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

    def probability(compute: np.ndarray) -> np.ndarray:
        draws = predictive.at(along(compute)).draws(kind)
        if corpus is not None:
            draws = draws.sel(corpus=corpus)
        return np.asarray(column.reached(draws, target).mean(SAMPLE_DIMS))

    smallest, largest = _range(runs)
    grid = np.arange(smallest, largest + _BEYOND + _STEP, _STEP)
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
            f"already ({human(6 * np.exp(smallest))} FLOP); ask for a {column.better} target"
        )
    if found is None:
        return Inverse(target, prob, kind, None, None, None, highest, [])
    low, high = grid[found - 1], grid[found]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if probability(np.array([middle]))[0] >= prob else (middle, high)
    further = probability(np.linspace(high, grid[-1], _BLOCK))
    sizes = {name: float(np.exp(value[0])) for name, value in along(np.array([high])).items()}
    return Inverse(
        target=target,
        prob=prob,
        kind=kind,
        params=sizes["params"] if along.has_split else None,
        tokens=sizes["tokens"] if along.has_split else None,
        flops=6 * float(np.exp(high)),
        most_probable=max(highest, float(further.max())),
        notes=[],
    )


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
