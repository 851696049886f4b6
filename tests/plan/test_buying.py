"""Buying by a Normal belief: updates are exact, greed is near the best set, curves only fall."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bayescale.plan.buying import (
    Beliefs,
    best_basket,
    certainty,
    cheapest_below,
    greedy,
    information,
    regret,
)


def beliefs(seed: int = 0, candidates: int = 9) -> Beliefs:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((candidates + 2, 5))
    noise, cost = rng.uniform(0.05, 0.3, candidates), rng.uniform(1, 10, candidates)
    return Beliefs.of(root @ root.T, noise, cost, 2)


def test_a_purchase_is_the_normal_given_its_outcomes() -> None:
    one, bought = beliefs(), [3, 0, 3]
    every = np.block([[one.target, one.across], [one.across.T, one.among]])
    rows = 2 + np.array(bought)
    seen = every[np.ix_(rows, rows)] + np.diag(one.noise[bought])
    left = every - every[:, rows] @ np.linalg.solve(seen, every[rows])
    given = one.given(bought)
    assert given.target == pytest.approx(left[:2, :2])
    assert given.across == pytest.approx(left[:2, 2:])
    assert given.among == pytest.approx(left[2:, 2:])
    assert one.left(bought) == pytest.approx(np.trace(left[:2, :2]) / 2)


def test_the_path_of_a_basket_is_what_its_runs_leave() -> None:
    one = beliefs()
    basket = greedy(one, 25.0, repeats=2)
    lefts = [one.left(basket.bought[: i + 1]) for i in range(len(basket.bought))]
    assert basket.path == pytest.approx(lefts)
    assert basket.cost == pytest.approx(one.cost[list(basket.bought)].sum())
    assert basket.cost <= 25


@pytest.mark.parametrize("seed", range(6))
def test_a_set_is_nearly_the_best_there_is(seed: int) -> None:
    one = beliefs(seed)
    sets = [
        list(chosen)
        for size in range(1, 4)
        for chosen in combinations(range(9), size)
        if one.cost[list(chosen)].sum() <= 15
    ]
    best = one.now - min(map(one.left, sets))
    assert one.now - best_basket(one, 15, most=3).left > 0.97 * best


def test_more_money_never_leaves_more_and_the_cheapest_set_is_enough() -> None:
    one = beliefs(2, 30)
    curve = certainty(one, [2, 4, 8, 16, 32, 64])
    lefts = [basket.left for basket in curve]
    assert lefts == sorted(lefts, reverse=True)
    aim = (one.now + lefts[-1]) / 2
    enough = cheapest_below(one, aim, 64)
    assert enough is not None
    assert one.left(enough.bought) <= aim * (1 + 1e-9)
    assert enough.cost <= 64
    assert cheapest_below(one, lefts[-1] / 1e3, 64) is None


def test_information_tells_laws_apart_only_where_they_differ() -> None:
    means = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 50.0]])
    bits = information(means, np.ones((2, 3)), np.array([0.5, 0.5]))
    assert bits[0] == pytest.approx(0, abs=1e-6)
    assert 0.05 < bits[1] < 0.3  # two Normals one deviation apart: .17
    assert bits[2] == pytest.approx(1, abs=1e-6)


def test_a_run_at_a_doubtful_choice_lowers_its_regret() -> None:
    same = np.eye(2) * 0.04
    cost = np.ones(2)
    one = Beliefs(same, same.copy(), same.copy(), np.array([1e-9, 1e3]), cost)
    after = regret(np.array([1.0, 1.01]), same)
    now = after(one, -1)
    assert now > 0.03
    assert after(one, 0) < 0.5 * now
    assert after(one, 1) == pytest.approx(now, rel=0.05)
