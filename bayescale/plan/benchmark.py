"""The cheapest model to train and serve that scores enough on a benchmark.

Scores follow parameters and tokens without telling which split of the compute is best: see
`model.benchmarks.formulas.by_compute`. So the splits are those that the fitted models have.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.base.numbers import human
from bayescale.base.settings import PROB
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.plan.answer import Answer, Row, rows, shared
from bayescale.plan.costs import COSTS, Costs, Prices
from bayescale.plan.curve import positive
from bayescale.predictive.benchmarks import NEW


def answer(
    fit: BenchmarkFit,
    benchmark: str,
    *,
    target: float,
    prompt_tokens: float = 0.0,
    generated_tokens: float = 0.0,
    max_tokens: float | None = None,
    prices: Prices | None = None,
    family: str = NEW,
    prob: float = PROB,
) -> Answer:
    """The cheapest model that reaches a score with a probability, and what other splits cost.

    Content: `unit`, `benchmark`, `target`, `family`, `prob`; of the plan `tokens_per_param`,
    `params`, `tokens`, `probability` and costs; `splits`, the same at each ratio.

    Parameters
    ----------
    fit : BenchmarkFit
    benchmark : str
    target : float
        Score of one model, a share from 0 to 1.
    prompt_tokens, generated_tokens : float
        Tokens read and written over the model's lifetime.
    max_tokens : float, optional
        The most tokens there are to train on.
    prices : Prices, optional
        Costs in dollars; without them, in FLOP.
    family : str
        By default a new one.
    prob : float
        With which the model is to reach the target.

    Raises
    ------
    BayescaleError
        If a number is impossible, a name unknown, or the score out of reach.
    """
    costs = Costs.of(prices, prompt_tokens, generated_tokens)
    if max_tokens is not None:
        positive(max_tokens=max_tokens)
    ratios = _ratios(fit)
    found = fit.reach_by_ratio(benchmark, target, ratios, family=family, prob=prob)
    found["training"] = costs.training * found["params"] * found["tokens"]
    found["serving"] = costs.serving * found["params"]
    found["total"] = costs(found["params"], found["tokens"])
    reached = found.dropna()
    if max_tokens is not None:
        reached = reached[reached["tokens"] <= max_tokens]
    if reached.empty:
        raise BayescaleError(_out_of_reach(benchmark, target, found, max_tokens, prob))
    splits = [_split(row, costs.unit) for _, row in reached.iterrows()]
    # Compute is found in steps: totals that differ by less are told apart by their rounding.
    plan = reached.loc[np.log(reached["total"]).round(6).idxmin()]
    question = rows(
        prob,
        [
            ("unit", "", costs.unit),
            ("benchmark", "benchmark", benchmark),
            ("target", "score of one new model", target),
            ("prob", "probability that it is reached, at least", prob),
            ("family", "family", family),
            ("", "tokens per parameter of fitted models", _range(ratios)),
        ],
    )
    return Answer.of(
        [*question, *_split(plan, costs.unit)],
        [*_at_the_end(plan, ratios), *fit.outside_notes(plan.to_frame().T)],
        {"splits": (f"ways to reach {target:g}", splits)},
    )


def _ratios(fit: BenchmarkFit) -> np.ndarray:
    """1, 2, 5, 10, ... within the ratios of tokens to parameters that the models have."""
    table = fit.scores.runs.table
    known = (table["tokens"] / table["params"]).dropna() if "tokens" in table else pd.Series()
    if known.empty:
        return np.array([20.0])
    low, high = float(known.min()), float(known.max())
    steps = np.array([1, 2, 5]) * 10.0 ** np.arange(-3, 8)[:, None]
    inside = steps[(steps >= low) & (steps <= high)]
    return inside if len(inside) else np.array([float(known.median())])


def _range(ratios: np.ndarray) -> str:
    return " to ".join(dict.fromkeys(map(human, (ratios[0], ratios[-1]))))


def _split(row: pd.Series, unit: str) -> list[Row]:
    return rows(
        PROB,
        [
            *shared(**{n: float(row[n]) for n in ("tokens_per_param", "params", "tokens")}),
            ("probability", "", float(row["probability"])),
            *((name, f"{label} ({unit})", float(row[name])) for name, label in COSTS.items()),
        ],
    )


def _at_the_end(plan: pd.Series, ratios: np.ndarray) -> list[Note]:
    """That the range of the models' ratios decides the split."""
    ratio = float(plan["tokens_per_param"])
    if len(ratios) == 1 or ratio not in (ratios[0], ratios[-1]):
        return []
    kind = "fewest" if ratio == ratios[0] else "most"
    return [
        Note(
            "end-of-ratios",
            "info",
            f"the cheapest split has the {kind} tokens per parameter that fitted models have",
            "with others it may be cheaper still: no such model was seen",
        )
    ]


def _out_of_reach(
    benchmark: str, target: float, found: pd.DataFrame, max_tokens: float | None, prob: float
) -> str:
    what = f"target={target:g}: no model reaches it on {benchmark} with probability {prob:g}"
    if found["flops"].isna().all():
        most = found["probability"].max()
        return f"{what} at any compute; the highest probability is {most:.2f}"
    least = human(float(found["tokens"].min()))
    return f"{what} on at most {max_tokens:g} tokens; {least} are needed at least"
