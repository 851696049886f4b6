"""Next run: what to buy so that a forecast, or a choice, is as certain as a budget makes it.

The posterior's draws are the hypotheses. Their joint moments at the target and at every candidate
(`predictive/joint.py`) say what each run would tell; `plan/buying.py` buys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.base.numbers import digits
from bayescale.base.settings import PROB
from bayescale.plan.buying import (
    Basket,
    Beliefs,
    best_basket,
    certainty,
    cheapest_below,
    information,
    regret,
)
from bayescale.plan.candidates import affordable, costs, grid, possible
from bayescale.plan.outlook import Outlook, Width
from bayescale.predictive.joint import each_moments
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.points import Points, as_points
from bayescale.predictive.predict import Answers
from bayescale.predictive.predictive import Kind
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

type By = Literal["width", "choice", "law"]
BY: dict[str, str] = {
    "width": "the width of the target's interval",
    "choice": "what a wrong choice among the targets costs",
    "law": "which law of a stack holds",
}
# Budgets of the curve of money and certainty, and decades below the largest where it starts.
_BUDGETS, _DECADES = 25, 3.0
# The curve is flat where twice the money takes less than this off the width.
_FLAT = 0.05
# Reductions of the variance within this share are a tie; the cheaper run is named first.
_TIE = 0.02
# The answer hangs on the discrepancy's size where halves of its draws differ by this factor.
_HANGS = 1.5


@dataclass(frozen=True, eq=False)
class NextRun:
    """What to buy, and what it is worth.

    Attributes
    ----------
    response : str
    by : {"width", "choice", "law"}
    budget : float
        In the unit of the cost.
    kind : {"curve", "run"}
        Of the target's interval.
    prob : float
        Of the interval.
    unit : str
        Of widths: a share of the response, or the response's unit.
    targets, candidates : DataFrame
        A row a point or run; `cost` of each; of candidates also `reduction` (share of the targets'
        variance that one run takes away), `width` after it, and `regret` or `bits` where asked for.
    best : DataFrame
        What is bought, in order: the candidate's columns, and `width` after each.
    curve : DataFrame
        Money and certainty: `budget`, `spent`, `runs`, `width`.
    width_now, width_least : float
        Before anything is bought, and after every candidate.
    flat_from : float or None
        The budget from which doubling it narrows the interval by less than a twentieth.
    aim, aim_runs, aim_cost : float or None
        A width to get below, and the cheapest set found that is expected to.
    target_cost : float or None
        Of the cheapest target itself.
    by_discrepancy : tuple of float or None
        Width after the purchase by the draws with the smaller, and the larger discrepancy.
    notes : list of Note
    """

    response: str
    by: By
    budget: float
    kind: Kind
    prob: float
    unit: str
    targets: pd.DataFrame
    candidates: pd.DataFrame
    best: pd.DataFrame
    curve: pd.DataFrame
    width_now: float
    width_least: float
    flat_from: float | None
    aim: float | None
    aim_runs: int | None
    aim_cost: float | None
    target_cost: float | None
    by_discrepancy: tuple[float, float] | None
    notes: list[Note] = field(default_factory=list)


def next_run(
    fitted: Answers,
    target: Points,
    budget: float,
    *,
    candidates: Points | None = None,
    in_flight: Points | None = None,
    subject: Sequence[str] = (),
    cost: str | None = None,
    batch: int = 1,
    by: By = "width",
    aim: float | None = None,
    corpus: str | None = None,
    kind: Kind = "run",
    prob: float = PROB,
) -> NextRun:
    """The run, or the runs, that are expected to leave a forecast least uncertain.

    Parameters
    ----------
    fitted : Fit or Stack
    target : Runs, DataFrame, mapping or sequence of mappings
        One point or several, as for `predict`; of several, their mean variance counts.
    budget : float
        In the unit of the cost; FLOP by default.
    candidates : the same, optional
        Runs that could be bought, each once; its own `cost` in a column of that name. By default a
        grid over the ranges of the fitted runs, towards the target.
    in_flight : the same, optional
        Runs that are paid for and whose outcome is not known yet.
    subject : sequence of str
        Conditions that candidates meet, such as `params * experts < 200e9`.
    cost : str, optional
        A formula of a run's columns; by default `6 * params * tokens`.
    batch : int
        Most runs to buy at once.
    by : {"width", "choice", "law"}
        What is made small: the width of the target's interval; the expected loss by a wrong choice
        among several targets; or the doubt which law of a stack holds.
    aim : float, optional
        A width, in the unit of the answer: how many runs get below it.
    corpus : str, optional
        Of a response of several; by default their mean.
    kind : {"curve", "run"}
    prob : float

    Raises
    ------
    BayescaleError
        If there is no candidate that the budget pays for, or a question has no answer.

    Notes
    -----
    Widths after a purchase are what the linear update leaves, scaled so that the width before is
    that of the draws. It leaves out that the runs also tell of the discrepancy's size.
    """
    if batch < 1:
        raise BayescaleError(f"batch={batch}: buy at least 1 run")
    if batch > 1 and by != "width":
        raise BayescaleError(f"by {by}: buys one run at a time; leave the batch out")
    if not budget > 0:
        raise BayescaleError(f"budget={budget:g}: must be a positive number")
    aims = as_points(target)
    if by == "choice" and len(aims) < 2:
        raise BayescaleError("by choice: name at least two targets to choose among")
    pool = _pool(fitted, aims, budget, candidates, cost)
    if subject:
        pool = possible(pool, subject)
    price = costs(fitted, pool, cost)
    affordable(pool, price, budget)
    flying = None if in_flight is None else as_points(in_flight)
    outlook = Outlook.of(fitted, (aims, flying, pool), price, corpus)
    scores = _scores(outlook, by)
    beliefs, width = outlook.beliefs, outlook.width(kind, prob)
    bought = _bought(beliefs, scores, budget, batch)
    reduction = beliefs.reductions() / beliefs.now
    table = _described(fitted, pool).assign(
        cost=price,
        reduction=reduction,
        width=[width.after(beliefs.now * (1 - share)) for share in reduction],
        **scores,
    )
    best = table.iloc[list(bought.bought)].assign(width=[width.after(v) for v in bought.path])
    target_cost = _target_cost(fitted, aims, cost)
    curve = _curve(beliefs, width, max(budget, target_cost or 0.0))
    found = None
    if aim is not None:
        most = max(budget, target_cost or 0.0)
        found = cheapest_below(beliefs, width.variance_at(aim), most)
    halves = outlook.by_discrepancy(bought, width)
    notes = [
        *_of_targets(outlook.located.points.iloc[: len(aims)]),
        *_ties(table, budget, by, batch),
        *_beyond(target_cost, bought.cost),
        *_hangs(halves),
    ]
    return NextRun(
        response=fitted.spec.response,
        by=by,
        budget=budget,
        kind=kind,
        prob=prob,
        unit=outlook.unit,
        targets=_described(fitted, aims),
        candidates=table,
        best=best,
        curve=curve,
        width_now=width.now,
        width_least=width.after(beliefs.left(range(len(price)))),
        flat_from=_flat_from(curve),
        aim=aim,
        aim_runs=None if found is None else len(found.bought),
        aim_cost=None if found is None else found.cost,
        target_cost=target_cost,
        by_discrepancy=halves,
        notes=notes,
    )


def _pool(
    fitted: Answers, aims: Runs, budget: float, candidates: Points | None, cost: str | None
) -> Runs:
    if candidates is not None:
        return as_points(candidates)
    return grid(
        fitted, aims.table.iloc[0], max(budget, _target_cost(fitted, aims, cost) or 0), cost
    )


def _scores(outlook: Outlook, by: By) -> dict[str, np.ndarray]:
    """What one run of each candidate is worth by another measure than the width."""
    predictive, count = outlook.predictive, len(outlook.price)
    if by == "choice":
        sign = COLUMNS[outlook.fitted.spec.response].as_loss(1.0)
        after = regret(sign * outlook.moments.mean[: outlook.aims], outlook.beliefs.target)
        return {"regret": np.array([after(outlook.beliefs, i) for i in range(count)])}
    if by == "law":
        if not isinstance(predictive, Mixture):
            raise BayescaleError("by law: it needs a stack of fits, as compare --stack saves it")
        each = each_moments(predictive, outlook.corpus)
        means = np.array([one.mean[-count:] for one in each])
        deviations = np.array(
            [np.sqrt(np.diagonal(one.covariance)[-count:] + one.noise[-count:]) for one in each]
        )
        return {"bits": information(means, deviations, np.array(predictive.weights))}
    return {}


def _bought(beliefs: Beliefs, scores: dict[str, np.ndarray], budget: float, batch: int) -> Basket:
    """The best set; of one run, the cheapest of those that tie."""
    if batch > 1:
        return best_basket(beliefs, budget, most=batch)
    worth = beliefs.reductions()
    for name, values in scores.items():
        worth = values if name == "bits" else values.max() - values
    worth = np.where(beliefs.cost <= budget * (1 + 1e-9), worth, -np.inf)
    near = np.flatnonzero(worth >= (1 - _TIE) * worth.max())
    order = [int(near[beliefs.cost[near].argmin()])]
    left = beliefs.left(order)
    return Basket(tuple(order), float(beliefs.cost[order].sum()), left, np.array([left]))


def _curve(beliefs: Beliefs, width: Width, most: float) -> pd.DataFrame:
    """Money and certainty, up to a budget or to what all candidates cost."""
    most = min(most, float(beliefs.cost.sum()))
    least = max(float(beliefs.cost.min()), most / 10**_DECADES)
    budgets = [float(b) for b in np.geomspace(least, most, _BUDGETS)]
    rows = [
        {
            "budget": money,
            "spent": basket.cost,
            "runs": len(basket.bought),
            "width": width.after(basket.left),
        }
        for money, basket in zip(budgets, certainty(beliefs, budgets), strict=True)
    ]
    return pd.DataFrame(rows)


def _flat_from(curve: pd.DataFrame) -> float | None:
    """The least budget from which no doubling is worth a twentieth of the width."""
    money, width = np.log2(curve["budget"].to_numpy()), np.log(curve["width"].to_numpy())
    for i in range(len(money)):
        later = money >= money[i] + 1
        if not later.any():
            return None
        ahead = np.interp(money[i:] + 1, money, width)
        inside = money[i:] + 1 <= money[-1]
        if (width[i:] - ahead < -np.log(1 - _FLAT))[inside].all():
            return float(2 ** money[i])
    return None


def _target_cost(fitted: Answers, aims: Runs, cost: str | None) -> float | None:
    try:
        return float(costs(fitted, aims, cost).min())
    except BayescaleError:  # a cost in the candidates' own column
        return None


def _described(fitted: Answers, runs: Runs) -> pd.DataFrame:
    named = [name for name in fitted.inputs if name in runs.table]
    named += ["params_active"] if "params_active" in runs.table else []
    groups = [name for name in fitted.group_names if name in runs.table and name != "run"]
    return runs.table[["run", *named, *groups]].reset_index(drop=True)


def _of_targets(points: pd.DataFrame) -> list[Note]:
    inside = points["decades_outside"] <= 0
    if not inside.any():
        return []
    which = "the target lies" if len(points) == 1 else f"{int(inside.sum())} targets lie"
    return [
        Note(
            "target-inside",
            "info",
            f"{which} inside the data: no run needs to reach towards it",
            "the forecast is an interpolation; ask for a larger target, or stop buying",
        )
    ]


def _ties(table: pd.DataFrame, budget: float, by: By, batch: int) -> list[Note]:
    if batch > 1 or by != "width":
        return []
    open_ = table[table["cost"] <= budget * (1 + 1e-9)]
    near = open_[open_["reduction"] >= (1 - _TIE) * open_["reduction"].max()]
    if len(near) < 2:
        return []
    most = near["cost"].max() / near["cost"].min()
    return [
        Note(
            "next-run-tie",
            "info",
            f"{len(near)} candidates are as good within 2 %, at up to {digits(most)} times the "
            "cost: the cheapest is named",
            "take whichever is easiest to run",
        )
    ]


def _beyond(target_cost: float | None, spent: float) -> list[Note]:
    if target_cost is None or spent < target_cost:
        return []
    return [
        Note(
            "budget-above-target",
            "warning",
            f"the purchase costs {spent:.3g}, the target itself {target_cost:.3g}",
            "train the target, or lower --budget",
        )
    ]


def _hangs(halves: tuple[float, float] | None) -> list[Note]:
    if halves is None or max(halves) < _HANGS * min(halves):
        return []
    return [
        Note(
            "hangs-on-discrepancy",
            "warning",
            "what is left hangs on the discrepancy's size, which few runs tell: draws where it is "
            f"larger leave {digits(max(halves) / min(halves), 2)} times the width of the others",
            "repeat with another prior of its amplitude before a large purchase",
        )
    ]
