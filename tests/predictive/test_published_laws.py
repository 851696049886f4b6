"""Published constants answer through the same predictive distribution as fits."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from bayescale import BayescaleError
from bayescale.predictive.published import published


def test_hoffmanns_law_is_its_formula() -> None:
    sizes = {"params": [7e10, 1e9], "tokens": [1.4e12, 2e10]}
    logs = {name: xr.DataArray(np.log(counts), dims="run") for name, counts in sizes.items()}
    curve = published("hoffmann-2022").at(logs).draws("curve").to_numpy().ravel()
    n, d = (np.array(counts) for counts in sizes.values())
    np.testing.assert_allclose(curve, 1.69 + 406.4 / n**0.34 + 410.7 / d**0.28, rtol=1e-6)


def test_sources_state_no_noise() -> None:
    with pytest.raises(BayescaleError, match="states no observation noise"):
        published("hoffmann-2022").draws("run")
    with pytest.raises(BayescaleError, match="prints an allocation"):
        published("hoffmann-2022-approach-1")
