"""Scores whose truth is known: simulated models of several families on benchmarks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale import Runs
from bayescale.model.benchmarks.design import Design, design
from bayescale.runs.benchmarks.scores import Scores

# Name to chance, logit at the centre, loading.
TRUTH = {
    "mmlu": (0.25, -0.5, 1.0),
    "hellaswag": (0.25, 0.8, 0.8),
    "gsm8k": (0.0, -1.5, 1.4),
    "winogrande": (0.5, 0.3, 0.6),
}
QUESTIONS = 2000


def score_table(seed: int, families: int = 6, each: int = 5) -> pd.DataFrame:
    """Models along four decades of compute, with effects of their families; a tenth is missing."""
    rng = np.random.default_rng(seed)
    count = families * each
    params = 10 ** rng.uniform(8.5, 10.8, count)
    tokens = 10 ** rng.uniform(11, 13, count)
    family = np.repeat(np.arange(families), each)
    logs = np.log(params), np.log(tokens)
    capability = (
        sum(0.4 * (log - log.mean()) for log in logs) + rng.normal(0, 0.4, families)[family]
    )
    table = pd.DataFrame(
        {
            "run": [f"model-{i}" for i in range(count)],
            "family": [f"family-{i}" for i in family],
            "params": params,
            "tokens": tokens,
        }
    )
    for name, (chance, level, loading) in TRUTH.items():
        expected = chance + (0.97 - chance) / (1 + np.exp(-(level + loading * capability)))
        found = rng.binomial(QUESTIONS, expected) / QUESTIONS
        table[name] = np.where(rng.random(count) < 0.1, np.nan, found)
    return table


def two_stage_table(seed: int, sizes: int = 4, each: int = 5) -> pd.DataFrame:
    """A ladder with the loss and the score of two benchmarks; its largest size comes last."""
    rng = np.random.default_rng(seed)
    params = np.repeat(np.geomspace(2e8, 3e9, sizes), each)
    tokens = params * np.tile(np.geomspace(10, 200, each), sizes)
    table = pd.DataFrame({"run": [f"run-{i}" for i in range(len(params))]})
    table["params"], table["tokens"] = params, tokens
    for name, steepness in (("mmlu", 6.0), ("hellaswag", 9.0)):
        reducible = (params / 1e9) ** -0.3 + (tokens / 5e10) ** -0.3
        loss = (0.6 + 0.25 * reducible) * np.exp(rng.normal(0, 0.01, len(params)))
        logit = -0.8 - steepness * np.log(loss / 1.1)
        expected = 0.25 + 0.72 / (1 + np.exp(-logit))
        table[f"bpb_{name}"] = loss
        table[f"acc_{name}"] = rng.binomial(QUESTIONS, expected) / QUESTIONS
    return table


def by_compute(form: str) -> Design:
    """Models of five families, a third tuned, three contaminated, one without a token count."""
    table = score_table(0, families=5, each=4)
    table.loc[2, "tokens"] = None
    table["contaminated_gsm8k"] = table.index.isin([4, 9, 15])
    table["instruct"] = np.arange(len(table)) % 3 == 0
    return _design(table, form)


def ladder() -> Design:
    """A ladder whose benchmarks have losses of their own."""
    return _design(two_stage_table(0), "two-stage")


def _of_losses() -> pd.DataFrame:
    """Models of two families, of unknown sizes, some without one of their losses."""
    table = two_stage_table(0).drop(columns=["params", "tokens"])
    table["family"] = np.where(np.arange(len(table)) % 2, "odd", "even")
    table.loc[[3, 8], "bpb_mmlu"] = np.nan
    return table


def measured() -> Design:
    """Models whose losses are on corpora, measured."""
    corpora = {"bpb_mmlu": "bpb_web", "bpb_hellaswag": "bpb_code"}
    return _design(_of_losses().rename(columns=corpora), "two-stage")


def measured_own() -> Design:
    """Models whose losses are those of the benchmarks, measured; one lacks a score, one cheats."""
    table = _of_losses()
    table["contaminated"] = table.index == 7
    table.loc[5, "acc_mmlu"] = np.nan
    return _design(table, "two-stage")


def _design(table: pd.DataFrame, form: str) -> Design:
    return design(Scores.of(Runs.from_frame(table, blank_counts=True)), form)


# What the models of scores can be, by name.
DESIGNS = {
    "direct": by_compute("direct"),
    "latent": by_compute("latent"),
    "ladder": ladder(),
    "measured": measured(),
    "measured own": measured_own(),
}
