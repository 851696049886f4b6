"""Buying runs: which of many candidates leave a forecast least uncertain, for what they cost.

All is jointly Normal: the curve at the target, the curve at each candidate, a run's noise. A run's
outcome is linear in what is unknown, so what it leaves open does not depend on the outcome, and
each purchase is an update of rank one (linear Bayes: Goldstein and Wooff 2007). The variance left
is at least what the posterior is expected to have, whatever its form. A set is chosen greedily, by
reduction and by reduction per cost, and the better of the two is kept: for gains that diminish, a
third of the best set's gain at least, and near it in practice (Khuller, Moss and Naor 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy  # its parts load when first used

# A run that takes less than this share off the variance that is left tells nothing.
_NOTHING = 1e-4
# A run without which a set leaves only this share more variance is left out of it.
_LITTLE = 0.01
# Exponents of the cost by which reductions are divided: the most for the money, and the most.
_EXPONENTS = (1.0, 0.5, 0.0)
# Runs of a set at most, where nobody says how many: more are a sweep, not a next run.
_MOST_RUNS = 60


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What is known before buying, as a Normal distribution.

    Attributes
    ----------
    target : ndarray (target, target)
        Covariance of the curve at the targets, on the noise's scale.
    across : ndarray (target, candidate)
        Covariance of the curve there and at the candidates.
    among : ndarray (candidate, candidate)
        Covariance among the candidates.
    noise : ndarray (candidate)
        Variance of one run's noise.
    cost : ndarray (candidate)
        Of one run, above 0.
    """

    target: np.ndarray
    across: np.ndarray
    among: np.ndarray
    noise: np.ndarray
    cost: np.ndarray

    @classmethod
    def of(
        cls, covariance: np.ndarray, noise: np.ndarray, cost: np.ndarray, targets: int
    ) -> Beliefs:
        """From moments whose first rows are the targets; noise and cost are the candidates'."""
        t = slice(targets)
        rest = slice(targets, None)
        return cls(covariance[t, t], covariance[t, rest], covariance[rest, rest], noise, cost)

    @cached_property
    def now(self) -> float:
        """Mean variance of the targets before anything is bought."""
        return float(np.trace(self.target)) / len(self.target)

    def given(self, bought: Sequence[int]) -> Beliefs:
        """After the outcomes of some candidates, each position as often as it is bought."""
        chosen = list(bought)
        if not chosen:
            return self
        observed = self.among[np.ix_(chosen, chosen)] + np.diag(self.noise[chosen])
        factor = np.linalg.cholesky(observed)
        by_target = np.linalg.solve(factor, self.across[:, chosen].T)
        by_candidate = np.linalg.solve(factor, self.among[chosen])
        return Beliefs(
            self.target - by_target.T @ by_target,
            self.across - by_target.T @ by_candidate,
            self.among - by_candidate.T @ by_candidate,
            self.noise,
            self.cost,
        )

    def kept(self, candidates: slice) -> Beliefs:
        """With some of the candidates alone."""
        return Beliefs(
            self.target,
            self.across[:, candidates],
            self.among[candidates, candidates],
            self.noise[candidates],
            self.cost[candidates],
        )

    def left(self, bought: Sequence[int]) -> float:
        """Mean variance of the targets after the outcomes of some candidates."""
        chosen = list(bought)
        if not chosen:
            return self.now
        observed = self.among[np.ix_(chosen, chosen)] + np.diag(self.noise[chosen])
        told = np.linalg.solve(np.linalg.cholesky(observed), self.across[:, chosen].T)
        return self.now - float((told**2).sum()) / len(self.target)

    def reductions(self) -> np.ndarray:
        """By how much one run of each candidate lowers the targets' mean variance: (candidate)."""
        variance = np.maximum(np.diagonal(self.among), 0) + self.noise
        return (self.across**2).mean(0) / variance


