"""Open models of eleven rounds: sections 3 and 5 to 7 of `make more-compute`.

The shipped specs `open-models` and `open-models-saturating`, with parts of the measurement taken
out one after the other, and with the date of release as a factor on effective compute.
"""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
import xarray as xr
from more_compute_fits import SETTINGS, fitted, quantiles, three
from scipy.optimize import minimize
from scipy.special import logsumexp

from bayescale import Fit, Runs, Spec
from bayescale.base import bundled
from bayescale.base.intervals import SAMPLE_DIMS

USED = "isnull(excluded)"
SINCE = 2025.0
HO = 12 / 8 * np.log(2)  # arXiv 2403.05812: compute for the same loss halves every 8 months
PER_PARAM = 40  # tokens per parameter of the largest dense models: Llama-3.1-405B has 37
BUDGETS = (1e26, 1e27)
ROUND = "2025-07"


def rows(where: str = USED, *, stated: bool = False) -> Runs:
    """The rows of the study; `stated` takes each lab's words for a token count of the model."""
    table = Runs.read("open-llm-bpb", where=where).table
    if stated:
        count = pd.to_numeric(table["tokens_stated"], errors="coerce")
        table = table.assign(tokens=count.fillna(table["tokens"]))
    return Runs.from_frame(table, name="open-llm-bpb")


def spec(base: str, *, measured: bool = True, quality: bool = True, dated: bool = False) -> Spec:
    """A shipped spec without parts of its measurement, or with the date of release.

    Parameters
    ----------
    base : str
    measured : bool
        Whether embeddings and inactive parameters count with an exponent to be found; otherwise
        parameters are the active ones.
    quality : bool
        Whether a lab's tokens have a worth.
    dated : bool
        Whether effective compute grows with the date of release, by `progress` e-folds a year.
    """
    said = tomllib.loads(bundled.specs()[base].read_text("utf-8"))
    law, priors = said["law"], said["priors"]
    name = base
    if not measured:
        law["where"]["size"] = "log(params * active / 3e9)"
        for part in ("inactive", "embeddings"):
            del priors[part]
        del said["inputs"]["body"]
        name += "-active"
    if not quality:
        law["equation"] = law["equation"].replace("(data + worth)", "data")
        del priors["worth"], said["effects"]["lab"]
        name += "-alike"
    if dated:
        for part in ("size", "data"):
            law["where"][part] += " + progress / 2 * (released - 2024)"
        priors["progress"] = {"dist": "Normal", "mu": 0.0, "sigma": 1.0}
        said["inputs"]["released"] = {
            "unit": "year",
            "scale": "linear",
            "low": 2015,
            "high": 2040,
            "example": "2025.5",
        }
        name += "-dated"
    return Spec.parse(tomli_w.dumps({**said, "name": name}), name)


def found(fit: Fit) -> dict[str, Any]:
    """Slopes of a fit at its own models, and what else the reader asks of it."""
    posterior = fit.posterior
    params, tokens = slopes(fit)
    said = {
        "rows": len(fit.runs),
        "params": three(params),
        "tokens": three(tokens),
        "gap": three(params - tokens),
        "ratio": three(params / tokens),
        "convergence": fit.convergence.to_dict(),
    }
    for name in ("progress", "inactive", "embeddings", "alpha", "beta", "code"):
        if name in posterior:
            said[name] = three(posterior[name])
    if "progress" in posterior:
        said["probability_slower_than_ho"] = float((posterior["progress"] < HO).mean())
    return said


def slopes(fit: Fit) -> tuple[xr.DataArray, xr.DataArray]:
    """Slopes of ln N and of ln D, means over the models: (chain, draw)."""
    posterior = fit.posterior
    if "gap" in posterior:
        half = posterior["gap"] / 2
        return posterior["slope"] + half, posterior["slope"] - half
    size, data = positions(fit)
    of_size = -posterior["alpha"] * posterior["A"] * np.exp(-posterior["alpha"] * size)
    of_data = -posterior["beta"] * posterior["B"] * np.exp(-posterior["beta"] * data)
    return of_size.mean("model"), of_data.mean("model")


def positions(fit: Fit) -> tuple[xr.DataArray, xr.DataArray]:
    """`size` and `data` of the equation for each model, latent counts at their middle."""
    posterior, table = fit.posterior, fit.runs.table.drop_duplicates("model")
    column = {name: xr.DataArray(table[name].to_numpy(), dims="model") for name in table}
    size = np.log(column["params"] * column["active"] / 3e9)
    if "embeddings" in posterior:
        size = size - posterior["inactive"] * np.log(column["active"])
        size = size + (1 - posterior["embeddings"]) * np.log(column["body"])
    middle = np.sqrt(column["tokens_low"] * column["tokens_high"])
    data = np.log(column["tokens"].fillna(middle) / 2e12)
    if "progress" in posterior:
        grown = posterior["progress"] / 2 * (column["released"] - 2024)
        size, data = size + grown, data + grown
    return size, data


def by_round(fit: Fit) -> dict[str, dict[str, Any]]:
    """Slope a decade of compute in each round."""
    draws = (fit.posterior["slope"] + fit.posterior["slope_round"]) * np.log(10)
    counts = fit.runs.table.groupby("round").size()
    return {
        str(label): {"rows": int(counts[label]), **three(draws.sel(round=label))}
        for label in draws["round"].values
    }


