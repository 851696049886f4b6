"""Testing: simulated runs whose law is known, to test a law, a spec or an analysis of one's own.

>>> from bayescale import Spec, ScalingModel
>>> from bayescale.testing import ladder, simulate
>>> spec = Spec.load("compute-only").replace(groups=False)
>>> truth = {"level": 0.45, "slope": -0.03, "sigma": 0.005, "nu": 5.0}
>>> fit = ScalingModel(spec).fit(simulate(spec, ladder(), truth, seed=3))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.model.design import design
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.runs.table import Runs


def ladder(families: int = 1) -> Runs:
    """A grid of 10 sizes and 10 durations, shared out at random among families.

    Parameters
    ----------
    families : int
        How many; they are named f0, f1, ...

    Returns
    -------
    Runs
        100 runs of 5e7 to 1e10 parameters and 1e9 to 1e12 tokens, of which 1, 1/2, 1/5 or 1/20
        are unique. Every response is 1 until `simulate` draws it.
    """
    params, tokens = np.meshgrid(np.geomspace(5e7, 1e10, 10), np.geomspace(1e9, 1e12, 10))
    frame = pd.DataFrame({"params": params.ravel(), "tokens": tokens.ravel(), "bpc": 1.0})
    frame["unique_tokens"] = frame["tokens"] / np.resize([1, 2, 5, 20], len(frame))
    labels = np.random.default_rng(1).integers(families, size=len(frame))
    return Runs.from_frame(frame.assign(family=[f"f{i}" for i in labels], tokenizer="t"))


def simulate(spec: Spec, runs: Runs, truth: Mapping[str, Any], seed: int) -> Runs:
    """The same runs with responses drawn from a spec at known parameters.

    Parameters
    ----------
    spec : Spec
        Without a discrepancy.
    runs : Runs
        Their responses are replaced.
    truth : mapping
        A value for each of the law's sampled parameters and of the noise's; for each group effect
        a DataArray over the group's dim.
    seed : int
    """
    arrays = design(spec, runs)
    values = xr.Dataset(truth).expand_dims(chain=1, draw=1)
    response = Predictive.of_design(spec, values, arrays, seed).replicates()
    response = response.isel(chain=0, draw=0)
    return Runs.from_frame(runs.table.assign(**{spec.response: response.to_numpy()}))
