"""Skill of `forecast` with priors that have not seen the scored table: `make bench-left-out`.

The priors were learnt from the tables that `make bench-skill` scores. Here they are learnt again
for each split, without the people whose table it is, by importance weights: every table is fitted
once under the priors as they are, and its draws are weighted by the ratio of other priors to these,
in each step of the expectation maximisation and in the predictions. Where few draws have weight,
the split is fitted under its own priors. Writes `left_out.json` beside `skill.json`, and the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import learn_priors
import numpy as np
import skill
import skill_page
import xarray as xr
from learn_priors import Moments
from scipy import stats

from bayescale import Fit, ScalingModel, Spec
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.evaluation.elpd import by_weight
from bayescale.evaluation.split_scores import as_scored, described, means, scored
from bayescale.evaluation.splits import Split, read_suite

ROUNDS, SEED = 15, 0
# Effective draws of a fit whose weighted draws stand for another's, drawn by weight from them, and
# with weight, at least.
ESS, DRAWN, FEWEST = 1500, 4000, 200
# Whose table a split's is, by how its name begins.
SOURCES = {
    "chinchilla": "hoffmann",
    "gadre": "gadre",
    "datablations": "datablations",
    "olmo": "olmo",
    "marin": "marin",
    "porian": "porian",
}


def log_ratio(draws: Mapping[str, np.ndarray], other: Moments, present: Moments) -> np.ndarray:
    """Log of the other priors' density over the present ones', at draws (draw)."""
    terms = [
        stats.norm.logpdf(values, *other[name]) - stats.norm.logpdf(values, *present[name])
        for name, values in draws.items()
    ]
    return np.sum(terms, axis=0)


def normalised(log_weights: np.ndarray) -> np.ndarray:
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())


def learnt_without(
    source: str, tables: list[tuple[str, dict[str, np.ndarray]]], present: Moments
) -> Moments:
    """Moments of the priors from the draws of all tables but one source's."""
    kept = [(name, draws) for name, draws in tables if name != source]
    moments = present
    for _ in range(ROUNDS):
        found = [
            learn_priors.moments_of(draws, normalised(log_ratio(draws, moments, present)))
            for _, draws in kept
        ]
        moments = learn_priors.from_tables(found, [name for name, _ in kept])
    return moments


def scores_of(split: Split, moments: Moments, present: Moments) -> dict[str, Any]:
    """Scores of a split under priors that have not seen its table, and the draws with weight."""
    fit = _fitted(split, Spec.load("forecast"))
    weights = normalised(log_ratio(learn_priors.unbounded(fit.posterior), moments, present))
    effective = float(1 / (weights**2).sum())
    again = effective < FEWEST
    if again:
        fit = _fitted(
            split, learn_priors.forecast(learn_priors.parts(learn_priors.priors(moments)))
        )
        weights = np.ones(fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"])
    predicted = as_scored(fit.spec, split, fit.predict(split.test, "run").draws)
    points = scored(split, fit.spec.response, _drawn(predicted, weights), fit.spec.params)
    return {
        **described(split, points),
        "points": points.to_dict(orient="records"),
        "effective_draws": effective,
        "fitted_again": again,
        "seconds": 0.0,
    }


def _fitted(split: Split, spec: Spec) -> Fit:
    return ScalingModel(split.of(spec)).fit(split.train, ess=ESS, seed=SEED, show_progress=False)


def _drawn(predicted: xr.DataArray, weights: np.ndarray) -> xr.DataArray:
    """Draws by weight, as one chain."""
    chosen = by_weight(weights, DRAWN, np.random.default_rng(SEED))
    flat = predicted.stack(sample=SAMPLE_DIMS).transpose("sample", "run").to_numpy()
    return xr.DataArray(
        flat[chosen][None],
        dims=("chain", "draw", "run"),
        coords={"run": predicted["run"]},
    )


def left_out(splits: list[Split]) -> dict[str, Any]:
    """Scores of the splits, each with priors that have not seen its people's tables."""
    present = learn_priors.present()
    spec = Spec.load("forecast")
    tables = []
    for entry, runs in learn_priors.ladders(None):
        print(f"table of {entry['source']}, {len(runs)} runs", file=sys.stderr, flush=True)
        tables.append((entry["source"], learn_priors.posterior(spec, entry, runs, ess=800)))
    moments = {name: learnt_without(name, tables, present) for name in SOURCES.values()}
    done = []
    for split in splits:
        print(f"split {split.name}", file=sys.stderr, flush=True)
        source = next(name for start, name in SOURCES.items() if split.name.startswith(start))
        done.append(scores_of(split, moments[source], present))
    rows = [{k: v for k, v in one.items() if k not in ("points", "seconds")} for one in done]
    said = {name: value for name, value in means(done).items() if name != "seconds"}
    return {**said, "splits": rows}


def main() -> None:
    said = left_out(read_suite(skill.SUITES["near"]))
    text = json.dumps(said, indent=1, allow_nan=False) + "\n"
    (skill_page.OUT / skill_page.LEFT_OUT).write_text(text, "utf-8")
    skill_page.write(json.loads((skill_page.OUT / "skill.json").read_text("utf-8")), skill_page.OUT)


if __name__ == "__main__":
    main()
