"""Backtest: fit below, predict above, and see whether the intervals hold.

Parameters are those that the law sees: of a mixture of experts the active ones, unless a spec says
otherwise. What is scored is said in `split_scores`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from bayescale.evaluation.split_scores import as_scored, described, means, scored
from bayescale.evaluation.splits import Split
from bayescale.fit.scaling import fit_with, independent
from bayescale.model.design import design
from bayescale.model.spec import Spec
from bayescale.sampling.convergence import Convergence
from bayescale.sampling.jobs import Workers, perform
from bayescale.sampling.sampler import Sampler


@dataclass(frozen=True, eq=False)
class Backtest:
    """Scores of one spec on one split.

    Attributes
    ----------
    split : Split
    spec : Spec
    points : DataFrame
        As `scored` gives it.
    convergence : Convergence
    seconds : float
        To compile (once a worker), fit and predict, beside the worker's other fits; of a fit
        that was finished before, those that it took then.
    """

    split: Split
    spec: Spec
    points: pd.DataFrame
    convergence: Convergence
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Scores as plain values."""
        return {
            **described(self.split, self.points),
            "rhat": self.convergence.r_hat,
            "ess": self.convergence.ess_bulk,
            "divergences": self.convergence.divergences,
            "passed": self.convergence.passed,
            "seconds": self.seconds,
            "points": self.points.to_dict(orient="records"),
        }


def backtest(
    spec: Spec,
    split: Split,
    *,
    seed: int = 0,
    show_progress: bool = True,
) -> Backtest:
    """Fit the training runs of a split, and score predictions of its test runs as new runs.

    Parameters
    ----------
    spec : Spec
    split : Split
    seed : int
    show_progress : bool

    Raises
    ------
    BayescaleError
        If the runs lack what the spec needs.
    """
    start = time.perf_counter()
    spec = split.of(spec)
    train, notes = independent(spec, split.train)
    sampler = Sampler(spec, design(spec, train))
    settings = replace(spec.settings, seed=seed)
    fit = fit_with(sampler, train, settings, show_progress=show_progress, before=notes)
    draws = as_scored(spec, split, fit.predict(split.test, "run").draws)
    points = scored(split, spec.response, draws, spec.params)
    return Backtest(split, spec, points, fit.convergence, time.perf_counter() - start)


def backtests(
    specs: Sequence[Spec],
    splits: Sequence[Split],
    *,
    seed: int = 0,
    workers: Workers | None = None,
    show_progress: bool = True,
) -> dict[str, list[Backtest]]:
    """A backtest of each spec on each split, by the spec's name.

    Parameters
    ----------
    specs : sequence of Spec
    splits : sequence of Split
    seed : int
        Of every fit.
    workers : Workers, optional
        Who does the fits; by default threads, as many as there are cores.
    show_progress : bool

    Raises
    ------
    BayescaleError
        As for `backtest`.
    """
    jobs = [_Fitted(spec, each, seed) for spec in specs for each in splits]
    done = iter(perform(jobs, workers, show_progress=show_progress))
    return {spec.name: [of_plain(spec, each, next(done)) for each in splits] for spec in specs}


def summary(results: Sequence[Backtest]) -> dict[str, Any]:
    """Means over splits, and the worst convergence."""
    splits = [result.to_dict() for result in results]
    return {
        **means(splits),
        "rhat": max(split["rhat"] for split in splits),
        "passed": all(split["passed"] for split in splits),
    }


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A fit below a frontier, with a design of its own; a job of `bayescale.sampling.jobs`."""

    spec: Spec
    split: Split
    seed: int

    def do(self) -> dict[str, Any]:
        done = backtest(self.spec, self.split, seed=self.seed, show_progress=False)
        return as_plain(done)


def as_plain(done: Backtest) -> dict[str, Any]:
    """What a worker hands back of a backtest."""
    return {
        "points": done.points.to_dict(orient="records"),
        "convergence": asdict(done.convergence),
        "seconds": done.seconds,
    }


def of_plain(spec: Spec, split: Split, summary: Mapping[str, Any]) -> Backtest:
    """A backtest from what a worker hands back."""
    points = pd.DataFrame(summary["points"])
    convergence = Convergence(**summary["convergence"])
    return Backtest(split, split.of(spec), points, convergence, summary["seconds"])
