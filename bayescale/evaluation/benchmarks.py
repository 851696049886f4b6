"""Forms of a model of benchmark scores, compared by what they predict beyond a frontier."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import one_chain
from bayescale.base.settings import PROB, Settings
from bayescale.evaluation.scores import crps
from bayescale.fit.benchmarks.fit import SETTINGS
from bayescale.model.benchmarks.design import FORMS, completed, design, usual_form
from bayescale.predictive.benchmarks import NEW, BenchmarkPredictive
from bayescale.runs.benchmarks.scores import Scores
from bayescale.sampling.convergence import Convergence

# Models to fit, at least.
_FEWEST = 6


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predicted scores of models that were not fitted.

    Attributes
    ----------
    form : str
    points : DataFrame
        A row a model and benchmark: `run`, `benchmark`, `observed`, `median`, `lower`, `upper`,
        `inside`, and `crps`, the continuous ranked probability score.
    convergence : Convergence
    seconds : float
        Of the sampling.
    """

    form: str
    points: pd.DataFrame
    convergence: Convergence
    seconds: float

    def by_benchmark(self) -> pd.DataFrame:
        """Of each benchmark: scores predicted, RMSE, mean error, CRPS and coverage."""
        error = self.points["median"] - self.points["observed"]
        rows = self.points.assign(error=error, square=error**2).groupby("benchmark", sort=False)
        return pd.DataFrame(
            {
                "models": rows.size(),
                "rmse": rows["square"].mean() ** 0.5,
                "bias": rows["error"].mean(),
                "crps": rows["crps"].mean(),
                "coverage": rows["inside"].mean(),
            }
        )

    @property
    def rmse(self) -> float:
        """Mean over benchmarks."""
        return float(self.by_benchmark()["rmse"].mean())

    @property
    def crps(self) -> float:
        """Mean over benchmarks."""
        return float(self.by_benchmark()["crps"].mean())

    @property
    def coverage(self) -> float:
        """Of the intervals, over all scores."""
        return float(self.points["inside"].mean())


def held_out(
    scores: Scores,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    form: str | None = None,
    settings: Settings | None = None,
    *,
    prob: float = PROB,
    show_progress: bool = False,
) -> list[HeldOut]:
    """Fit some models and predict the scores of others, for each split; compiled once.

    Parameters
    ----------
    scores : Scores
    splits : sequence of (ndarray of bool, ndarray of bool)
        Models to fit and models to predict, over those of the table. A family without a model to
        fit is a new one.
    form : {"direct", "latent", "two-stage"}, optional
    settings : Settings, optional
    prob : float
        That an interval holds.
    show_progress : bool
    """
    from bayescale.sampling.benchmarks import sample_scores

    chosen = form or usual_form(scores)
    table = scores.runs.table.assign(instruct=scores.tuned)
    if not scores.losses.empty:  # a missing one is what the model's others say
        table[list(scores.losses)] = np.exp(completed(np.log(scores.losses.to_numpy()))[0])
    done = []
    for train, test in splits:
        start = time.perf_counter()
        arrays = design(scores.rows(train), chosen)
        if "family" in table:
            known = scores.runs.table["family"].isin(arrays.families)
            table["family"] = scores.runs.table["family"].where(known, NEW)
        sampled = sample_scores(arrays, settings or SETTINGS, show_progress=show_progress)
        predictive = BenchmarkPredictive(arrays, sampled.posterior)
        draws = predictive.draws(table[test])
        tail = (1 - prob) / 2
        lower, median, upper = np.quantile(draws.values, [tail, 0.5, 1 - tail], axis=0)
        observed = scores.scores.to_numpy()[test]
        error = crps(one_chain(draws), draws[0].copy(data=observed)).values
        row, column = np.nonzero(np.isfinite(observed))
        points = pd.DataFrame(
            {
                "run": table["run"].to_numpy()[test][row],
                "benchmark": scores.scores.columns.to_numpy()[column],
                "observed": observed[row, column],
                "median": median[row, column],
                "lower": lower[row, column],
                "upper": upper[row, column],
                "crps": error[row, column],
            }
        )
        inside = (points["observed"] >= points["lower"]) & (points["observed"] <= points["upper"])
        seconds = time.perf_counter() - start
        done.append(HeldOut(chosen, points.assign(inside=inside), sampled.convergence, seconds))
    return done


def forms_of(scores: Scores) -> list[str]:
    """The forms that a table with compute allows, the usual one first."""
    forms = [form for form in FORMS if form != "two-stage" or not scores.losses.empty]
    return sorted(forms, key=lambda form: form != usual_form(scores))


def beyond_frontier(scores: Scores, flops: float) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the models with at most so much compute and of those with more.

    Raises
    ------
    BayescaleError
        If either are too few.
    """
    compute = scores.flops.to_numpy()
    below, above = compute <= flops, compute > flops
    if below.sum() < _FEWEST or not above.any():
        raise BayescaleError(
            f"frontier={flops:g}: {below.sum()} models have at most so much compute and "
            f"{above.sum()} more; it takes {_FEWEST} to fit and one to predict"
        )
    return below, above
