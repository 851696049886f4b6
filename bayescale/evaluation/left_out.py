"""Runs that are left out: how well a model predicts them, refitted without them.

Each fold is a refit of its model's sampler on fewer runs, and all of them are jobs of
`bayescale.sampling.jobs`. A group that is left out whole is predicted as a new one: its effect
follows the distribution of groups, over which the holdout density is integrated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from warnings import catch_warnings, filterwarnings

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import ELPDData, SamplingWrapper

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.settings import Settings
from bayescale.evaluation.elpd import by_weight, log_mean, redrawn
from bayescale.evaluation.folds import By, Fold
from bayescale.evaluation.scores import scores
from bayescale.model.design import Design
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.sampling.sampler import Refit, Sampler

# Above this Pareto k, importance sampling cannot stand in for a refit (arXiv 1507.02646).
_K_MOST = 0.7
# How many times as many effective draws a fit has that stands for others by weights.
_WEIGHTED = 3


@dataclass(frozen=True, eq=False)
class Scored:
    """How well one model predicts the held-out runs; `mcse` is that of the sum of its elpd."""

    elpd: ELPDData
    mcse: float
    predictions: pd.DataFrame
    refits: pd.DataFrame


class ByRun:
    """A model fitted to all runs, with a refit for each whose importance weights fail."""

    def __init__(
        self, spec: Spec, arrays: Design, left_out: Sequence[Fold], settings: Settings
    ) -> None:
        everything = np.ones(arrays.data.sizes["run"], bool)
        # Importance weights lean on few draws in the tails: more of them than an interval needs.
        more = replace(settings, ess=settings.ess and _WEIGHTED * settings.ess)
        self._whole = Sampler(spec, arrays).refit(everything, more)
        inside = Predictive.of_design(spec, self._whole.posterior, arrays, settings.seed)
        density = inside.log_likelihood(inside.observed).to_dataset(name="response")
        self._tree = xr.DataTree.from_dict(
            {"posterior": self._whole.posterior, "log_likelihood": density}
        )
        with catch_warnings():  # a high k is refitted below
            filterwarnings("ignore", message="Estimated shape parameter of Pareto distribution")
            self._smoothed = arviz_stats.loo(self._tree, pointwise=True)
        draws = _reweighted(inside.replicates(), self._smoothed, settings.seed)
        self._predictions = scores(draws, inside.observed)
        failed = self._smoothed.pareto_k.values > _K_MOST
        smooth = {"run": np.flatnonzero(~failed)}
        weighted = log_mean(density["response"][smooth], self._smoothed.log_weights[smooth])
        self._mcse = float(weighted["mcse"])
        bad = [int(i) for i in np.flatnonzero(failed)]
        self._bad = {i: left_out[i].name for i in bad}
        self.jobs = [
            LeftOut(
                *(spec, arrays, left_out[i].out),
                replace(settings, seed=settings.seed + 1 + number),
                settings.seed,
                together=False,
            )
            for number, i in enumerate(bad)
        ]

    def scored(self, done: Sequence[Mapping[str, Any]]) -> Scored:
        """How well the model predicts, from what its jobs did."""
        predictions, exact = self._predictions, {}
        for (i, name), summary in zip(self._bad.items(), done, strict=True):
            (exact[i],) = summary["elpd"]
            rows = predictions["run"] == name
            predictions.loc[rows] = pd.DataFrame(summary["predictions"]).to_numpy()
        elpd = arviz_stats.reloo(
            _Refitted(self._tree, exact),
            loo_orig=self._smoothed,
            k_threshold=_K_MOST,
            pointwise=True,
        )
        names = ["(none)", *self._bad.values()]
        verdicts = [_verdict(self._whole), *(summary["refit"] for summary in done)]
        pareto_k = self._smoothed.pareto_k.values[list(self._bad)]
        return Scored(
            elpd=elpd,
            mcse=_of_sum([self._mcse, *(summary["mcse"] for summary in done)]),
            predictions=predictions.assign(fold=predictions["run"]),
            refits=_refit_table(names, verdicts).assign(pareto_k=[np.nan, *pareto_k]),
        )


class ByFold:
    """A model, with a refit for each group or for what lies beyond the frontier."""

    def __init__(
        self, spec: Spec, arrays: Design, left_out: Sequence[Fold], settings: Settings, by: By
    ) -> None:
        self._left_out, self._settings, self._by = left_out, settings, by
        self._runs = arrays.data["run"].to_numpy()
        self.jobs = [
            LeftOut(
                spec,
                arrays.with_frontier_of(~fold.out) if by == "frontier" else arrays,
                fold.out,
                replace(settings, seed=settings.seed + i),
                settings.seed,
                together=by != "frontier",
            )
            for i, fold in enumerate(left_out)
        ]

    def scored(self, done: Sequence[Mapping[str, Any]]) -> Scored:
        """How well the model predicts, from what its jobs did."""
        elpd: dict[str, float] = {}
        for fold, summary in zip(self._left_out, done, strict=True):
            names = self._runs[fold.out] if self._by == "frontier" else [fold.name]
            elpd |= dict(zip(names, summary["elpd"], strict=True))
        unit = "run" if self._by == "frontier" else self._by
        pointwise = xr.DataArray(list(elpd.values()), dims=unit, coords={unit: list(elpd)})
        names = [fold.name for fold in self._left_out]
        return Scored(
            elpd=ELPDData(
                elpd=float(pointwise.sum()),
                se=float(np.sqrt(pointwise.size * pointwise.var())),
                p=float("nan"),  # counted by importance sampling alone
                n_samples=self._settings.draws * self._settings.chains,
                n_data_points=pointwise.size,
                scale="log",
                warning=False,
                good_k=None,
                elpd_i=pointwise,
            ),
            mcse=_of_sum([summary["mcse"] for summary in done]),
            predictions=pd.concat(
                [
                    pd.DataFrame(summary["predictions"]).assign(fold=name)
                    for name, summary in zip(names, done, strict=True)
                ],
                ignore_index=True,
            ),
            refits=_refit_table(names, [summary["refit"] for summary in done]),
        )


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A refit without some runs, and how well it predicts them; a job."""

    spec: Spec
    arrays: Design
    out: np.ndarray
    settings: Settings
    seed: int  # of the predictive draws
    together: bool  # the density of all of them, or of each by itself

    def do(self) -> dict[str, Any]:
        """Densities, their error, scores and convergence, as plain values."""
        refit = Sampler(self.spec, self.arrays).refit(~self.out, self.settings)
        holdout = self._holdout(refit.posterior)
        density = log_mean(xr.concat(self._densities(refit.posterior), "value"))
        predicted = scores(holdout.replicates(), holdout.observed)
        return {
            "elpd": np.atleast_1d(density["elpd"]).tolist(),
            "mcse": float(density["mcse"]),
            "predictions": predicted.to_dict(orient="records"),
            "refit": _verdict(refit),
        }

    def _holdout(self, draws: xr.Dataset) -> Predictive:
        return Predictive.of_design(self.spec, draws, self.arrays, self.seed, rows=self.out)

    def _densities(self, posterior: xr.Dataset) -> Iterator[xr.DataArray]:
        """Log densities (chain, draw[, run]), for values of each effect that no kept run has."""
        data, out = self.arrays.data, self.out
        for draws in redrawn(self.spec, posterior, data, out=out, kept=~out, seed=self.seed):
            holdout = self._holdout(draws)
            density = holdout.joint_log_density if self.together else holdout.log_density
            yield density(holdout.observed)


