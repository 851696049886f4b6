"""Stacks answer like fits, whichever groups and discrepancies their fits have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayescale import BayescaleError, Fit, Runs, ScalingModel, Settings, Spec, stack

QUICK = Settings(draws=1000, tune=300, chains=2)
POINT = {"params": 7e10, "tokens": 1.5e13, "family": "Llama-3"}
SHARED = {"params": 7e10, "tokens": 1.5e13}


@pytest.fixture(scope="module")
def members(table: Runs) -> dict[str, Fit]:
    """Without groups, with families, with a discrepancy."""
    by_family = Spec.load("compute-floor").model_dump()
    by_family["effects"] = {"family": by_family["effects"]["family"]}
    specs = {
        "compute-only": Spec.load("compute-only").replace(groups=False),
        "compute-floor": Spec.model_validate(by_family),
        "discrepancy": Spec.load("compute-only").replace(groups=False, discrepancy=True),
    }
    return {
        name: ScalingModel(spec).fit(table, QUICK, show_progress=False)
        for name, spec in specs.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("first", ["compute-only", "compute-floor", "discrepancy"])
def test_fits_of_different_groups_are_asked_together(members: dict[str, Fit], first: str) -> None:
    """The heaviest has no groups, or they are its own; another knows more."""
    fits = [members[first], *(fit for name, fit in members.items() if name != first)]
    names = [fit.spec.name for fit in fits]
    together = stack(fits, dict(zip(names, [0.6, 0.2, 0.2], strict=True)))
    assert together.group_names == ("family",)
    prediction = together.predict([POINT, SHARED])
    table = prediction.table()
    assert list(table["family_is"]) == ["known", "new"]
    lower, upper = (
        min(float(fit.predict(POINT).table()[end].min()) for fit in fits)
        if end == "lower"
        else max(float(fit.predict(POINT).table()[end].max()) for fit in fits)
        for end in ("lower", "upper")
    )
    assert lower <= table["lower"][0] < table["upper"][0] <= upper
    answer = together.invert(0.36, params=7e10, groups={"family": "Llama-3"}, prob=0.8)
    reached = together.predict(
        {"params": answer.params, "tokens": answer.tokens, "family": "Llama-3"}
    ).probability_of_reaching(0.36)
    assert float(reached.item()) == pytest.approx(0.8, abs=0.01)
    with pytest.raises(BayescaleError, match="tokenizer"):
        together.invert(0.36, params=7e10, groups={"tokenizer": "qwen"})


@pytest.mark.slow
def test_a_stacks_variance_counts_the_choice_of_a_law(members: dict[str, Fit]) -> None:
    fits = [members["compute-only"], members["compute-floor"]]
    far = {"params": 4e12, "tokens": 3e14}
    together = stack(fits, {fit.spec.name: 0.5 for fit in fits})
    shares = together.variance_shares([SHARED, far])
    np.testing.assert_allclose(shares.sum("component"), 1)
    near, beyond = shares.sel(component="law").to_numpy()
    assert near < 0.3 < beyond


@pytest.mark.slow
def test_a_stacks_density_is_that_of_its_members(members: dict[str, Fit]) -> None:
    fits = [members["compute-only"], members["compute-floor"]]
    together = stack(fits, {fit.spec.name: 0.5 for fit in fits})
    point = pd.DataFrame([{"run": "a", **SHARED, "family": "Llama-3"}])
    observed = xr.DataArray([0.37], dims="run", coords={"run": ["a"]})
    mixture = together.locate(point).predictive.log_predictive_density(observed)
    densities = [fit.locate(point).predictive.log_predictive_density(observed) for fit in fits]
    assert float(mixture[0]) == pytest.approx(np.log(np.mean(np.exp(densities))), abs=1e-6)
