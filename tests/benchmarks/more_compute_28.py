"""The line of the 28 against every open model since: sections 1 and 2 of `make more-compute`.

Slope, spreads between families and tokenizers, and noise are those of `compute-only`, fitted to the
28 alone. Levels of other texts it cannot know. They come from the 28's own models that a round
scored again (`anchored`), or from the other families of the round (`relative`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from more_compute_fits import fitted, three

from bayescale import Fit, Runs, Spec

DRAWS = 400
LAST_OF_28 = 2024.5  # DeepSeek-V2 and Qwen2 are of 2024-05 and 2024-06
# Rounds of less scored models say nothing about a level.
LEAST_FAMILIES = 5
RATIOS = (0, 100, 300, 1000, 3000, np.inf)


def the_line() -> tuple[Fit, dict[str, Any]]:
    """The fit to the 28, and what it and its rival with two slopes say."""
    runs = Runs.read("open-llm-bpc")
    fit = fitted(Spec.load("compute-only"), runs)
    split = fitted(Spec.load("separate-slopes"), runs)
    params, tokens = (split.posterior[f"slope_{name}"] for name in ("params", "tokens"))
    gap = params - tokens
    said = {
        "slope_per_decade": three(fit.posterior["slope"] * np.log(10)),
        "params": three(params),
        "tokens": three(tokens),
        "gap": three(gap),
        "ratio": three(params / tokens),
        "probability_that_params_count_more": float((gap < 0).mean()),
        "convergence": {"compute-only": fit.convergence, "separate-slopes": split.convergence},
    }
    said["convergence"] = {name: c.to_dict() for name, c in said["convergence"].items()}
    return fit, said


def models(runs: Runs) -> pd.DataFrame:
    """The rows to predict, with ln(6 N D) as the line takes it."""
    table = runs.table.copy()
    middle = np.sqrt(table["tokens_low"] * table["tokens_high"])
    tokens = table["tokens_stated"].astype(float).fillna(table["tokens"]).fillna(middle)
    table["x"] = np.log(table["params_active"]) + np.log(tokens)
    table["per_param"] = tokens / table["params_active"]
    counts = table.groupby("round")["family"].transform("nunique")
    return table[counts >= LEAST_FAMILIES]


def intervals(fit: Fit, table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Each row's 90 % interval for a new family, by both ways to a level."""
    rng = np.random.default_rng(seed)
    draws = fit.posterior.stack(sample=("chain", "draw"))
    picked = rng.choice(draws.sizes["sample"], DRAWS, replace=False)
    names = ("level", "slope", "sigma", "nu", "level_family_sd", "level_tokenizer_sd")
    theta = {name: draws[name].to_numpy()[picked] for name in names}
    centre = np.log(fit.centre["params"]) + np.log(fit.centre["tokens"])
    scored = dict(zip(fit.runs.table["run"], fit.runs.table["bpc"], strict=True))
    rows = []
    for _, of_round in table.groupby("round"):
        anchors = of_round[of_round["in_28"].isin(scored)]
        offsets = (anchors["bpb"] - anchors["in_28"].map(scored).astype(float)).to_numpy()
        for row in of_round.itertuples():
            expected = theta["slope"] * (row.x - centre)
            new = _new(theta, rng)
            others = of_round[of_round["family"] != row.family]
            relative = expected + new + _level(theta, others, centre, rng)
            found = {"row": row.Index, "relative": _bounds(relative)}
            if len(offsets) >= 2:
                spread = offsets.std(ddof=1) / np.sqrt(len(offsets))
                level = (
                    theta["level"]
                    + offsets.mean()
                    + spread * rng.standard_t(len(offsets) - 1, DRAWS)
                )
                found["anchored"] = _bounds(expected + new + level)
            rows.append(found)
    wide = pd.DataFrame(rows).set_index("row")
    columns = {}
    for way in ("relative", "anchored"):
        cells = wide[way].map(lambda cell: cell if isinstance(cell, tuple) else (np.nan,) * 3)
        for place, name in enumerate(("lower", "median", "upper")):
            columns[f"{way}_{name}"] = cells.map(lambda cell, place=place: cell[place])
    return table.join(pd.DataFrame(columns))


