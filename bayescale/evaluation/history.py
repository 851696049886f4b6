"""Whether a spec's intervals held on the user's own runs, over a rolling frontier."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS, holds, interval
from bayescale.base.notes import Note
from bayescale.base.settings import PROB, Settings
from bayescale.evaluation.backtest import Backtest, as_plain, of_plain
from bayescale.evaluation.split_scores import as_scored, scored
from bayescale.evaluation.splits import Split, frontiers
from bayescale.model.design import Design, design
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.runs.table import Runs
from bayescale.sampling.jobs import Workers, perform
from bayescale.sampling.sampler import Sampler

# Runs beyond a frontier that are predicted together, at most: the cost grows as their third power.
_TOGETHER_MOST = 200
# How often `overconfident-here` may be said of a model that is right, at most.
_FALSE_ALARMS = 0.05


def calibrate(
    spec: Spec,
    runs: Runs,
    *,
    seed: int = 0,
    workers: Workers | None = None,
    show_progress: bool = True,
) -> tuple[list[Backtest], list[Note]]:
    """Whether the spec's intervals held on the user's own runs, over a rolling frontier.

    Each frontier is a refit of one sampler, by `workers` as for `backtests`. Groups that have all
    their runs above it are drawn as new ones.

    Returns
    -------
    results : list of Backtest
        One for each frontier that the runs allow; empty for a handful of runs.
    notes : list of Note
        `overconfident-here` where the 90 % intervals held less often than they would by chance,
        were the model right, in all but 5 % of such histories.

    Raises
    ------
    BayescaleError
        If the spec has several corpora.
    """
    splits = frontiers(runs)
    if not splits:
        return [], []
    if spec.corpora:
        raise BayescaleError(f"{spec.name} has several corpora; backtest one response at a time")
    arrays = design(spec, runs)
    settings = replace(spec.refit_settings, seed=seed)
    jobs = [
        _Refitted(
            *(spec, split, arrays.with_frontier_of(masks["below"].to_numpy())),
            below=masks["below"].to_numpy(),
            above=masks["above"].to_numpy(),
            settings=replace(settings, seed=seed + i),
            seed=seed,
        )
        for i, (split, masks) in enumerate(splits)
    ]
    done = perform(jobs, workers, show_progress=show_progress)
    results = [of_plain(spec, split, row) for (split, _), row in zip(splits, done, strict=True)]
    return results, _overconfident(results, [float(row["probability"]) for row in done])


@dataclass(frozen=True, eq=False)
class _Refitted:
    """A refit below a frontier, of a design of all runs; a job of `bayescale.sampling.jobs`."""

    spec: Spec
    split: Split
    arrays: Design
    below: np.ndarray
    above: np.ndarray
    settings: Settings
    seed: int  # of the predictive draws

    def _holdout(self, draws: xr.Dataset, rows: np.ndarray) -> Predictive:
        return Predictive.of_design(self.spec, draws, self.arrays, self.seed, rows=rows)

    def do(self) -> dict[str, Any]:
        start = time.perf_counter()
        refit = Sampler(self.spec, self.arrays).refit(self.below, self.settings)
        holdout = self._holdout(refit.posterior, self.above)
        draws = as_scored(self.spec, self.split, holdout.replicates())
        points = scored(self.split, self.spec.response, draws, self.spec.params)
        together = self._holdout(refit.posterior, some_of(self.above, _TOGETHER_MOST))
        probability = float(probability_of_fewer(together.joint_replicates(), together.observed))
        seconds = time.perf_counter() - start
        done = Backtest(self.split, self.spec, points, refit.convergence, seconds)
        return {**as_plain(done), "probability": probability}


def some_of(rows: np.ndarray, most: int) -> np.ndarray:
    """A mask (run) of at most so many of the marked rows, evenly spread."""
    marked = np.flatnonzero(rows)
    chosen = np.linspace(0, len(marked) - 1, min(most, len(marked))).round().astype(int)
    return np.isin(np.arange(len(rows)), marked[chosen])


def probability_of_fewer(draws: xr.DataArray, observed: xr.DataArray) -> xr.DataArray:
    """Probability, were the predictions right, that no more intervals hold than did.

    Runs that are predicted together share the error of the curve, of a new group and of the
    discrepancy, so their intervals hold or fail together: their number is compared with that of
    replicates of all of them, not with a binomial.

    Parameters
    ----------
    draws : DataArray (chain, draw, run, ...)
        Of new runs, each draw one replicate of all of them together.
    observed : DataArray (run, ...)
        Their responses.

    Returns
    -------
    DataArray (...)
    """
    ends = interval(draws)
    held, of_replicates = holds(ends, observed).sum("run"), holds(ends, draws).sum("run")
    count = draws.sizes["chain"] * draws.sizes["draw"]
    return ((of_replicates <= held).sum(SAMPLE_DIMS) + 1) / (count + 1)


def surprising(chances: Sequence[float]) -> bool:
    """Whether too few intervals held, given `probability_of_fewer` of each frontier.

    Frontiers predict the same runs, so the probabilities depend on each other: their harmonic mean
    (Wilson 2019, doi 10.1073/pnas.1814092116) keeps its level. In simulated histories of a right
    model it was surprising in at most 4.5 %.
    """
    return len(chances) / sum(1 / chance for chance in chances) < _FALSE_ALARMS


def _overconfident(results: Sequence[Backtest], chances: Sequence[float]) -> list[Note]:
    """A note on the frontier at which so few intervals are the most surprising, if they are."""
    if not surprising(chances):
        return []
    worst = int(np.argmin(chances))
    points = results[worst].points
    held = int(points[f"inside_{PROB * 100:.0f}"].sum())
    return [
        Note(
            "overconfident-here",
            "warning",
            f"fitted to these runs {results[worst].split.name}, {held} of {len(points)} "
            f"{PROB:.0%} intervals beyond it held; were the model right, as few would with "
            f"probability {chances[worst]:.2g} ({len(results)} frontiers tried)",
            "do not trust the width of an extrapolation; use spec forecast or add runs",
        )
    ]
