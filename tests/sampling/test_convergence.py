"""Convergence is judged whole: stuck chains fail, constants do not count, depth and energy do."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from bayescale.sampling.convergence import Convergence, judge

CHAINS, DRAWS = 4, 500


def judged(stats: dict[str, Any] | None = None, **quantities: np.ndarray) -> Convergence:
    """The verdict on a good quantity and others: (chain, draw)."""
    rng = np.random.default_rng(0)
    good = rng.standard_normal((CHAINS, DRAWS))
    usual = {"diverging": np.zeros((CHAINS, DRAWS), bool), "energy": rng.normal(size=good.shape)}
    dims = ("chain", "draw")
    return judge(
        xr.Dataset({name: (dims, values) for name, values in {"good": good, **quantities}.items()}),
        xr.Dataset({name: (dims, values) for name, values in (usual | (stats or {})).items()}),
    )


def test_good_chains_pass_without_a_note() -> None:
    convergence = judged()
    assert convergence.passed
    assert not convergence.notes()
    assert convergence.worst == "good"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chains", [2, CHAINS])
def test_chains_stuck_at_different_values_fail(chains: int) -> None:
    stuck = np.repeat(np.arange(CHAINS) % chains * 1.0, DRAWS).reshape(CHAINS, DRAWS)
    convergence = judged(stuck=stuck)
    assert convergence.r_hat > 1e5
    assert np.isfinite(convergence.r_hat)  # JSON has no infinity
    assert not convergence.passed
    assert convergence.worst == "stuck"
    assert [note.code for note in convergence.notes()] == ["unconverged"]


def test_what_is_not_a_number_fails() -> None:
    broken = np.random.default_rng(1).standard_normal((CHAINS, DRAWS))
    broken[1, 7] = np.nan
    convergence = judged(broken=broken)
    assert not convergence.passed
    assert convergence.worst == "broken"


def test_a_constant_is_passed_over() -> None:
    assert judged(constant=np.full((CHAINS, DRAWS), 2.0)) == judged()


@pytest.mark.parametrize("name", ["maxdepth_reached", "reached_max_treedepth"])
def test_draws_at_the_largest_depth_are_noted(name: str) -> None:
    reached = np.arange(CHAINS * DRAWS).reshape(CHAINS, DRAWS) % 10 == 0
    convergence = judged({name: reached})
    assert convergence.saturated == pytest.approx(0.1)
    (note,) = convergence.notes()
    assert (note.code, note.level) == ("tree-depth", "warning")
    assert "10%" in note.text
    assert convergence.passed  # such draws are valid
    assert not judged({name: np.zeros((CHAINS, DRAWS), bool)}).notes()


def test_slow_energy_is_noted() -> None:
    walk = np.random.default_rng(2).standard_normal((CHAINS, DRAWS)).cumsum(axis=1)
    convergence = judged({"energy": walk})
    assert convergence.bfmi is not None
    assert convergence.bfmi < 0.3
    assert [note.code for note in convergence.notes()] == ["low-bfmi"]