def _new(theta: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A new family, a new tokenizer and the noise of a run."""
    family = theta["level_family_sd"] * rng.standard_normal(DRAWS)
    tokenizer = theta["level_tokenizer_sd"] * rng.standard_normal(DRAWS)
    return family + tokenizer + theta["sigma"] * rng.standard_t(theta["nu"])


def _level(
    theta: dict[str, np.ndarray], others: pd.DataFrame, centre: float, rng: np.random.Generator
) -> np.ndarray:
    """Draws of a round's level from the other families' scores, by generalised least squares."""
    same = {
        group: np.equal.outer(*[others[group].to_numpy()] * 2) for group in ("family", "tokenizer")
    }
    x, y = others["x"].to_numpy() - centre, others["bpb"].to_numpy()
    levels = np.empty(DRAWS)
    for i in range(DRAWS):
        nu = max(theta["nu"][i], 2.5)
        covariance = np.eye(len(y)) * theta["sigma"][i] ** 2 * nu / (nu - 2)
        for group, of_group in same.items():
            covariance = covariance + of_group * theta[f"level_{group}_sd"][i] ** 2
        weights = np.linalg.solve(covariance, np.ones(len(y)))
        middle = weights @ (y - theta["slope"][i] * x) / weights.sum()
        levels[i] = middle + rng.standard_normal() / np.sqrt(weights.sum())
    return levels


def _bounds(draws: np.ndarray) -> tuple[float, float, float]:
    lower, median, upper = np.quantile(draws, [0.05, 0.5, 0.95])
    return float(lower), float(median), float(upper)


def scores(table: pd.DataFrame) -> dict[str, Any]:
    """Coverage and bias of both ways for models that the paper did not see."""
    seen = table["in_28"].notna() & (table["in_28"] != "")
    new, later = table[~seen], table[table["released"] > LAST_OF_28]
    vocabulary = new["tokenizer"].str.extract(r"-(\d+)k$")[0].astype(float)
    by = {
        "year": new["released"].dropna().astype(int).astype(str),
        "architecture": new["architecture"],
        "tokens per parameter": _binned(new["per_param"], RATIOS),
        "vocabulary, thousands": _binned(vocabulary, (0, 60, 110, np.inf)),
    }
    return {
        "never_seen": _summary(new),
        "released_after": _summary(later),
        "released_after_transformers": _summary(later[later["architecture"] == "transformer"]),
        "by": {
            name: {
                str(label): _summary(new.loc[labels.index[labels == label]])
                for label in sorted(labels.dropna().unique(), key=_order)
            }
            for name, labels in by.items()
        },
    }


def _binned(values: pd.Series, edges: tuple[float, ...]) -> pd.Series:
    ends = list(pairwise(edges))
    names = [f"{a:g} to {b:g}" if np.isfinite(b) else f"above {a:g}" for a, b in ends]
    return pd.cut(values, list(edges), labels=names).astype(object)


def _order(label: Any) -> tuple[float, str]:
    words = [word for word in str(label).split() if word.replace(".", "").isdigit()]
    return (float(words[0]) + str(label).startswith("above"), "") if words else (0.0, str(label))


def _summary(table: pd.DataFrame) -> dict[str, Any]:
    said: dict[str, Any] = {"rows": len(table), "models": int(table["model"].nunique())}
    for way in ("relative", "anchored"):
        some = table[table[f"{way}_median"].notna()]
        if some.empty:
            said[way] = None
            continue
        inside = some["bpb"].between(some[f"{way}_lower"], some[f"{way}_upper"])
        error = some["bpb"] - some[f"{way}_median"]
        said[way] = {
            "rows": len(some),
            "models": int(some["model"].nunique()),
            "coverage": float(inside.groupby(some["model"]).mean().mean()),
            "bias": float(error.groupby(some["model"]).mean().mean()),
            "rmse": float(np.sqrt((error**2).groupby(some["model"]).mean().mean())),
        }
    return said
