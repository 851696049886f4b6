"""Open models of eleven rounds: sections 3 and 5 to 7 of `make more-compute`.

The shipped spec `open-models`, and the same with diminishing returns, with parts of the
measurement taken out one after the other, and with the date of release as a factor on effective
compute.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
import xarray as xr
from more_compute_fits import quantiles, three
from more_compute_marginal import Approximation, Rows, approximated
from scipy.optimize import minimize
from scipy.special import logsumexp

from bayescale import Runs, Spec
from bayescale.base import bundled

SATURATING = Path(__file__).with_name("more_compute_saturating.toml")
USED = "isnull(excluded)"
SINCE, EARLIER = 2025.0, (2023.5, 2024.0, 2024.5)
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
    """A spec of open models without parts of its measurement, or with the date of release.

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
    own = SATURATING if base == "open-models-saturating" else bundled.specs()[base]
    said = tomllib.loads(own.read_text("utf-8"))
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


def found(fit: Approximation, table: pd.DataFrame) -> dict[str, Any]:
    """Slopes at a fit's own models, and what else the reader asks of it."""
    posterior = fit.posterior()
    params, tokens = slopes(posterior, table)
    said = {
        "rows": len(table),
        "params": three(params),
        "tokens": three(tokens),
        "gap": three(params - tokens),
        "ratio": three(params / tokens),
    }
    for name in ("progress", "inactive", "embeddings", "alpha", "beta", "code"):
        if name in posterior:
            said[name] = three(posterior[name])
    if "progress" in posterior:
        said["probability_slower_than_ho"] = float((posterior["progress"] < HO).mean())
    return said


def slopes(posterior: xr.Dataset, table: pd.DataFrame) -> tuple[xr.DataArray, xr.DataArray]:
    """Slopes of ln N and of ln D, means over the models: (chain, draw)."""
    if "gap" in posterior:
        half = posterior["gap"] / 2
        return posterior["slope"] + half, posterior["slope"] - half
    size, data = positions(posterior, table.drop_duplicates("model"))
    of_size = -posterior["alpha"] * posterior["A"] * np.exp(-posterior["alpha"] * size)
    of_data = -posterior["beta"] * posterior["B"] * np.exp(-posterior["beta"] * data)
    return of_size.mean("model"), of_data.mean("model")


def positions(posterior: xr.Dataset, table: pd.DataFrame) -> tuple[Any, Any]:
    """`size` and `data` of the equation for each model, latent counts at their middle."""
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


def by_round(fit: Approximation, table: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """Slope a decade of compute in each round."""
    draws = fit.effects("slope", "round", np.random.default_rng(seed))
    draws = draws.add(fit.draws["slope"], axis="index") * np.log(10)
    counts = table.groupby("round").size()
    return {
        str(label): {"rows": int(counts[label]), **quantiles(draws[label].to_numpy())}
        for label in draws
    }


def worth_of_labs(fit: Approximation, table: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """How many tokens of the middle lab a token of each is worth; best first."""
    draws = np.exp(fit.effects("worth", "lab", np.random.default_rng(seed)))
    counts = table.groupby("lab")["model"].nunique()
    labs = {
        str(lab): {"models": int(counts[lab]), **quantiles(draws[lab].to_numpy())} for lab in draws
    }
    return dict(sorted(labs.items(), key=lambda item: -item[1]["median"]))


def latest(specs: dict[str, Spec], since: float = SINCE, seed: int = 0) -> dict[str, Any]:
    """Each spec fitted to models released before a date, and scored on all from then on.

    A model to predict has its own family; its lab, tokenizer and architecture where earlier models
    have them; the middle of its range where its tokens are not stated. Rounds without five earlier
    models are left out: their level would be a guess.
    """
    runs = rows(f"{USED} and notnull(released)")
    before = runs.keep(f"released < {since}")
    known = before.table.groupby("round").size()
    later = runs.keep(f"released >= {since}").table
    later = later[later["round"].map(known).fillna(0) >= 5]
    middle = np.sqrt(later["tokens_low"] * later["tokens_high"])
    later = later.assign(tokens=later["tokens"].fillna(middle))
    later = later.drop(columns=["tokens_low", "tokens_high"])
    said, densities = {}, {}
    for name, each in specs.items():
        fit = approximated(each, before)
        new = Rows.of(each, Runs.from_frame(later))
        values = fit.predict(new, np.random.default_rng(seed))
        said[name], densities[name] = _scored(values, later)
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


def next_models(
    fits: dict[str, Approximation], weights: dict[str, float], seed: int = 0
) -> dict[str, Any]:
    """A new family's dense model of each budget, by each law and by their mixture."""
    said: dict[str, Any] = {}
    for budget in BUDGETS:
        params = np.sqrt(budget / 6 / PER_PARAM)
        tokens = PER_PARAM * params
        point = {
            **{"run": f"{budget:.0e}", "params": params, "active": 1.0, "body": 0.99},
            **{"tokens": tokens, "little_code": 0.0, "released": 2026.9, "bpb": 1.0},
            **{"round": ROUND, "architecture": "transformer"},
            **dict.fromkeys(("family", "lab", "tokenizer", "checkpoint"), "next"),
        }
        runs, rng = Runs.from_frame(pd.DataFrame([point])), np.random.default_rng(seed)
        found, mixed = {}, []
        for name, fit in fits.items():
            draws = fit.predict(Rows.of(fit.spec, runs), rng).ravel()
            found[name] = quantiles(draws)
            mixed.append(rng.choice(draws, int(20_000 * weights[name])))
        found["mixture"] = quantiles(np.concatenate(mixed))
        said[f"{budget:.0e}"] = {"params": params, "tokens": tokens, "bpb": found}
    return said


def without_new_tokens(fits: dict[str, Approximation]) -> dict[str, Any]:
    """What ten times the parameters give where tokens end, as a share of ten times the compute.

    From 400B parameters on 15T tokens, the scale of the largest model here whose tokens are known.
    """
    size, data = np.log(400e9 / 3e9), np.log(15e12 / 2e12)
    step = np.log(10)
    said = {}
    for name, fit in fits.items():
        posterior = fit.posterior()
        here, both, alone = (
            _level(posterior, size + more_size, data + more_data)
            for more_size, more_data in ((0, 0), (step / 2, step / 2), (step, 0))
        )
        said[name] = {
            "balanced": three(here - both),
            "params_alone": three(here - alone),
            "share": three((here - alone) / (here - both)),
        }
    return said


def _level(posterior: xr.Dataset, size: float, data: float) -> xr.DataArray:
    """The curve less what is the same everywhere."""
    p = posterior
    if "gap" in p:
        return (p["slope"] + p["gap"] / 2) * size + (p["slope"] - p["gap"] / 2) * data
    return p["A"] * np.exp(-p["alpha"] * size) + p["B"] * np.exp(-p["beta"] * data)
