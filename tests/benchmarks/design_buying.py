"""Buying runs one after another from a pool, for `design.py`: several ways, one forecaster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.base.seeds import random
from bayescale.plan.buying import Beliefs, greedy
from bayescale.plan.linear import LinearForecast

POLICIES = ("ours", "random", "cheapest", "d-optimal")
EXPONENTS = (1.0, 0.5, 0.0)
# Of a plan for what is left of the budget, one run in so many is bought before planning again.
EVERY = 3
# Runs that a plan buys at most, earlier ones counted: each costs somebody's time as well.
MOST = 60
# Runs of the pool that are looked at before each purchase, at random where there are more.
LOOKED_AT = 300
# Standard deviations of the prior's draw around which nothing is known yet.
FIRST = 0.5


@dataclass(frozen=True)
class Pool:
    """Runs that can be bought, the first rows of a table, and the targets, which are the rest."""

    cost: np.ndarray
    targets: np.ndarray
    budget: float


def buy(forecast: LinearForecast, pool: Pool, policy: str, seed: int) -> list[int]:
    """Spend a budget, run after run.

    Parameters
    ----------
    forecast : LinearForecast
        Of pool and targets, with a discrepancy: where a law is taken to hold exactly, the cheapest
        runs seem to tell all.
    pool : Pool
    policy : {"ours", "random", "cheapest", "d-optimal"}
    seed : int
        Of a random order, of ties, and of the law that is first taken to hold.

    Returns
    -------
    list of int
        What was bought; empty where the budget pays for none.
    """
    rng = random(seed, "buying", policy)
    cost, bought = pool.cost, list[int]()
    if policy in ("random", "cheapest"):
        shuffled = rng.permutation(len(cost))
        order = shuffled if policy == "random" else shuffled[np.argsort(cost[shuffled])]
        for run in order:
            if cost[[*bought, run]].sum() <= pool.budget * (1 + 1e-9):
                bought.append(int(run))
    else:
        forecast.turn_to(FIRST * rng.standard_normal(len(forecast.point)))
        while new := _next(forecast, pool, bought, policy, seed):
            bought += new
            few = len(bought) < 12  # then the mode may lie anywhere
            forecast.update(bought, rounds=2 if few else 1, starts=2 if few else 0)
    return bought


def _next(
    forecast: LinearForecast, pool: Pool, bought: list[int], policy: str, seed: int
) -> list[int]:
    """A part of the best plan for what is left: cheap and dear runs alike."""
    left = pool.budget - pool.cost[bought].sum()
    open_ = np.flatnonzero(pool.cost <= left * (1 + 1e-9))
    open_ = open_[~np.isin(open_, bought)]
    if len(open_) > LOOKED_AT:
        open_ = random(seed, "looked at", str(len(bought))).permutation(open_)[:LOOKED_AT]
    most = MOST - len(bought)
    if not (len(open_) and most):
        return []
    beliefs = _beliefs(forecast, pool, open_)
    planned = _d_optimal if policy == "d-optimal" else _narrowest
    plan = planned(beliefs, left, most)
    by_cost = sorted(plan, key=lambda i: float(beliefs.cost[i]))
    return [int(open_[i]) for i in by_cost[::EVERY]]


def _beliefs(forecast: LinearForecast, pool: Pool, open_: np.ndarray) -> Beliefs:
    """Of the mean over the outputs, where there are several."""
    found = forecast.moments([*pool.targets, *open_], reach=open_)
    outputs = forecast.outputs
    count = len(found.mean) // outputs
    covariance, noise = found.covariance, found.noise[:count]
    if outputs > 1:
        covariance = covariance.reshape(count, outputs, count, outputs).mean((1, 3))
        noise = noise / outputs
    return Beliefs.of(covariance, noise[len(pool.targets) :], pool.cost[open_], len(pool.targets))


def _narrowest(beliefs: Beliefs, budget: float, most: int) -> tuple[int, ...]:
    plans = [greedy(beliefs, budget, most=most, exponent=each) for each in EXPONENTS]
    return min(plans, key=lambda plan: plan.left).bought


def _d_optimal(beliefs: Beliefs, budget: float, most: int) -> tuple[int, ...]:
    """The most information about all that is unknown, whatever the target."""
    best, best_told = (), -1.0
    for exponent in EXPONENTS:
        variance = np.diagonal(beliefs.among).copy()
        rows = np.empty((most, len(variance)))
        chosen: list[int] = []
        spent = told = 0.0
        while len(chosen) < most:
            gain = np.log1p(np.maximum(variance, 0) / beliefs.noise)
            gain[(beliefs.cost > (budget - spent) * (1 + 1e-9)) | (gain < 1e-6)] = 0
            gain[chosen] = 0
            if not gain.any():
                break
            run = int((gain / beliefs.cost**exponent).argmax())
            scale = np.sqrt(max(variance[run], 0) + beliefs.noise[run])
            known = rows[: len(chosen)]
            row = (beliefs.among[run] - known[:, run] @ known) / scale
            rows[len(chosen)] = row
            variance = variance - row**2
            chosen.append(run)
            spent, told = spent + float(beliefs.cost[run]), told + float(gain[run])
        if told > best_told:
            best, best_told = tuple(chosen), told
    return best
