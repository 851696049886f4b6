"""Calibration by simulation: does the sampler recover what the prior put in?

Draw parameters from the prior, responses from the parameters, fit, and rank the true value among
the posterior's draws. If model and sampler are right, the ranks are uniform (Talts et al. 2018,
arXiv 1804.06788). One compiled sampler serves all simulations.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayescale import priors
from bayescale.design import design
from bayescale.inference import Sampler
from bayescale.intervals import SAMPLE_DIMS
from bayescale.predict import simulated
from bayescale.runs import Runs
from bayescale.settings import Settings
from bayescale.spec import Spec

# Draws kept of each posterior, far enough apart to be nearly independent.
_KEPT = 99


def simulated_ranks(
    spec: Spec, runs: Runs, simulations: int, settings: Settings, *, first: int = 0
) -> pd.DataFrame:
    """Ranks of true values among 99 posterior draws, for runs with the inputs of `runs`.

    Parameters
    ----------
    spec : Spec
    runs : Runs
        Parameters, tokens and groups; responses are simulated.
    simulations : int
    settings : Settings
        Of each refit; its seed starts the simulations too.
    first : int
        Number of the first simulation, so that several processes can share the work.

    Returns
    -------
    DataFrame
        A row a simulation, a column a scalar parameter; 0 to 99, uniform if calibrated.
    """
    sampler = Sampler(spec, design(spec, runs))
    total = first + simulations
    truth = priors.draws(spec, sampler.design, total, settings.seed)
    responses = simulated(spec, sampler.design.data, truth, settings.seed).isel(chain=0)
    rows = {}
    for i in range(first, total):
        posterior, _ = sampler.sample(
            replace(settings, seed=settings.seed + i),
            data={"response": responses.isel(draw=i).values},
        )
        rows[i] = _ranks(spec, truth.isel(chain=0, draw=i), posterior)
    return pd.DataFrame.from_dict(rows, orient="index")


def _ranks(spec: Spec, truth: xr.Dataset, posterior: xr.Dataset) -> dict[str, int]:
    names = [*spec.all_priors()]
    names += [effect.name for effect in spec.effect_list()]
    names += ["tokens_z"] if "tokens_z" in posterior else []
    ranks = {}
    for name in names:
        # Of a vector its first element: every element's rank is uniform by itself.
        first = dict.fromkeys((d for d in posterior[name].dims if d not in SAMPLE_DIMS), 0)
        draws = posterior[name].isel(first).values.ravel()
        kept = draws[np.linspace(0, draws.size - 1, _KEPT).astype(int)]
        ranks[name] = int((kept < float(truth[name].isel(first))).sum())
    return ranks


def uniformity(ranks: pd.DataFrame, bins: int = 10) -> pd.Series:
    """p-value of a chi-square test that each column's ranks are uniform over 0 to 99."""
    counts = ranks.apply(lambda column: np.histogram(column, bins, (0, _KEPT + 1))[0])
    return counts.apply(lambda column: float(stats.chisquare(column).pvalue))
