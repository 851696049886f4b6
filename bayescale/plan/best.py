"""Best inputs: what to choose for some inputs of a law, the others given, under constraints.

The curve is predicted at many candidates, draw by draw; the choice is the candidate whose mean is
best, and each draw's own best says how well the choice is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.expression import Condition, ExpressionError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note, listed
from bayescale.base.numbers import digits, human, percent
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.plan.allocation import WITHIN
from bayescale.plan.answer import Answer, Row, precise, rows, shared, with_unit
from bayescale.predictive.predict import Answers
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS

type Range = tuple[float, float] | None

# Candidates of the first round and of each that looks closer, and how many rounds look closer.
_CANDIDATES, _CLOSER, _ROUNDS = 2500, 600, 2
# Of the range, that a closer look keeps on either side.
_KEPT = 0.15
# Predicted responses held at once.
_MOST_CELLS = 60_000_000
# Shares of a mixture sum to one number in all runs, this nearly.
_SUM = 1e-3


@dataclass(frozen=True, eq=False)
class _Free:
    """The inputs that are chosen, as points of a unit cube.

    Attributes
    ----------
    columns : dict
        Each input.
    low, high : ndarray (input)
        Ends of its range, on its scale.
    total : float or None
        What they sum to, if they are the shares of a mixture.
    """

    columns: dict[str, Column]
    low: np.ndarray
    high: np.ndarray
    total: float | None

    def first(self, count: int, seed: int) -> np.ndarray:
        """Candidates all over (candidate, input), on the inputs' scales."""
        size = len(self.columns)
        if self.total is not None:
            weights = random(seed, "mixtures").dirichlet(np.ones(size), count)
            return weights * self.total
        if size <= 2:
            steps = np.linspace(0, 1, count if size == 1 else int(count**0.5))
            cube = np.stack(np.meshgrid(*[steps] * size, indexing="ij"), -1).reshape(-1, size)
        else:
            sobol = scipy.stats.qmc.Sobol(size, rng=random(seed, "candidates"))
            cube = sobol.random_base2(int(np.log2(count)))
        return self.low + cube * (self.high - self.low)

    def near(self, best: np.ndarray, count: int, shrunk: float, seed: int) -> np.ndarray:
        """Candidates near one of them."""
        rng, size = random(seed, "closer", str(shrunk)), len(self.columns)
        if self.total is not None:
            share = np.maximum(best / self.total, 1e-3)
            return rng.dirichlet(share / share.sum() * size / shrunk**2, count) * self.total
        width = shrunk * (self.high - self.low)
        moved = best + (2 * rng.random((count, size)) - 1) * width
        return np.clip(moved, self.low, self.high)


