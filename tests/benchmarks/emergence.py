"""Emergence, simulated: benchmarks whose score leaves chance near the frontier or beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayescale import Runs
from bayescale.evaluation.benchmarks import held_out
from bayescale.runs.benchmarks.registry import Benchmark
from bayescale.runs.benchmarks.scores import Scores

# Of each table: models below the frontier, above it, and benchmarks.
_BELOW, _ABOVE, _BENCHMARKS = 30, 6, 10
_QUESTIONS = 1000


def emergent_table(seed: int) -> tuple[Scores, np.ndarray, list[str]]:
    """Scores along compute, the models below the frontier, and the benchmarks at chance there.

    Benchmarks rise with logistic curves in ln C, halfway between five decades below the frontier
    and two above it, over one to three decades; chance is 0.25, and up to 10 % of the questions
    are never solved.
    """
    rng = np.random.default_rng(seed)
    frontier = np.log(1e23)
    logs = np.concatenate([
        rng.uniform(np.log(1e19), frontier, _BELOW),
        rng.uniform(frontier, np.log(1e25), _ABOVE),
    ])  # fmt: skip
    params = np.exp(0.5 * logs + rng.normal(0, 0.5, len(logs))) / np.sqrt(120)
    halfway = frontier + np.log(10) * rng.uniform(-5, 2, _BENCHMARKS)
    slope = 4 / (np.log(10) * rng.uniform(1, 3, _BENCHMARKS))
    never = rng.uniform(0, 0.1, _BENCHMARKS)
    logit = slope * (logs[:, None] + rng.normal(0, 0.3, (len(logs), 1)) - halfway)
    expected = 0.25 + (0.75 - never) / (1 + np.exp(-logit))
    found = rng.binomial(_QUESTIONS, expected) / _QUESTIONS
    names = [f"task_{i}" for i in range(_BENCHMARKS)]
    frame = pd.DataFrame(found, columns=names)
    frame.insert(0, "run", [f"model-{i}" for i in range(len(frame))])
    frame["params"], frame["tokens"] = params, np.exp(logs) / 6 / params
    known = {name: Benchmark(title=name, chance=0.25, questions=_QUESTIONS) for name in names}
    scores = Scores.of(Runs.from_frame(frame), {name: name for name in names}, known)
    below = np.arange(len(frame)) < _BELOW
    return scores, below, scores.rows(below).at_chance


def simulated_emergence(tables: int = 12) -> dict[str, Any]:
    """Coverage above the frontier of all scores, and of benchmarks that are at chance below it."""
    every, emergent = [], []
    for seed in range(tables):
        scores, below, at_chance = emergent_table(seed)
        (done,) = held_out(scores, [(below, ~below)], "latent")
        points = done.points.assign(width=done.points["upper"] - done.points["lower"])
        every.append(points)
        emergent.append(points[points["benchmark"].isin(at_chance)])
    joint, apart = pd.concat(every), pd.concat(emergent)
    return {
        "tables": tables,
        "scores": len(joint),
        "coverage": float(joint["inside"].mean()),
        "at_chance_scores": len(apart),
        "at_chance_coverage": float(apart["inside"].mean()),
        "width": float(joint["width"].mean()),
        "at_chance_width": float(apart["width"].mean()),
    }
