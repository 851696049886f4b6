"""Settings that cannot be sampled are refused before anything is."""

import numpy as np
import pytest

from bayescale import BayescaleError, Settings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"draws": 100_000_000_000}, "draws=100000000000: must lie between 100 and 1000000"),
        ({"chains": 100_000}, "chains=100000: must lie between 2 and 1000"),
        ({"tune": 10**9}, "tune=1000000000"),
        ({"seed": 2**64}, "seed="),
        ({"seed": -1}, "seed=-1"),
        ({"draws": 99}, "draws=99"),
        ({"draws": 1e3}, "whole number"),
        ({"draws": 1_000_000, "chains": 1000}, "fit in memory"),
        ({"target_accept": float("nan")}, "target_accept=nan"),
    ],
)
def test_bounds(settings: dict, says: str) -> None:
    with pytest.raises(BayescaleError, match=says):
        Settings(**settings)


def test_what_can_be_sampled_is_taken() -> None:
    assert Settings(draws=np.int64(100), tune=100, chains=2, seed=2**63 - 1).draws == 100
