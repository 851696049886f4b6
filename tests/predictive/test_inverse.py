"""The inverse of a forecast: the probability that it states is the one that it has."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from conftest import SHARED

from bayescale import BayescaleError, Fit, Runs, ScalingModel, Settings

ISOFLOPS = SHARED / "marin_comma_isoflops.csv"


@pytest.fixture(scope="module")
def isoflops() -> Fit:
    """A fit with a discrepancy, of a table whose small runs lie far below the frontier."""
    if not ISOFLOPS.is_file():
        pytest.skip("no ../shared/data here")
    table = pd.read_csv(ISOFLOPS).sort_values("flops")
    runs = Runs.from_frame(table.iloc[::2])
    return ScalingModel("forecast").fit(
        runs, Settings(draws=400, tune=400, chains=2), show_progress=False
    )


@pytest.mark.slow
def test_a_target_is_reached_with_the_stated_probability(isoflops: Fit) -> None:
    """Twelve decades below the data, where local discrepancy explodes, no draw counts."""
    count = isoflops.posterior["level"].size
    best = float(isoflops.observed.min())
    for share in (1.02, 1.0, 0.97, 0.93):
        for prob in (0.1, 0.5, 0.8, 0.95):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                answer = isoflops.invert(share * best, tokens_per_param=20, prob=prob)
            if answer.flops is None:
                assert answer.most_probable < prob
                continue
            at = {"params": answer.params, "tokens": answer.tokens}
            reached = float(isoflops.predict(at).probability_of_reaching(share * best).item())
            assert reached == pytest.approx(prob, abs=3 / count), (share, prob)


@pytest.mark.slow
def test_nothing_is_extrapolated_below_the_data(isoflops: Fit) -> None:
    with pytest.raises(BayescaleError, match="at the smallest run already"):
        isoflops.invert(10.0, tokens_per_param=20)
