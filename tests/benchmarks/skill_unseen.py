"""Skill of `forecast` where nothing was chosen by it: `make bench-unseen`.

The priors of `forecast` were learnt from the tables that `make bench-skill` scores. Here they have
not seen them. Without the people whose table is scored, they are learnt again, by importance
weights: every table is fitted once under the priors as they are, and its draws are weighted by the
ratio of other priors to these, in each step of the expectation maximisation and in the predictions.
Then the same tables below lower frontiers, `backtests_low.toml`, whose scores decided nothing.
Writes `unseen.json` beside `skill.json`, and the page with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import learn_priors
import numpy as np
import skill
import skill_page
import xarray as xr
from learn_priors import Moments
from scipy import stats

from bayescale import Spec
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.evaluation.backtest import (
    Split,
    as_scored,
    backtests,
    described,
    means,
    read_suite,
    scored,
    summary,
)
from bayescale.fit.scaling import ScalingModel

LOW = Path(__file__).with_name("backtests_low.toml")
ROUNDS, SEED = 15, 0
# Effective draws of a fit whose weighted draws stand for another's, and drawn by weight from them.
ESS, DRAWN = 1500, 4000
# Which source a split's file is of, by how its name begins.
SOURCES = {
    "chinchilla": "hoffmann",
    "gadre": "gadre",
    "datablations": "datablations",
    "olmo": "olmo",
    "marin": "marin",
    "porian": "porian",
}


def log_ratio(draws: dict[str, np.ndarray], other: Moments, present: Moments) -> np.ndarray:
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


def weighted(split: Split, moments: dict[str, Moments], present: Moments) -> dict[str, Any]:
    """Scores of a split under priors that have not seen its table, and the weights' worth."""
    spec = split.of(Spec.load("forecast"))
    fit = ScalingModel(spec).fit(split.train, ess=ESS, seed=SEED, show_progress=False)
    source = next(name for start, name in SOURCES.items() if split.name.startswith(start))
    log_weights = log_ratio(learn_priors.unbounded(fit.posterior), moments[source], present)
    weights = normalised(log_weights)
    positions = (np.random.default_rng(SEED).random() + np.arange(DRAWN)) / DRAWN  # systematic
    chosen = np.searchsorted(np.cumsum(weights), positions).clip(0, len(weights) - 1)
    predicted = as_scored(spec, split, fit.predict(split.test, "run").draws)
    flat = predicted.stack(sample=SAMPLE_DIMS).transpose("sample", "run").to_numpy()
    coords = {"run": predicted["run"]}
    draws = xr.DataArray(flat[chosen][None], dims=("chain", "draw", "run"), coords=coords)
    points = scored(split, spec.response, draws, spec.params)
    return {
        **described(split, points),
        "points": points.to_dict(orient="records"),
        "effective_draws": float(1 / (weights**2).sum()),
        "seconds": 0.0,
    }


def left_out(near: list[Split]) -> dict[str, Any]:
    """Scores of the near splits, each with priors that have not seen its people's tables."""
    present = learn_priors.present()
    spec = Spec.load("forecast")
    tables = []
    for entry, runs in learn_priors.ladders(None):
        print(f"table of {entry['source']}, {len(runs)} runs", file=sys.stderr, flush=True)
        tables.append((entry["source"], learn_priors.posterior(spec, entry, runs, ess=800)))
    moments = {name: learnt_without(name, tables, present) for name in set(SOURCES.values())}
    done = []
    for split in near:
        print(f"split {split.name}", file=sys.stderr, flush=True)
        done.append(weighted(split, moments, present))
    said = means(done)
    return {
        **{name: value for name, value in said.items() if name != "seconds"},
        "effective_draws": min(one["effective_draws"] for one in done),
        "splits": [_without(one, "points", "seconds") for one in done],
    }


def low_frontiers(suite: Path) -> dict[str, Any]:
    """Scores of `forecast` below lower frontiers of the same tables, at 3 and at 10 times."""
    splits = read_suite(suite)
    (done,) = backtests([Spec.load("forecast")], splits, seed=SEED).values()
    said: dict[str, Any] = {}
    for distance in ("3x", "10x"):
        some = [one for one in done if one.split.name.endswith(distance)]
        rows = [_without(one.to_dict(), "points") for one in some]
        said[distance] = {**summary(some), "splits": rows}
    return said


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


PARTS = {
    "left_out": lambda: left_out(read_suite(skill.SUITES["near"])),
    "low": lambda: low_frontiers(LOW),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    file = skill_page.OUT / skill_page.UNSEEN
    content = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    for name in parser.parse_args().parts:
        content[name] = PARTS[name]()
        file.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    skill_page.write(json.loads((skill_page.OUT / "skill.json").read_text("utf-8")), skill_page.OUT)


if __name__ == "__main__":
    main()
