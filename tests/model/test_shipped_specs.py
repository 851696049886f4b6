"""Every shipped spec samples cleanly on its data, and says what the data say."""

import numpy as np
import pytest

from bayescale import Fit, Runs, ScalingModel, Spec
from bayescale.base import bundled
from bayescale.base.intervals import interval

BESIROGLU = {"E": 1.8172, "alpha": 0.3478, "beta": 0.3658, "a": 0.513, "A": 482.01, "B": 2085.43}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in bundled.specs()
        if Spec.load(name).law.centred and name not in ("compute-only", "data-constrained")
    ],
)
def test_default_settings_sample_cleanly(name: str, table: Runs) -> None:
    fit = ScalingModel(Spec.load(name).replace(response="bpc")).fit(table)
    assert fit.convergence.r_hat <= 1.01, fit.convergence
    assert fit.convergence.ess_bulk >= 400, fit.convergence
    assert fit.convergence.divergences == 0
    observed, replicated = fit.observed, interval(fit.replicates())
    inside = (observed >= replicated["lower"]) & (observed <= replicated["upper"])
    assert float(inside.mean()) > 0.85
    if Spec.load(name).corpora:
        predicted = fit.predict({"params": 7e10, "tokens": 1e12, "family": "Qwen"}, "curve")
        table_ = predicted.table().set_index("corpus")["median"]
        assert table_["common_crawl"] > table_["arxiv_math"] > table_["python"]


@pytest.mark.slow
def test_repeated_data_give_muennighoffs_constants(data_constrained: Fit) -> None:
    """On the published rows, loss below 4 and up to 20 passes (arXiv 2305.16264: 15.39, 5.31)."""
    assert data_constrained.convergence.r_hat <= 1.01
    assert data_constrained.convergence.ess_bulk >= 400
    assert data_constrained.convergence.divergences == 0
    summary = data_constrained.summary()
    for name, published in {"R_D": 15.39, "R_N": 5.31}.items():
        assert summary.loc[name, "lower"] < published < summary.loc[name, "upper"], name
    assert len(data_constrained.runs) == 79


def test_the_default_samples_cleanly(fitted: Fit) -> None:
    assert fitted.convergence.passed
    assert fitted.convergence.r_hat <= 1.01
    assert fitted.convergence.ess_bulk >= 400
    assert fitted.convergence.divergences == 0


def test_chinchillas_240_points_give_besiroglus_constants(chinchilla_240: Fit) -> None:
    assert chinchilla_240.convergence.passed
    summary = chinchilla_240.summary()
    for name, published in BESIROGLU.items():
        row = summary.loc[name]
        assert row["lower"] < published < row["upper"], name


def test_the_compute_optimal_exponent_is_sharper_than_its_parts(chinchilla_240: Fit) -> None:
    """alpha and beta are correlated: their draws, not their intervals, must be combined."""
    posterior = chinchilla_240.posterior
    a = posterior["beta"] / (posterior["alpha"] + posterior["beta"])
    np.testing.assert_allclose(a, posterior["a"])
