"""Chains stop once their draws are enough, at a number that no clock decides."""

import time

import numpy as np
import pytest
import xarray as xr

from bayescale import Runs, Settings, Spec
from bayescale.model.design import design
from bayescale.sampling import chains
from bayescale.sampling.convergence import Convergence, judge
from bayescale.sampling.retry import until_converged
from bayescale.sampling.sampler import Sampler


@pytest.fixture(scope="module")
def sampler(table: Runs) -> Sampler:
    spec = Spec.load("separate-slopes").replace(groups=False)
    return Sampler(spec, design(spec, table.keep("tokens == tokens")))


def test_draws_are_made_until_they_are_enough(sampler: Sampler) -> None:
    few, many = (sampler.sample(Settings(draws=5000, tune=300, ess=ess)) for ess in (400, 4000))
    for (posterior, stats), ess in ((few, 400), (many, 4000)):
        found = judge(posterior, stats)
        assert min(found.ess_bulk, 2 * found.ess_tail) >= ess
        assert found.r_hat <= 1.01
        assert stats.sizes["draw"] == posterior.sizes["draw"]
    assert few[0].sizes["draw"] < many[0].sizes["draw"] < 5000
    # What was drawn first does not depend on when it ended.
    shorter = few[0].sizes["draw"]
    xr.testing.assert_identical(few[0], many[0].isel(draw=slice(shorter)))


def test_one_seed_gives_the_same_draws_wherever_the_arrays_lie(table: Runs) -> None:
    """Arrays lie elsewhere in each run; with sums in any order one chain in four differed."""
    spec = Spec.load("compute-only").replace(groups=False)
    sampler, short = Sampler(spec, design(spec, table)), Settings(draws=100, tune=100)
    found = {sampler.sample(short)[0]["level"].to_numpy().tobytes() for _ in range(12)}
    assert len(found) == 1


def test_no_more_are_made_than_asked_for_and_all_where_nothing_stops_them(
    sampler: Sampler,
) -> None:
    for settings in (Settings(draws=250, tune=200, ess=100_000), Settings(draws=250, tune=200)):
        posterior, _ = sampler.sample(settings)
        assert posterior.sizes["draw"] == 250
    assert Settings(ess=500).replace(draws=300).ess is None
    assert Settings(ess=500).replace(draws=300, ess=200).ess == 200


def test_the_clock_does_not_decide_how_many(sampler: Sampler, monkeypatch) -> None:
    settings = Settings(draws=3000, tune=300, ess=1000, seed=4)
    first, _ = sampler.sample(settings)
    needed = chains._needed

    def slowly(*arguments):
        time.sleep(0.5)  # the chains run to their ends meanwhile
        return needed(*arguments)

    monkeypatch.setattr(chains, "_needed", slowly)
    again, _ = sampler.sample(settings)
    xr.testing.assert_identical(first, again)


def test_joined_chains_are_as_long_as_the_shortest() -> None:
    lengths = iter((300, 200))
    near = Convergence(1.015, 500, 500, 0, "slope")
    passed = Convergence(1.0, 500, 500, 0, "slope")
    verdicts = iter((near, passed))

    def sample(settings: Settings) -> tuple[xr.Dataset, xr.Dataset]:
        values = np.zeros((settings.chains, next(lengths)))
        draws = xr.Dataset({"slope": (("chain", "draw"), values)})
        return draws, draws

    sampled = until_converged(sample, lambda *_: next(verdicts), Settings(), 3)
    assert dict(sampled.posterior.sizes) == {"chain": 8, "draw": 200}
