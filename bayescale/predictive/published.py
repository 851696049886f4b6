"""Published laws as predictive distributions: one draw, their constants, without noise."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.laws import LAWS
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive

# Where published constants are centred; any place gives the same curve.
_CENTRE = {"params": 1e10, "tokens": 2e11, "unique_tokens": 2e11}


def published(name: str) -> Predictive:
    """The predictive distribution of a published law, of `data/published_laws.toml`.

    Of the curve alone, as sources state no observation noise. Ask it anywhere with
    `published(name).at({"params": ..., "tokens": ...}).draws("curve")`: natural logarithms (run).

    Raises
    ------
    BayescaleError
        If there is none of this name, or it is no law of the loss.
    """
    laws = bundled.published_laws()
    of_the_loss = [key for key, entry in laws.items() if "constants" in entry]
    if name in laws and name not in of_the_loss:
        raise BayescaleError(
            f"{name}: its source prints an allocation of compute, not a law of the loss; only "
            f"`bayescale plan optimum` can use it; laws: {', '.join(of_the_loss)}"
        )
    if name not in of_the_loss:
        raise bundled.unknown("published law of the loss", name, of_the_loss)
    entry = laws[name]
    law = LAWS[entry["law"]]
    # Constants are known, so there are no priors to check.
    spec = Spec.model_construct(
        name=name,
        title=entry["citation"],
        law=law,
        response=entry.get("response", "loss"),
        corpora=(),
        params="total",
        noise=None,
        priors={},
        effects={},
        discrepancy={},
    )
    constants = law.sampled(entry["constants"], _CENTRE)
    draws = {
        key: xr.DataArray(np.full((1, 1), value), dims=SAMPLE_DIMS)
        for key, value in constants.items()
    }
    origin = {key: xr.DataArray([0.0], dims="run") for key in law.inputs}
    return Predictive(spec, draws, origin, _CENTRE, None, seed=0)
