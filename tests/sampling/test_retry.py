"""The policy of sampling again, on verdicts as they may come; real refits are in other tests."""

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
    """What the policy makes of rounds that end so; and the settings of each."""
    asked: list[Settings] = []
    draws = xr.Dataset({"slope": (("chain", "draw"), np.zeros((2, 3)))})

    def sample(settings: Settings) -> tuple[xr.Dataset, xr.Dataset]:
        asked.append(settings)
        return draws, draws

    said = iter(verdicts)
    settings = Settings(draws=100, tune=100, chains=2, seed=5)
    found = until_converged(sample, lambda *_: next(said), settings, len(verdicts))
    return found, asked


def test_as_many_chains_join_where_that_may_do() -> None:
    found, asked = sampled_with(FEW, GOOD, GOOD)
    assert [s.draws for s in asked] == [100, 100]
    assert len({s.seed for s in asked}) == 2
    assert list(found.posterior["chain"].values) == [0, 1, 2, 3]
    assert found.settings == Settings(draws=100, tune=100, chains=4, seed=5)
    assert [verdict for verdict, _ in found.failed] == [FEW]


@pytest.mark.parametrize(
    "first", [FAR, replace(FEW, r_hat=1.021), DIVERGED, replace(FEW, ess_bulk=199)]
)
def test_longer_chains_take_the_place_of_others(first: Convergence) -> None:
    found, asked = sampled_with(first, GOOD, GOOD)
    assert found.posterior.sizes["chain"] == 2
    assert asked[1].tune == 200
    assert (asked[1].target_accept or 0) >= 0.98
    # No more draws where only their steps were too large: they have more chances to diverge.
    assert asked[1].draws == (100 if first is DIVERGED else 300)


def test_the_last_round_is_of_longer_chains() -> None:
    found, asked = sampled_with(FEW, FEW, FEW)
    assert [s.tune for s in asked] == [100, 100, 200]
    assert found.posterior.sizes["chain"] == 2
    assert found.convergence == FEW
    assert len(found.failed) == 2


def test_longer_chains_are_joined_by_as_many() -> None:
    found, asked = sampled_with(DIVERGED, FEW, GOOD)
    assert [s.tune for s in asked] == [100, 200, 200]
    assert found.posterior.sizes["chain"] == 4
