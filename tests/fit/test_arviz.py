"""ArviZ and PyMC take a fit and a model as they are."""

import arviz as az
import matplotlib as mpl
import numpy as np
import pymc as pm
import pymc.dims as pmd
import pytest
from scipy.stats import norm

from bayescale import Fit, Runs, ScalingModel

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("plot", "names"),
    [
        ("plot_trace_dist", ["level", "slope", "sigma"]),
        ("plot_forest", ["level_family", "level_tokenizer"]),
        ("plot_prior_posterior", ["slope"]),
        ("plot_psense_dist", ["slope"]),
        ("plot_ppc_dist", None),
        ("plot_loo_pit", None),
        ("plot_energy", None),
    ],
)
def test_arviz_plots_a_fit(fitted: Fit, plot: str, names: list[str] | None) -> None:
    mpl.use("Agg")
    chosen = {} if names is None else {"var_names": names}
    drawn = getattr(az, plot)(fitted.data, **chosen)
    figure = drawn.viz["figure"].item()
    assert any(axis.lines or axis.collections for axis in figure.axes)
    mpl.pyplot.close(figure)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_arviz_scores_a_fit(fitted: Fit) -> None:
    loo = az.loo(fitted.data)
    assert loo.n_data_points == len(fitted.runs)
    assert np.isfinite(loo.elpd)
    assert set(az.psense(fitted.data).data_vars) >= {"level", "slope", "sigma"}


def test_a_term_can_be_added_to_the_model(table: Runs) -> None:
    """The example of the docstring."""
    with ScalingModel("compute-only", groups=False).model(table) as model:
        assert isinstance(model, pm.Model)
        assert len(model.coords["run"]) == len(table)
        at = model.initial_point()
        alone = model.compile_logp(mode="FAST_COMPILE")(at)
        pmd.Normal("another_study", model["slope"], 0.0005, observed=-0.026)
    term = norm.logpdf(-0.026, at["slope"], 0.0005)
    assert model.compile_logp(mode="FAST_COMPILE")(at) == pytest.approx(alone + term)


@pytest.mark.long
def test_a_term_pulls_the_posterior(table: Runs, fitted: Fit) -> None:
    with ScalingModel("compute-only", groups=False).model(table) as model:
        pmd.Normal("another_study", model["slope"], 0.0005, observed=-0.026)
        result = pm.sample(draws=300, tune=400, chains=2, cores=1, random_seed=1, progressbar=False)
    together = float(result["posterior"]["slope"].mean())
    assert float(fitted.posterior["slope"].mean()) == pytest.approx(-0.030, abs=0.001)
    assert -0.0275 < together < -0.0255
