"""Tests of uniformity pass what is uniform at their level, and name what is not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.evaluation.calibration import uniformity
from bayescale.evaluation.uniformity import smooth_test


def ranks_of(shift: float, simulations: int, columns: int, spread: float = 1.0) -> pd.DataFrame:
    """Ranks of true values in posteriors that are shifted, by so many ranks on average."""
    rng = np.random.default_rng(3)
    centre = np.sqrt(1 + spread**2) * stats.norm.ppf(0.5 + shift / 100)
    places = stats.norm.cdf(rng.normal(centre, spread, (simulations, columns)))
    return pd.DataFrame(np.minimum((100 * places).astype(int), 99))


def test_uniform_ranks_pass_at_the_nominal_rate() -> None:
    p_values = uniformity(ranks_of(0, 200, 1000))
    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert (p_values < 0.01).mean() == pytest.approx(0.01, abs=0.009)


@pytest.mark.parametrize(
    ("shift", "simulations", "level", "caught"),
    [
        (17, 200, 0.001, 1.0),  # of ten parameters, at a level of 1 % over all
        (17, 50, 0.05, 0.9),
        (10, 200, 0.001, 0.7),
        (5, 200, 0.05, 0.5),
        (5, 400, 0.05, 0.8),
    ],
)
def test_shifted_ranks_are_caught(
    shift: float, simulations: int, level: float, caught: float
) -> None:
    ranks = ranks_of(shift, simulations, 100)
    assert ranks.to_numpy().mean() == pytest.approx(49.5 + shift, abs=0.7)
    assert (uniformity(ranks) < level).mean() >= caught


@pytest.mark.parametrize("spread", [0.6, 1.6])
def test_posteriors_too_wide_or_too_narrow_are_caught(spread: float) -> None:
    assert (uniformity(ranks_of(0, 200, 20, spread)) < 0.001).all()


def test_uniform_probabilities_pass_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    for count in (5, 28, 200):
        p_values = [smooth_test(rng.random(count)).p_value for _ in range(2000)]
        assert np.mean(np.less(p_values, 0.05)) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("observed", "component", "positive"),
    [
        (stats.norm(0, 2), "dispersion", True),
        (stats.norm(0, 0.45), "dispersion", False),
        (stats.norm(1, 1), "bias", True),
        (stats.norm(-1, 1), "bias", False),
    ],
)
def test_a_misfit_is_named_at_28_runs(observed, component: str, positive: bool) -> None:
    """Of responses that a standard Normal predicts."""
    rng = np.random.default_rng(1)
    tests = [smooth_test(stats.norm.cdf(observed.rvs(28, random_state=rng))) for _ in range(100)]
    found = [(test.component, test.positive) for test in tests if test.p_value < 0.05]
    assert len(found) >= 90
    assert np.mean([misfit == (component, positive) for misfit in found]) > 0.85


def test_a_misfit_of_shape_is_not_called_bias_or_width() -> None:
    rng = np.random.default_rng(2)
    values = rng.exponential(size=(50, 100))
    standard = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    found = [smooth_test(stats.norm.cdf(row)) for row in standard]
    assert np.mean([test.p_value < 0.05 for test in found]) > 0.9
    assert np.mean([test.component in ("skewness", "tails") for test in found]) > 0.9