@dataclass(frozen=True, eq=False)
class Basket:
    """Runs in the order in which they are bought.

    Attributes
    ----------
    bought : tuple of int
        Positions of candidates.
    cost : float
        Of all of them.
    left : float
        Mean variance of the targets then.
    path : ndarray (step)
        The same after each.
    """

    bought: tuple[int, ...]
    cost: float
    left: float
    path: np.ndarray


def greedy(
    beliefs: Beliefs,
    budget: float,
    *,
    most: int | None = None,
    exponent: float = 1.0,
    repeats: int = 1,
    until: float = 0.0,
) -> Basket:
    """Buy, again and again, the run that reduces the targets' variance most for its cost.

    Parameters
    ----------
    beliefs : Beliefs
    budget : float
        For all runs together.
    most : int, optional
        Runs; by default 60.
    exponent : float
        Of the cost by which a reduction is divided; with 0 the greatest reduction is bought.
    repeats : int
        How often a candidate can be bought at most.
    until : float
        Stops at this variance.
    """
    cost, noise = beliefs.cost, beliefs.noise
    across = beliefs.across.copy()
    variance = np.diagonal(beliefs.among).copy()
    most = min(_MOST_RUNS if most is None else most, len(cost) * repeats)
    rows = np.empty((most, len(cost)))
    bought: list[int] = []
    path: list[float] = []
    times = np.zeros(len(cost), int)
    spent, left = 0.0, beliefs.now
    weight = cost**exponent
    while left > until and len(bought) < most:
        open_ = (cost <= (budget - spent) * (1 + 1e-9)) & (times < repeats)
        gain = (across**2).mean(0) / (np.maximum(variance, 0) + noise)
        gain = np.where(open_ & (gain > _NOTHING * left), gain, 0)
        if not gain.any():
            break
        best = int((gain / weight).argmax())
        scale = np.sqrt(max(variance[best], 0) + noise[best])
        known = rows[: len(bought)]
        row = (beliefs.among[best] - known[:, best] @ known) / scale
        across = across - np.outer(across[:, best] / scale, row)
        variance = variance - row**2
        rows[len(bought)] = row
        bought.append(best)
        times[best] += 1
        spent, left = spent + float(cost[best]), left - float(gain[best])
        path.append(left)
    return Basket(tuple(bought), spent, left, np.array(path))


def best_basket(
    beliefs: Beliefs, budget: float, *, most: int | None = None, repeats: int = 1
) -> Basket:
    """The set within a budget that leaves the least variance, of those that greed finds.

    With a number of runs at most, each run is then exchanged for a better one while there is one,
    and those that add next to nothing are left out.
    """
    baskets = [
        greedy(beliefs, budget, most=most, exponent=exponent, repeats=repeats)
        for exponent in _EXPONENTS
    ]
    best = min(baskets, key=lambda basket: basket.left)
    return best if most is None else _exchanged(beliefs, best, budget, repeats)


def _exchanged(beliefs: Beliefs, basket: Basket, budget: float, repeats: int) -> Basket:
    bought = list(basket.bought)
    for _ in range(3):
        before = list(bought)
        for place in range(len(bought)):
            others = bought[:place] + bought[place + 1 :]
            spare = budget - float(beliefs.cost[others].sum())
            rest = beliefs.given(others)
            times = np.bincount(others, minlength=len(beliefs.cost)) if others else 0
            open_ = (beliefs.cost <= spare * (1 + 1e-9)) & (times < repeats)
            gain = np.where(open_, rest.reductions(), -1)
            if gain.max() > gain[bought[place]] * (1 + 1e-9):
                bought[place] = int(gain.argmax())
        if bought == before:
            break
    while len(bought) > 1:
        left = beliefs.left(bought)
        without = [beliefs.left(bought[:i] + bought[i + 1 :]) for i in range(len(bought))]
        least = int(np.argmin(without))
        if without[least] - left > _LITTLE * left:
            break
        del bought[least]
    path = np.array([beliefs.left(bought[: i + 1]) for i in range(len(bought))])
    left = float(path[-1]) if bought else beliefs.now
    return Basket(tuple(bought), float(beliefs.cost[bought].sum()), left, path)


