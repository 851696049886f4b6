"""The retry policy, on verdicts as they may come; real refits are in other tests."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayescale import Settings
from bayescale.sampling.convergence import Convergence
from bayescale.sampling.retry import Sampled, until_converged

GOOD = Convergence(r_hat=1.005, ess_bulk=900, ess_tail=900, divergences=0, worst="slope")
FEW, FAR = replace(GOOD, ess_tail=300), replace(GOOD, r_hat=1.3)
DIVERGED = replace(GOOD, divergences=1)


def sampled_with(*verdicts: Convergence) -> tuple[Sampled, list[Settings]]:
    """What the policy makes of attempts that end so; and the settings of each."""
    attempts: list[Settings] = []
    draws = xr.Dataset({"slope": (("chain", "draw"), np.zeros((2, 3)))})

    def sample(settings: Settings) -> tuple[xr.Dataset, xr.Dataset]:
        attempts.append(settings)
        return draws, draws

    left = iter(verdicts)
    settings = Settings(draws=100, tune=100, chains=2, seed=5)
    return until_converged(sample, lambda *_: next(left), settings, len(verdicts)), attempts


def test_as_many_chains_join_where_that_may_do() -> None:
    sampled, attempts = sampled_with(FEW, GOOD, GOOD)
    assert [s.draws for s in attempts] == [100, 100]
    assert len({s.seed for s in attempts}) == 2
    assert list(sampled.posterior["chain"].values) == [0, 1, 2, 3]
    assert sampled.settings == Settings(draws=100, tune=100, chains=4, seed=5)
    (retry,) = sampled.retries
    assert retry.convergence == FEW
    assert str(retry) == "as many chains joined them, and all count together"


@pytest.mark.parametrize(
    "first", [FAR, replace(FEW, r_hat=1.021), DIVERGED, replace(FEW, ess_bulk=199)]
)
def test_longer_chains_take_the_place_of_others(first: Convergence) -> None:
    sampled, attempts = sampled_with(first, GOOD, GOOD)
    assert sampled.posterior.sizes["chain"] == 2
    assert [retry.action for retry in sampled.retries] == ["replaced"]
    assert str(sampled.retries[0]).endswith("after 200 of tuning replaced them")
    assert attempts[1].tune == 200
    assert (attempts[1].target_accept or 0) >= 0.98
    # No more draws where only their steps were too large: they have more chances to diverge.
    assert attempts[1].draws == (100 if first is DIVERGED else 300)


def test_the_last_round_is_of_longer_chains() -> None:
    sampled, attempts = sampled_with(FEW, FEW, FEW)
    assert [s.tune for s in attempts] == [100, 100, 200]
    assert sampled.posterior.sizes["chain"] == 2
    assert sampled.convergence == FEW
    assert [retry.action for retry in sampled.retries] == ["joined", "replaced"]


def test_longer_chains_are_joined_by_as_many() -> None:
    sampled, attempts = sampled_with(DIVERGED, FEW, GOOD)
    assert [retry.action for retry in sampled.retries] == ["replaced", "joined"]
    assert [s.tune for s in attempts] == [100, 200, 200]
    assert sampled.posterior.sizes["chain"] == 4
