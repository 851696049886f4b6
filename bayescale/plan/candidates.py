"""Candidates: the runs that could be bought, and what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import scipy  # its parts load when first used

from bayescale.base.errors import BayescaleError
from bayescale.base.expression import Condition, ExpressionError, Formula
from bayescale.base.notes import listed
from bayescale.base.seeds import random
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.predictive.points import as_points
from bayescale.predictive.predict import Answers
from bayescale.runs.table import Runs

# Candidates of a grid along parameters and tokens, and of one over other inputs, which is Sobol's.
_STEPS, _SPREAD = 24, 256
# Decades of cost that a grid spans, from the dearest down.
_DECADES = 5.0


def costs(fitted: Answers, runs: Runs, formula: str | None) -> np.ndarray:
    """What each run costs (run): its `cost`, by a formula of its columns, or 6 N D.

    Raises
    ------
    BayescaleError
        If a formula cannot be read, a law has no 6 N D, or a cost is no positive number.
    """
    table = runs.table
    if formula is not None:
        known = {
            str(name): table[name].to_numpy(float)
            for name in table
            if pd.api.types.is_numeric_dtype(table[name])
        }
        try:
            found = Formula.parse(formula).value(known)
        except ExpressionError as error:
            raise BayescaleError(f"--cost: {error}") from error
        cost = np.broadcast_to(np.asarray(found, float), len(runs)).copy()
    elif "cost" in table:
        cost = pd.to_numeric(table["cost"], errors="coerce").to_numpy(float)
    elif {"params", "tokens"} <= set(table):
        cost = FLOP_PER_PARAM_TOKEN * runs.seen_params("active") * table["tokens"].to_numpy(float)
        cost = np.asarray(cost, float)
    else:
        raise BayescaleError(
            f"the law takes {listed(fitted.inputs)}: say what a run costs, as in "
            f"--cost '{' * '.join(list(fitted.inputs)[:2])}', or in a column cost"
        )
    bad = ~(np.isfinite(cost) & (cost > 0))
    if bad.any():
        run = table["run"].iloc[int(bad.argmax())]
        raise BayescaleError(
            f"{run}: it costs {cost[bad.argmax()]:g}; a cost is a positive number: correct the "
            "column cost, or --cost"
        )
    return cost


def grid(fitted: Answers, target: pd.Series, most: float, formula: str | None) -> Runs:
    """Runs that could be bought: over the ranges of the fitted runs, towards the target.

    Parameters and tokens in even steps of their logarithms, any other inputs spread evenly: all
    between the values of the runs and of the target, and cheaper than `most`.

    Parameters
    ----------
    fitted : Fit or Stack
    target : Series
        A point's inputs.
    most : float
        Cost that candidates stay below.
    formula : str or None
        See `costs`.
    """
    inputs = fitted.inputs
    table = fitted.runs.table
    ends = {}
    for name, column in inputs.items():
        seen = table[name] if name in table else pd.Series([target[name]])
        values = column.scaled(pd.to_numeric(seen).dropna().to_numpy(float))
        aim = float(column.scaled(float(target[name])))
        ends[name] = min([*values, aim]), max([*values, aim])  # no count may be stated
    if set(inputs) == {"params", "tokens"}:
        steps = [np.linspace(*ends[name], _STEPS) for name in inputs]
        points = np.array(list(product(*steps)))
    else:
        low, high = np.transpose([ends[name] for name in inputs])
        sobol = scipy.stats.qmc.Sobol(len(inputs), rng=random(0, "candidates"))
        points = low + sobol.random(_SPREAD * 2) * (high - low)
    frame = pd.DataFrame({n: c.unscaled(points[:, i]) for i, (n, c) in enumerate(inputs.items())})
    if "unique_tokens" in frame:
        frame["unique_tokens"] = np.minimum(frame["unique_tokens"], frame["tokens"])
    if {"params", "tokens"} <= set(frame) and "unique_tokens" not in frame:
        frame = frame.map(lambda value: float(f"{value:.2g}")).drop_duplicates()
    runs = as_points(frame.reset_index(drop=True))
    cost = costs(fitted, runs, formula)
    kept = (cost < most) & (cost >= most / 10**_DECADES)
    if not kept.any():
        return runs  # none can be bought; what the cheapest costs is said
    table = runs.table[kept].reset_index(drop=True)
    return as_points(table.assign(run=[f"candidate-{i}" for i in range(1, len(table) + 1)]))


def possible(runs: Runs, conditions: Sequence[str]) -> Runs:
    """The runs that meet conditions over their columns, such as `params * experts < 200e9`.

    Raises
    ------
    BayescaleError
        If a condition cannot be read, or no run meets them.
    """
    table = runs.table
    columns = {str(name): table[name].to_numpy() for name in table}
    kept = np.ones(len(table), bool)
    for text in conditions:
        try:
            kept &= Condition.parse(text).mask(columns)
        except ExpressionError as error:
            raise BayescaleError(f"--subject: {error}") from error
    if not kept.any():
        raise BayescaleError(
            f"--subject {listed(conditions)}: none of {len(table)} candidates meets it; relax it, "
            "or give other candidates"
        )
    return as_points(table[kept].reset_index(drop=True))


def affordable(runs: Runs, cost: np.ndarray, budget: float) -> None:
    """Check that a budget pays for a run.

    Raises
    ------
    BayescaleError
        If there is no candidate, or none that the budget pays for.
    """
    if not len(runs):
        raise BayescaleError("no candidate: give a grid with --at, or a file with --candidates")
    cheapest = int(cost.argmin())
    if cost[cheapest] > budget * (1 + 1e-9):
        run = runs.table["run"].iloc[cheapest]
        raise BayescaleError(
            f"--budget {budget:.3g}: no run is that cheap; the cheapest of {len(runs)}, {run}, "
            f"costs {cost[cheapest]:.3g}"
        )