def certainty(beliefs: Beliefs, budgets: Sequence[float], repeats: int = 1) -> list[Basket]:
    """The best basket of each budget, in rising order: none is worse than a cheaper one."""
    curve: list[Basket] = []
    for budget in budgets:
        found = best_basket(beliefs, budget, repeats=repeats)
        if curve and curve[-1].left <= found.left:
            found = curve[-1]
        curve.append(found)
    return curve


def cheapest_below(
    beliefs: Beliefs, variance: float, budget: float, *, repeats: int = 1
) -> Basket | None:
    """The cheapest set found that leaves at most this variance; None if no budget below gets there.

    Bisects the budget, in logarithms.
    """
    found = best_basket(beliefs, budget, repeats=repeats)
    if found.left > variance:
        return None
    low, high = float(beliefs.cost.min()) / 2, found.cost
    for _ in range(25):
        middle = float(np.sqrt(low * high))
        trial = min(
            (
                greedy(beliefs, middle, exponent=e, repeats=repeats, until=variance)
                for e in _EXPONENTS
            ),
            key=lambda basket: (basket.left > variance, basket.cost),
        )
        if trial.left <= variance * (1 + 1e-9):
            found, high = trial, min(middle, trial.cost)
        else:
            low = middle
        if high / low < 1.02:
            break
    return found


def regret(mean: np.ndarray, covariance: np.ndarray) -> Callable[[Beliefs, int], float]:
    """What a wrong choice among the targets is expected to cost, after one run of a candidate.

    Parameters
    ----------
    mean : ndarray (target)
        The better, the lower.
    covariance : ndarray (target, target)

    Returns
    -------
    callable
        Of beliefs and a candidate's position: the expected excess of the target then chosen over
        the best one, in the unit of `mean`. With -1, before any run.

    Notes
    -----
    The outcome moves the means along one line (Frazier, Powell and Dayanik 2009), over which the
    expectation is a sum; the best of the targets, were all known, is of fixed Normal draws.
    """
    rng = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    drawn = mean + rng.standard_normal((20_000, len(mean))) @ root.T
    best = float(drawn.min(1).mean())
    outcomes = scipy.special.ndtri((np.arange(201) + 0.5) / 201)

    def after(beliefs: Beliefs, candidate: int) -> float:
        if candidate < 0:
            return max(float(mean.min()) - best, 0.0)
        variance = max(beliefs.among[candidate, candidate], 0) + beliefs.noise[candidate]
        along = beliefs.across[:, candidate] / np.sqrt(variance)
        chosen = float((mean + outcomes[:, None] * along).min(1).mean())
        return max(chosen - best, 0.0)

    return after


def information(means: np.ndarray, deviations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How much one run tells about which law holds: the mutual information of law and outcome.

    Parameters
    ----------
    means, deviations : ndarray (law, candidate)
        Of a run's outcome under each law, taken as Normal.
    weights : ndarray (law)
        Probability of each; they sum to 1.

    Returns
    -------
    ndarray (candidate)
        In bits: 1 tells two laws of equal weight apart for sure.
    """
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(31)
    node_weights = node_weights / node_weights.sum()
    told = np.zeros(means.shape[1])
    for law, weight in enumerate(weights):
        y = means[law] + deviations[law] * nodes[:, None]
        densities = [
            np.log(w) - np.log(d) - 0.5 * ((y - m) / d) ** 2
            for m, d, w in zip(means, deviations, weights, strict=True)
        ]
        own = densities[law] - np.log(weight)
        told += weight * node_weights @ (own - np.logaddexp.reduce(densities, axis=0))
    return np.maximum(told, 0) / np.log(2)