def worth_of_labs(fit: Fit) -> dict[str, dict[str, Any]]:
    """How many tokens of the middle lab a token of each is worth; best first."""
    draws = np.exp(fit.posterior["worth_lab"])
    counts = fit.runs.table.groupby("lab")["model"].nunique()
    labs = {
        str(lab): {"models": int(counts[lab]), **three(draws.sel(lab=lab))}
        for lab in draws["lab"].values
    }
    return dict(sorted(labs.items(), key=lambda item: -item[1]["median"]))


def latest(specs: dict[str, Spec]) -> dict[str, Any]:
    """Each spec fitted to models to the end of 2024, and scored on those of 2025 and 2026.

    A model to predict has its own family; its lab, tokenizer and architecture where earlier models
    have them; the middle of its range where its tokens are not stated. Rounds without five earlier
    models are left out: their level would be a guess.
    """
    runs = rows(f"{USED} and notnull(released)")
    before = runs.keep(f"released < {SINCE}")
    known = before.table.groupby("round").size()
    later = runs.keep(f"released >= {SINCE}").table
    later = later[later["round"].map(known).fillna(0) >= 5]
    middle = np.sqrt(later["tokens_low"] * later["tokens_high"])
    later = later.assign(tokens=later["tokens"].fillna(middle))
    later = later.drop(columns=["tokens_low", "tokens_high"])
    said, densities = {}, {}
    for name, each in specs.items():
        fit = fitted(each, before, SETTINGS)
        predicted = fit.predict(Runs.from_frame(later), "run").draws
        values = predicted.stack(sample=SAMPLE_DIMS).transpose("sample", "run").to_numpy()
        said[name], densities[name] = _scored(values, later)
        said[name]["convergence"] = fit.convergence.to_dict()
    weights = _stacked(np.array(list(densities.values())))
    return {
        "fitted": len(before),
        "models": said,
        "weights": dict(zip(specs, map(float, weights), strict=True)),
    }


def _scored(values: np.ndarray, later: pd.DataFrame) -> tuple[dict[str, Any], np.ndarray]:
    observed = later["bpb"].to_numpy()
    lower, median, upper = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
    inside = (observed >= lower) & (observed <= upper)
    # A kernel density of the draws: their predictive density at what was observed.
    width = 1.06 * values.std(0) * len(values) ** -0.2
    z = (observed - values) / width
    density = logsumexp(-0.5 * z**2, axis=0) - np.log(len(values) * width * np.sqrt(2 * np.pi))
    of_model = later["model"].to_numpy()
    mean = pd.DataFrame(
        {"inside": inside, "error": observed - median, "density": density, "width": upper - lower}
    ).groupby(of_model)
    each = mean.mean()
    return {
        "rows": len(later),
        "models": len(each),
        "coverage": float(each["inside"].mean()),
        "coverage_rows": float(inside.mean()),
        "bias": float(each["error"].mean()),
        "rmse": float(np.sqrt((each["error"] ** 2).mean())),
        "width": float(each["width"].mean()),
        "log_score": float(each["density"].sum()),
    }, each["density"].to_numpy()


def _stacked(densities: np.ndarray) -> np.ndarray:
    """Stacking weights of models from their log densities (model, unit)."""

    def negative(free: np.ndarray) -> float:
        weights = np.exp(free - logsumexp(free))
        return -float(logsumexp(densities + np.log(weights)[:, None], axis=0).sum())

    free = minimize(negative, np.zeros(len(densities)), method="Nelder-Mead").x
    return np.exp(free - logsumexp(free))


def next_models(fits: dict[str, Fit], weights: dict[str, float], seed: int = 0) -> dict[str, Any]:
    """A new family's dense model of each budget, by each law and by their mixture."""
    rng = np.random.default_rng(seed)
    said: dict[str, Any] = {}
    for budget in BUDGETS:
        params = np.sqrt(budget / 6 / PER_PARAM)
        tokens = PER_PARAM * params
        point = {
            **{"run": f"{budget:.0e}", "params": params, "active": 1.0},
            **{"tokens": tokens, "body": 0.99, "little_code": 0.0, "released": 2026.9},
            **{"round": ROUND, "architecture": "transformer", "family": "next"},
        }
        found, mixed = {}, []
        for name, fit in fits.items():
            draws = fit.predict(pd.DataFrame([point]), "run").draws.to_numpy().ravel()
            found[name] = quantiles(draws)
            mixed.append(rng.choice(draws, int(20_000 * weights[name])))
        found["mixture"] = quantiles(np.concatenate(mixed))
        said[f"{budget:.0e}"] = {"params": params, "tokens": tokens, "bpb": found}
    return said


def without_new_tokens(fits: dict[str, Fit]) -> dict[str, Any]:
    """What ten times the parameters give where tokens end, as a share of ten times the compute.

    From 400B parameters on 15T tokens, the scale of the largest model here whose tokens are known.
    """
    size, data = np.log(400e9 / 3e9), np.log(15e12 / 2e12)
    step = np.log(10)
    said = {}
    for name, fit in fits.items():

        def level(more_size: float, more_data: float, p: xr.Dataset = fit.posterior) -> Any:
            n, d = size + more_size, data + more_data
            if "gap" in p:
                return (p["slope"] + p["gap"] / 2) * n + (p["slope"] - p["gap"] / 2) * d
            return p["A"] * np.exp(-p["alpha"] * n) + p["B"] * np.exp(-p["beta"] * d)

        both = level(0, 0) - level(step / 2, step / 2)
        alone = level(0, 0) - level(step, 0)
        said[name] = {
            "balanced": three(both),
            "params_alone": three(alone),
            "share": three(alone / both),
        }
    return said
