"""Farseer's controlled grid: section 4 of `make more-compute`.

Which law fits 404 runs of one recipe and predicts the 7 largest, and what slopes these laws have
where open models are: the claim's equal slopes are those of the middle of the grid.
"""

from __future__ import annotations

from typing import Any

import arviz
import numpy as np
import pandas as pd
import xarray as xr
from more_compute_fits import fitted, three

from bayescale import Fit, Runs, Spec
from bayescale.base.intervals import SAMPLE_DIMS, interval

LAWS = ("compute-only", "separate-slopes", "compute-floor", "chinchilla", "farseer", "forecast")
READ = ("chinchilla", "farseer")  # at the inputs of open models
DRAWS = 200


def grid(
    table: pd.DataFrame, laws: tuple[str, ...] = LAWS
) -> tuple[dict[str, Any], dict[str, Fit]]:
    """Each law fitted to the runs of `split` train, and scored on the others."""
    train, test = (
        Runs.from_frame(table[table["split"] == part], name=f"farseer ({part})")
        for part in ("train", "test")
    )
    fits, said = {}, {}
    for name in laws:
        spec = Spec.load(name).replace(
            response="bpc", groups=False, discrepancy=bool(Spec.load(name).discrepancy)
        )
        fits[name] = fit = fitted(spec, train)
        said[name] = _scored(fit, test)
        print(name, said[name], flush=True)
    return {"laws": said, "slopes": _slopes(fits)}, fits


def _scored(fit: Fit, test: Runs) -> dict[str, Any]:
    predicted = fit.predict(test, "run").draws
    found, observed = interval(predicted), test.table["bpc"].to_numpy()
    error = predicted.median(SAMPLE_DIMS).to_numpy() / observed - 1
    inside = (observed >= found["lower"].to_numpy()) & (observed <= found["upper"].to_numpy())
    loo = arviz.loo(fit.data)
    return {
        "elpd": float(loo.elpd),
        "elpd_se": float(loo.se),
        "bad_pareto_k": int((np.asarray(loo.pareto_k) > 0.7).sum()),
        "error": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "coverage": float(inside.mean()),
        "convergence": fit.convergence.to_dict(),
    }


def _slopes(fits: dict[str, Fit]) -> dict[str, Any]:
    """The direct test: a slope for ln N and one for ln D."""
    posterior = fits["separate-slopes"].posterior
    return {name: three(posterior[name]) for name in ("slope_params", "slope_tokens")}


def read_at(
    fits: dict[str, Fit], models: pd.DataFrame, weights: pd.DataFrame
) -> dict[str, dict[str, Any]]:
    """Slopes of ln N and ln D that least squares would find, if these laws held for the models.

    Parameters
    ----------
    fits : dict of str to Fit
        Fits to the controlled grid, which saw none of the models.
    models : DataFrame
        `params` and `tokens` of open models, and `bpb`, what they scored.
    weights : DataFrame
        Further columns of the regression: a level for each round.
    """
    x = np.column_stack([np.log(models["params"]), np.log(models["tokens"]), weights])
    solve = np.linalg.pinv(x)[:2]
    read = {"observed": dict(zip(("params", "tokens"), solve @ models["bpb"], strict=True))}
    points = models[["params", "tokens"]].reset_index(drop=True)
    for name in READ:
        curve = fits[name].predict(points, "curve").draws
        some = curve.stack(sample=SAMPLE_DIMS).transpose("sample", "run").to_numpy()
        some = some[:: max(1, len(some) // DRAWS)]
        slopes = xr.DataArray(some @ solve.T, dims=("draw", "slope")).expand_dims("chain")
        ratio = slopes[..., 0] / slopes[..., 1]
        read[name] = {
            "params": three(slopes[..., 0]),
            "tokens": three(slopes[..., 1]),
            "ratio": three(ratio),
        }
    return read


def by_ratio(fits: dict[str, Fit], flops: float = 1e23) -> dict[str, list[dict[str, float]]]:
    """Ratio of the two slopes by tokens per parameter, at one budget, of each law read."""
    ratios = np.geomspace(1, 30_000, 28)
    said = {}
    for name in READ:
        params = np.sqrt(flops / 6 / ratios)
        step = 0.05
        some = {"params": params, "tokens": ratios * params}
        base, larger, longer = (
            fits[name].predict(pd.DataFrame(point), "curve").draws
            for point in (
                some,
                some | {"params": params * np.exp(step)},
                some | {"tokens": some["tokens"] * np.exp(step)},
            )
        )
        found = interval((larger - base) / (longer - base))
        said[name] = [
            {
                "per_param": float(ratio),
                **{end: float(found[end][i]) for end in ("median", "lower", "upper")},
            }
            for i, ratio in enumerate(ratios)
        ]
    return said