def answer(
    fitted: Answers,
    over: Mapping[str, Range],
    *,
    at: Mapping[str, float] | None = None,
    subject: Sequence[str] = (),
    groups: Mapping[str, str] | None = None,
    corpus: str | None = None,
    prob: float = PROB,
    seed: int = 0,
) -> Answer:
    """The inputs with the best response, how well they are known, and how flat the best is.

    Parameters
    ----------
    fitted : Fit or Stack
    over : mapping
        Each input that is chosen, to its range; None: that of the fitted runs. Shares of a mixture,
        which sum to one number in all runs, keep that sum.
    at : mapping, optional
        The other inputs.
    subject : sequence of str
        Conditions over the inputs, such as `params * experts <= 200e9`.
    groups : mapping, optional
        Group to label, as for a point of a prediction.
    corpus : str, optional
        Whose response counts; by default the mean over all.
    prob : float
    seed : int
        Of the candidates.

    Raises
    ------
    BayescaleError
        If an input is unknown, missing or given twice, or no candidate meets the conditions.

    Notes
    -----
    Content: `best`, the chosen inputs by their names; `inputs`, for each of them `best`, `known`
    (mean and interval of each draw's best), `low` and `high` (between them the response stays
    within 1 % of the best); the response under its own name; `excess`, how much worse the choice
    is than each draw's best, on average, as a share.
    """
    free, fixed = _checked(fitted, over, dict(at or {}))
    spec, inputs = fitted.spec, fitted.inputs
    sign = -1.0 if COLUMNS[spec.response].better == "higher" else 1.0
    conditions = [_condition(text, inputs) for text in subject]

    def predicted(candidates: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
        """Candidates that meet the conditions, and the curve there (draw, candidate)."""
        frame = pd.DataFrame(fixed, index=range(len(candidates)))
        for i, (name, column) in enumerate(free.columns.items()):
            frame[name] = column.unscaled(candidates[:, i])
        for condition in conditions:
            frame = frame[condition.mask({name: frame[name].to_numpy() for name in inputs})]
        frame = frame.reset_index(drop=True)
        if frame.empty:
            return frame, np.empty((0, 0))
        located = fitted.locate(frame.assign(**(groups or {})))
        draws = located.predictive.draws("curve")
        if "corpus" in draws.dims:
            draws = draws.mean("corpus") if corpus is None else draws.sel(corpus=corpus)
        return frame, draws.stack(sample=SAMPLE_DIMS).transpose("sample", "run").to_numpy()

    probe, one = predicted(free.first(64, seed))
    samples = len(one) if len(probe) else 1000
    count = int(min(_CANDIDATES, max(64, _MOST_CELLS // max(1, samples))))
    frames, responses = map(list, zip(predicted(free.first(count, seed)), strict=True))
    if frames[0].empty:
        raise BayescaleError(
            f"--subject {listed(subject)}: none of {count} candidates meets it; widen a range"
        )
    for closer in range(_ROUNDS):
        table, curve = pd.concat(frames), np.concatenate(responses, axis=1)
        best = table.iloc[int((sign * curve.mean(0)).argmin())]
        place = np.array([float(c.scaled(best[n])) for n, c in free.columns.items()])
        frame, response = predicted(free.near(place, _CLOSER, _KEPT / 4**closer, seed))
        if not frame.empty:
            frames.append(frame)
            responses.append(response)
    table, curve = pd.concat(frames, ignore_index=True), np.concatenate(responses, axis=1)
    mean = curve.mean(0)
    chosen = int((sign * mean).argmin())
    own = (sign * curve).argmin(1)
    near = np.abs(mean - mean[chosen]) <= WITHIN * abs(mean[chosen])
    least = curve[np.arange(len(curve)), own]
    excess = float((sign * (curve[:, chosen] - least)).mean() / abs(mean[chosen]))
    quantities = [*shared(law=spec.name)]
    listed_rows: list[list[Row]] = []
    for name, column in free.columns.items():
        values = table[name].to_numpy()
        known = xr.DataArray(values[own][None], dims=SAMPLE_DIMS)
        write = human if column.scale == "log" and values.min() >= 1 else digits
        listed_rows.append(
            rows(
                prob,
                [
                    ("input", "input", name),
                    ("best", "best", float(values[chosen]), write),
                    ("known", f"each draw's best ({percent(prob)})", known, write),
                    ("low", f"lowest within {percent(WITHIN)}", values[near].min(), write),
                    ("high", f"highest within {percent(WITHIN)}", values[near].max(), write),
                ],
            )
        )
    there = xr.DataArray(curve[:, chosen][None], dims=SAMPLE_DIMS)
    quantities += [
        *((name, inputs[name].axis, value, human) for name, value in fixed.items()),
        (spec.response, f"{with_unit(spec.response)} of the curve there", there, precise),
        ("excess", "how much worse than each draw's best, on average", excess, digits),
        *shared(prob=prob),
    ]
    point = {**table.iloc[chosen].to_dict(), **(groups or {})}
    located = fitted.locate({"run": "best", **point})
    notes = [
        *(note for note in located.notes if note.code != "tokens-all-new"),
        *_at_the_edge(free, table.iloc[chosen]),
    ]
    title = "Best inputs, how well the runs know them, and how flat the best is"
    found = Answer.of(rows(prob, quantities), notes, {"inputs": (title, listed_rows)})
    chosen_values = {name: float(table.iloc[chosen][name]) for name in free.columns}
    return Answer({**found.content, "best": chosen_values}, found.tables[::-1], found.notes)


def _checked(
    fitted: Answers, over: Mapping[str, Range], at: dict[str, float]
) -> tuple[_Free, dict[str, float]]:
    inputs, table = fitted.inputs, fitted.runs.table
    if not over:
        raise BayescaleError("name at least one input to choose: --over lr, or --over lr=1e-5:1e-2")
    for name in (*over, *at):
        if name not in inputs:
            raise unknown("input", name, list(inputs))
        if name in over and name in at:
            raise BayescaleError(f"{name} is both given and to be chosen; do one of them")
    missing = [n for n in inputs if n not in over and n not in at and n != "unique_tokens"]
    if missing:
        raise BayescaleError(f"the law needs {listed(missing)} too: give them with --at, or --over")
    for name, value in at.items():
        rule = inputs[name].rule(value)
        if rule is not None:
            raise BayescaleError(f"{name}={value:g}: {rule}")
    columns = {name: inputs[name] for name in over}
    ends = []
    for name, span in over.items():
        column = inputs[name]
        low, high = span or (float(table[name].min()), float(table[name].max()))
        if not low < high:
            hint = "all runs have one value: give its range" if span is None else "LOW < HIGH"
            raise BayescaleError(f"--over {name}={low:g}:{high:g}: {hint}")
        for end in (low, high):
            if (rule := column.rule(end)) is not None:
                raise BayescaleError(f"--over {name}={low:g}:{high:g}: {rule}")
        ends.append((float(column.scaled(low)), float(column.scaled(high))))
    low_ends, high_ends = np.transpose(ends)
    return _Free(columns, low_ends, high_ends, _total(columns, table)), at


def _total(columns: Mapping[str, Column], table: pd.DataFrame) -> float | None:
    """What the shares of a mixture sum to in all runs; None where the inputs are no such shares."""
    if len(columns) < 2 or any(column.scale != "linear" for column in columns.values()):
        return None
    sums = table[list(columns)].astype(float).sum(axis=1)
    return float(sums.mean()) if np.ptp(sums) < _SUM * abs(sums.mean()) else None


def _condition(text: str, inputs: Mapping[str, Column]) -> Condition:
    try:
        condition = Condition.parse(text)
        condition.require(list(inputs))
    except ExpressionError as error:
        raise BayescaleError(f"--subject: {error}") from error
    return condition


def _at_the_edge(free: _Free, chosen: pd.Series) -> list[Note]:
    """Inputs whose best lies at an end of their range: beyond it may be better."""
    if free.total is not None:
        return []
    at_end = []
    for i, (name, column) in enumerate(free.columns.items()):
        width = free.high[i] - free.low[i]
        place = (float(column.scaled(chosen[name])) - free.low[i]) / width
        if not 0.01 < place < 0.99:
            at_end.append(f"{name} {human(float(chosen[name]))}")
    if not at_end:
        return []
    return [
        Note(
            "best-at-edge",
            "warning",
            f"the best lies at the end of its range: {listed(at_end)}",
            "widen the range with --over NAME=LOW:HIGH, or add runs beyond it",
        )
    ]
