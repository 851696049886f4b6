"""A parameter of the law for each label of a group."""

import numpy as np
import pytest

from bayescale import Fit, Runs, ScalingModel, Spec
from bayescale.base.errors import BayescaleError
from bayescale.testing import ladder

WORTH = 1.0  # e-folds: a token of web2 is worth 2.7 of web1


@pytest.fixture(scope="module")
def worth() -> Fit:
    rng = np.random.default_rng(4)
    table = ladder().table.sample(60, random_state=2).drop(columns="bpc")
    table["dataset"] = np.resize(["web1", "web2"], len(table))
    seen = table["tokens"] * np.exp(WORTH * (table["dataset"] == "web2"))
    exact = 1.8 + 0.5 / (table["params"] / 1e9) ** 0.35 + 0.5 / (seen / 1e10) ** 0.37
    table["loss"] = exact * np.exp(rng.normal(0, 0.003, len(table)))
    runs = Runs.from_frame(table.reset_index(drop=True))
    return ScalingModel("token-worth").fit(runs, show_progress=False)


@pytest.mark.slow
def test_the_worth_of_a_data_set_is_found(worth: Fit) -> None:
    assert worth.convergence.passed, worth.convergence
    draws = worth.posterior["worth"]
    apart = draws.sel(dataset="web2") - draws.sel(dataset="web1")
    assert float(apart.quantile(0.05)) < WORTH < float(apart.quantile(0.95))
    assert float(apart.std()) < 0.2
    assert {"worth[web1]", "worth[web2]"} < set(worth.summary().index)


@pytest.mark.slow
def test_a_new_label_is_drawn_from_the_prior(worth: Fit) -> None:
    point = {"params": 1e9, "tokens": 2e10}
    points = [point | {"dataset": label} for label in ("web1", "web2", "other")]
    draws = worth.predict(points, "curve").draws
    known, other = draws.isel(run=0), draws.isel(run=2)
    assert float(draws.isel(run=1).median()) < float(known.median())
    assert float(other.std()) > 5 * float(known.std())


def test_only_the_laws_parameters_have_labels_of_their_own() -> None:
    noise = {"sigma": {"dist": "HalfNormal", "sigma": 0.01, "by": "dataset"}}
    with pytest.raises(BayescaleError, match="only a parameter of the law"):
        Spec.load("token-worth").replace(priors=noise)
