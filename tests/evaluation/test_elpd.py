"""Holdout densities: effects that draws do not know are integrated out, with an honest error."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.signal import lfilter

from bayescale import Runs, Spec
from bayescale.evaluation.elpd import log_mean, redrawn
from bayescale.model import priors
from bayescale.model.design import design
from bayescale.predictive.predictive import Predictive

SAMPLE = ("chain", "draw")


def by_family_alone() -> Spec:
    """A line with Normal noise and family effects, whose joint densities have a closed form."""
    fields = Spec.load("compute-only").model_dump()
    fields["noise"]["dist"] = "Normal"
    del fields["priors"]["nu"], fields["effects"]["tokenizer"]
    return Spec.model_validate(fields)


def test_a_family_left_out_has_the_density_of_the_closed_form(table: Runs) -> None:
    spec, stated = by_family_alone(), table.keep("tokens == tokens")
    arrays = design(spec, stated)
    data = arrays.data
    out = (stated.table["family"] == "Llama-1").to_numpy()
    rng = np.random.default_rng(0)
    level, slope, sigma, sd = 0.45, -0.03, 0.002, 0.02
    mean = level + slope * (data["params"] + data["tokens"]).to_numpy()
    data["response"] = ("run", mean + 0.025 + sigma * rng.standard_normal(mean.size))
    effects = sd * rng.standard_normal((2, 500, data.sizes["family"]))
    one_each = np.ones((2, 500))
    draws = xr.Dataset(
        {
            **{name: (SAMPLE, value * one_each) for name, value in
               {"level": level, "slope": slope, "sigma": sigma, "level_family_sd": sd}.items()},
            "level_family": ((*SAMPLE, "family"), effects),
        },
        {"family": data["family"]},
    )  # fmt: skip

    def elpd(values: int) -> xr.Dataset:
        sets = redrawn(spec, draws, data, out=out, kept=~out, seed=1, values=values)
        holdouts = [Predictive.of_design(spec, each, arrays, 0, rows=out) for each in sets]
        densities = [holdout.joint_log_density(holdout.observed) for holdout in holdouts]
        return log_mean(xr.concat(densities, "value"))

    count = int(out.sum())
    together = stats.multivariate_normal(mean[out], sd**2 + sigma**2 * np.eye(count))
    expected = together.logpdf(data["response"].to_numpy()[out])
    integrated, plain = elpd(32), elpd(1)
    assert float(integrated["mcse"]) < 0.05
    assert float(integrated["elpd"]) == pytest.approx(expected, abs=4 * float(integrated["mcse"]))
    assert float(plain["mcse"]) > 3 * float(integrated["mcse"])


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_monte_carlo_error_is_that_of_other_draws(weighted: bool, runs: int) -> None:
    """Of chains whose neighbours are alike, and of a sum over runs that share the draws."""
    rng = np.random.default_rng(2)
    results = []
    for _ in range(300):
        chains = lfilter([0.6], [1, -0.8], rng.standard_normal((4, 500)), axis=1)  # AR(1), sd 1
        draws = xr.DataArray(chains, dims=SAMPLE)
        density = xr.concat([0.7 * draws] * runs, "run")
        log_weights = density * 0 + 0.3 * draws if weighted else None
        result = log_mean(density, log_weights)
        results.append((float(result["elpd"].sum()), float(result["mcse"])))
    sums, errors = np.transpose(results)
    assert errors.mean() == pytest.approx(sums.std(), rel=0.15)


@pytest.mark.parametrize("name", ["compute-only", "compute-only-corpora"])
def test_only_what_the_draws_do_not_know_is_drawn_again(name: str, table: Runs) -> None:
    spec = Spec.load(name)
    arrays = design(spec, table)
    draws = priors.draws(spec, arrays, 50, 0)
    out = (table.table["family"] == "Mixtral").to_numpy()
    masks = {"out": out, "kept": ~out}
    many = xr.concat(redrawn(spec, draws, arrays.data, **masks, seed=0), "value", data_vars="all")
    assert many.sizes["value"] == 32
    whitened = many["level_family"] / many["level_family_sd"]
    mixtral = whitened.sel(family="Mixtral")
    assert float(mixtral.mean()) == pytest.approx(0, abs=0.1)
    assert float(mixtral.std()) == pytest.approx(1, abs=0.1)
    assert float(whitened.drop_sel(family="Mixtral").std("value").max()) < 1e-12
    of_mixtral = [run for run in many["latent"].values if run.startswith("Mixtral")]
    assert of_mixtral == ["Mixtral-8x7B", "Mixtral-8x22B-v0.1"]
    assert float(many["tokens_z"].sel(latent=of_mixtral).std("value").min()) > 0.5
    assert float(many["tokens_z"].drop_sel(latent=of_mixtral).std("value").max()) < 1e-12


def test_draws_that_know_everything_are_taken_as_they_are(table: Runs) -> None:
    spec = Spec.load("compute-only")
    arrays = design(spec, table)
    draws = priors.draws(spec, arrays, 10, 0)
    out = (table.table["run"] == "Llama-1-7b").to_numpy()  # its family has other runs
    assert out.sum() == 1
    (again,) = redrawn(spec, draws, arrays.data, out=out, kept=~out, seed=0)
    xr.testing.assert_identical(again, draws)