class _Refitted(SamplingWrapper):  # type: ignore[misc]
    """ArviZ's way to ask for the density of a run under a fit without it, done beforehand."""

    def __init__(self, idata: xr.DataTree, elpd: Mapping[int, float]) -> None:
        super().__init__(model=None, idata_orig=idata)
        self._elpd = elpd

    def sel_observations(self, idx: Any) -> tuple[int, int]:
        return int(idx), int(idx)

    def sample(self, modified_observed_data: int) -> int:
        return modified_observed_data

    def get_inference_data(self, fitted_model: int) -> int:
        return fitted_model

    def log_likelihood__i(self, excluded_obs: int, idata__i: int) -> xr.DataArray:
        return xr.DataArray([[self._elpd[excluded_obs]]], dims=SAMPLE_DIMS)


def _reweighted(draws: xr.DataArray, smoothed: Any, seed: int) -> xr.DataArray:
    """Predictive draws of each run as if it had been left out, by its importance weights."""
    weights = np.exp(smoothed.log_weights).stack(sample=SAMPLE_DIMS).transpose("run", "sample")
    flat = draws.stack(sample=SAMPLE_DIMS).transpose("run", ..., "sample")
    rng = np.random.default_rng(seed)
    drawn = np.empty_like(flat.values)
    for i, weight in enumerate(weights.values):
        drawn[i] = flat.values[i][..., by_weight(weight, weight.size, rng)]
    return flat.copy(data=drawn).unstack("sample")


def _verdict(refit: Refit) -> dict[str, Any]:
    replaced = any(retry.action == "replaced" for retry in refit.retries)
    return {**refit.convergence.to_dict(), "retries": len(refit.retries), "replaced": replaced}


def _of_sum(errors: Sequence[float]) -> float:
    """Standard error of a sum whose terms have independent errors."""
    return float(np.sqrt(np.square(errors).sum()))


def _refit_table(names: Sequence[str], verdicts: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"fold": name, **verdict} for name, verdict in zip(names, verdicts, strict=True)]
    )
