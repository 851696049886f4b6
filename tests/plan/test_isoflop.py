"""Envelope and IsoFLOP parabolas: known exponents, coverage by simulation, the bias by the grid."""

import numpy as np
import pandas as pd
import pytest

from bayescale import Runs, Spec
from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.plan.isoflop import Approach, approaches
from bayescale.plan.regression import measured_regression_draws, regression_draws

SPEC = Spec.load("chinchilla").replace(response="loss", groups=False)
BUDGETS = np.geomspace(1e18, 1e21, 7)
A = 0.5


def best(flops: np.ndarray) -> np.ndarray:
    """N* of a budget, in parameters."""
    return 0.1 * flops**A


def estimates(
    sizes: np.ndarray, optima: np.ndarray, noise: float, rng: np.random.Generator
) -> tuple[Approach, Approach]:
    """Both approaches on runs (budget, size) whose loss is a parabola in ln N around optima."""
    loss = 2.5 + 0.05 * np.log(sizes / optima[:, None]) ** 2
    flops = np.repeat(BUDGETS, sizes.shape[1])
    params, loss = sizes.ravel(), (loss + rng.normal(0, noise, loss.shape)).ravel()
    frame = pd.DataFrame({"params": params, "tokens": flops / 6 / params, "loss": loss})
    (envelope, isoflop), notes = approaches(Runs.from_frame(frame), SPEC, 1e23, seed=0)
    assert [note.code for note in notes] == ["envelope-grid"]
    return envelope, isoflop


def around(factors: np.ndarray) -> np.ndarray:
    """Sizes (budget, size) that follow the best one."""
    return best(BUDGETS)[:, None] * factors


def holds(draws, truth: float) -> bool:
    low, high = draws.quantile([0.05, 0.95], dim=SAMPLE_DIMS)
    return bool(low < truth < high)


def test_parabolas_find_a_known_exponent() -> None:
    sizes = around(np.geomspace(0.2, 5, 9))
    envelope, isoflop = estimates(sizes, best(BUDGETS), 0.003, np.random.default_rng(0))
    for approach in (envelope, isoflop):
        assert holds(approach.a, A), approach.name
        assert holds(approach.log_params, np.log(best(1e23))), approach.name
    assert float(isoflop.a.std()) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "spread"),
    [(0.01, 0.0), (0.003, 0.2)],
    ids=["the vertices' errors dominate", "budgets differ by more than their errors"],
)
def test_intervals_of_parabolas_hold_what_they_promise(noise: float, spread: float) -> None:
    """Nominal 90 %; the vertices' errors were once counted twice, and 99.7 % held."""
    rng = np.random.default_rng(1)
    sizes = around(np.geomspace(0.2, 5, 9))
    held, count = np.zeros(2), 300
    for _ in range(count):
        optima = best(BUDGETS) * np.exp(rng.normal(0, spread, len(BUDGETS)))
        _, isoflop = estimates(sizes, optima, noise, rng)
        held += holds(isoflop.a, A), holds(isoflop.log_params, np.log(best(1e23)))
    assert (held > 0.85 * count).all(), held / count
    assert (held < 0.96 * count).all(), held / count


def test_runs_without_noise_have_an_answer() -> None:
    sizes = around(np.geomspace(0.2, 5, 9))
    _, isoflop = estimates(sizes, best(BUDGETS), 0.0, np.random.default_rng(0))
    assert float(isoflop.a.median()) == pytest.approx(A, abs=1e-4)
    assert np.isfinite(isoflop.log_params).all()


@pytest.mark.parametrize("step", [3.0, 1.5, 1.1])
def test_the_envelope_says_its_bias_by_the_grid(step: float) -> None:
    """Without noise all that is wrong is the grid: the same sizes at every budget."""
    reach = int(np.log(100) / np.log(step))
    grid = 6e8 * step ** np.arange(-reach, reach + 1.0)
    sizes = np.tile(grid, (len(BUDGETS), 1))
    envelope, isoflop = estimates(sizes, best(BUDGETS), 0.0, np.random.default_rng(0))
    wrong = abs(float(envelope.a.median()) - A)
    assert wrong <= envelope.a_grid
    assert abs(float(envelope.log_params.median()) - np.log(best(1e23))) <= envelope.log_params_grid
    x = np.log(BUDGETS) - np.log(BUDGETS).mean()
    assert envelope.a_grid == pytest.approx(np.log(step) / 2 * np.abs(x).sum() / (x @ x))
    assert isoflop.a_grid == isoflop.log_params_grid == 0
    (note,) = envelope.notes
    assert f"within a factor of {step**0.5:.2f}" in note.text
    assert f"shift its a by {envelope.a_grid:.2f}" in note.text


def test_the_reference_posterior_of_a_regression_is_calibrated() -> None:
    """Its 90 % intervals hold the true slope in nine of ten data sets."""
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(6), np.linspace(-1, 1, 6)])
    held = 0
    for _ in range(400):
        slope = regression_draws(x, x @ [1.0, 2.0] + rng.normal(0, 0.3, 6), rng, 400)[:, 1]
        low, high = np.quantile(slope, [0.05, 0.95])
        held += low < 2.0 < high
    assert 0.85 < held / 400 < 0.95
    with pytest.raises(BayescaleError, match="regression needs more"):
        regression_draws(x[:2], np.ones(2), rng, 10)
    with pytest.raises(BayescaleError, match="regression needs more"):
        measured_regression_draws(x[:2], np.ones(2), np.ones(2), rng, 10)


def test_errors_that_vanish_leave_the_reference_posterior() -> None:
    """Responses known exactly: both regressions are one."""
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(7), np.linspace(-1, 1, 7)])
    y = x @ [1.0, 2.0] + rng.normal(0, 0.3, 7)
    exact = regression_draws(x, y, rng, 20_000)
    measured = measured_regression_draws(x, y, np.full(7, 1e-4), rng, 20_000)
    for probability in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(
            np.quantile(measured, probability, axis=0),
            np.quantile(exact, probability, axis=0),
            atol=0.03,
        )


def test_a_response_with_a_large_error_counts_little() -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(6), np.arange(6.0)])
    y = x @ [1.0, 2.0] + rng.normal(0, 0.01, 6)
    errors = np.full(6, 0.01)
    y[5], errors[5] = y[5] + 5, 5.0
    slope = measured_regression_draws(x, y, errors, rng, 4000)[:, 1]
    assert np.median(slope) == pytest.approx(2.0, abs=0.02)
    assert np.std(slope) < 0.05
