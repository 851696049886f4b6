"""Compare: which law predicts held-out runs best, by run, by group or beyond the frontier.

Each fold is a refit of its model's sampler on fewer runs, and all of them are jobs of
`bayescale.sampling.jobs`. A group that is left out whole is predicted as a new one: its effect
follows the distribution of groups, over which the holdout density is integrated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import arviz_stats
import numpy as np
import pandas as pd
import scipy  # its parts load when first used
import xarray as xr
from arviz_stats import ELPDData, SamplingWrapper

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note, listed
from bayescale.base.numbers import count, plural
from bayescale.base.output import say
from bayescale.base.settings import Settings
from bayescale.base.shown import Shown
from bayescale.evaluation.elpd import by_weight, log_mean, redrawn
from bayescale.evaluation.folds import By, Fold, folds
from bayescale.evaluation.scores import averaged, scores
from bayescale.fit.fit import Fit
from bayescale.model.design import Design, design
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.runs.table import Runs
from bayescale.sampling.jobs import Workers, check, perform
from bayescale.sampling.sampler import Refit, Sampler

# Above this Pareto k, importance sampling cannot stand in for a refit (arXiv 1507.02646).
_K_MOST = 0.7

# A difference of elpd below 4 is small whatever its standard error; with fewer than 100 units the
# estimated standard error can be half of the true one (arXiv 2008.10296; Bengio and Grandvalet
# 2004), so it counts twice.
_DIFFERENCE_LEAST = 4
_UNITS_ENOUGH = 100


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """How well models predict the runs that were left out.

    Attributes
    ----------
    by : str
        What was left out together: a run, a group of runs, or the frontier.
    runs : Runs
    specs : dict
        Model name to its spec.
    table : DataFrame
        A row for each model, best first. From `arviz.compare`: `rank`, `elpd` (expected log
        predictive density, nats, of the response itself), `se`, `elpd_diff` and `dse` against the
        best, `p_worse`, `p`, `weight` (stacking), `diag_diff`, `diag_elpd`. Then `elpd_mcse` (Monte
        Carlo standard error of `elpd`, nats), and over the runs left out `coverage_50`,
        `coverage_90`, `crps`, `interval_score`, `rmse`, `bias`, `width`, in the response's unit.
    elpd : DataFrame
        A row for each unit left out (by frontier: each run), a column for each model, nats.
    predictions : DataFrame
        A row for each model and response: what was predicted and observed, and its scores.
    refits : DataFrame
        A row for each model and fold: `r_hat`, `ess_bulk`, `divergences`, `passed`, `retries`
        (how often its chains were sampled again) and `replaced` (whether longer ones replaced
        the first); by run also `pareto_k`, and only those refitted exactly.
    notes : list of Note
    """

    by: By
    runs: Runs
    specs: dict[str, Spec]
    table: pd.DataFrame
    elpd: pd.DataFrame
    predictions: pd.DataFrame
    refits: pd.DataFrame
    notes: list[Note]

    def _title(self) -> str:
        return f"Comparison of {count(len(self.specs), 'model')}, left out by {self.by}"

    def _table(self) -> pd.DataFrame:
        return self.table.reset_index(names="model")

    @property
    def weights(self) -> dict[str, float]:
        """Stacking weight of each model."""
        return {str(model): float(weight) for model, weight in self.table["weight"].items()}

    @property
    def passed(self) -> bool:
        """True if every refit converged."""
        return bool(self.refits["passed"].all())

    def to_dict(self) -> dict[str, Any]:
        """Every number as plain values."""
        return {
            "by": self.by,
            "runs": {"name": self.runs.name, "count": len(self.runs)},
            "response": next(iter(self.specs.values())).response,
            "models": _records(self.table.reset_index(names="model")),
            "elpd": _records(self.elpd.reset_index(names="unit")),
            "predictions": _records(self.predictions),
            "refits": _records(self.refits),
            "passed": self.passed,
            "notes": [note.to_dict() for note in self.notes],
        }


@dataclass(frozen=True, eq=False)
class _Scored:
    """How well one model predicts the held-out runs; `mcse` is that of the sum of its elpd."""

    elpd: ELPDData
    mcse: float
    predictions: pd.DataFrame
    refits: pd.DataFrame


def compare(
    models: Sequence[Spec | Fit | str | Path],
    runs: Runs | str | Path | None = None,
    *,
    by: By = "run",
    share: float = 0.25,
    above: float | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    workers: Workers | None = None,
    show_progress: bool = True,
) -> Comparison:
    """Leave runs out, predict them, and score the predictions of each model.

    By run: Pareto-smoothed importance sampling (arXiv 1507.02646), and an exact refit for every
    run with k above .7. By a group: each of its members left out whole and predicted jointly, as a
    new one. By frontier: the runs with the most compute left out, predicted one by one.

    Parameters
    ----------
    models : sequence of Spec, str, Path or Fit
        A fit stands for its spec and its runs.
    runs : Runs, str or Path, optional
        By default the fits', or the bundled table.
    by : str
        A group, such as "run" or "family", or "frontier".
    share, above : float
        By frontier: share of runs, or FLOP above which they are left out.
    settings : Settings, optional
        Of every refit; by default what the spec needs.
    seed : int
        Refit i of a model has this plus i, whoever does it.
    workers : Workers, optional
        Who does the refits; by default threads, as many as there are cores.
    show_progress : bool

    Raises
    ------
    BayescaleError
        If fewer than two models are given, two have one name, or they saw different runs or
        responses.
    """
    specs = _specs(models)
    table = _one_table(models, runs)
    left_out = folds(table, by, share, above)
    check(workers)
    designs = {name: design(spec, table) for name, spec in specs.items()}
    plans: dict[str, _ByRun | _ByFold] = {}
    for name, spec in specs.items():
        chosen = replace(settings or spec.refit_settings, seed=seed)
        if by == "run":
            if show_progress:
                say(f"fitting {name} to all {len(table)} runs")
            plans[name] = _ByRun(spec, designs[name], left_out, chosen)
        else:
            plans[name] = _ByFold(spec, designs[name], left_out, chosen, by)
    jobs = [job for plan in plans.values() for job in plan.jobs]
    done = iter(perform(jobs, workers, show_progress=show_progress))
    scored = {name: plan.scored([next(done) for _ in plan.jobs]) for name, plan in plans.items()}
    means = {
        name: {"elpd_mcse": model.mcse, **averaged(model.predictions)}
        for name, model in scored.items()
    }
    ranked = _rank({name: model.elpd for name, model in scored.items()})
    ranked = ranked.join(pd.DataFrame.from_dict(means, orient="index"))
    refits = _stacked_frames({name: model.refits for name, model in scored.items()})
    elpd = pd.DataFrame({name: model.elpd.elpd_i.to_series() for name, model in scored.items()})
    return Comparison(
        by=by,
        runs=table,
        specs=specs,
        table=ranked,
        elpd=elpd,
        predictions=_stacked_frames({name: model.predictions for name, model in scored.items()}),
        refits=refits,
        notes=[*_failures(refits), *undecided(ranked, str(elpd.index.name), len(elpd))],
    )


def _specs(models: Sequence[Spec | Fit | str | Path]) -> dict[str, Spec]:
    specs: dict[str, Spec] = {}
    for model in models:
        spec = model.spec if isinstance(model, Fit) else model
        spec = spec if isinstance(spec, Spec) else Spec.load(spec)
        if spec.name in specs:
            raise BayescaleError(f"two models are named {spec.name}; give one another name")
        specs[spec.name] = spec
    if len(specs) < 2:
        raise BayescaleError(f"{len(specs)} model: a comparison needs at least two specs")
    first, *others = specs.values()
    for other in others:
        if other.columns != first.columns:
            raise BayescaleError(
                f"{other.name} predicts {', '.join(other.columns)}, {first.name} "
                f"{', '.join(first.columns)}: compare models of one response; see --response"
            )
    return specs


def _one_table(models: Sequence[Spec | Fit | str | Path], runs: Runs | str | Path | None) -> Runs:
    """The runs that all models see."""
    tables = [model.runs for model in models if isinstance(model, Fit)]
    if runs is not None:
        tables.append(runs if isinstance(runs, Runs) else Runs.read(runs))
    if not tables:
        return Runs.read("open-llm-bpc")
    first, *others = tables
    for other in others:
        rows, other_rows = (set(table.to_jsonl().splitlines()) for table in (first, other))
        if rows != other_rows:
            names = {line.split('"run": "')[1].split('"')[0] for line in rows ^ other_rows}
            raise BayescaleError(
                f"{first.name} and {other.name}: the models saw different runs "
                f"({listed(sorted(names))}); fit them to the same rows"
            )
    return first


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """A refit without some runs, and how well it predicts them; a job."""

    spec: Spec
    arrays: Design
    out: np.ndarray
    settings: Settings
    seed: int  # of the predictive draws
    together: bool  # the density of all of them, or of each by itself

    def do(self) -> dict[str, Any]:
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


class _ByFold:
    """A model, with a refit for each group or for what lies beyond the frontier."""

    def __init__(
        self, spec: Spec, arrays: Design, left_out: Sequence[Fold], settings: Settings, by: By
    ) -> None:
        self._left_out, self._settings, self._by = left_out, settings, by
        self._runs = arrays.data["run"].to_numpy()
        self.jobs = [
            _LeftOut(
                spec,
                arrays.with_frontier_of(~fold.out) if by == "frontier" else arrays,
                fold.out,
                replace(settings, seed=settings.seed + i),
                settings.seed,
                together=by != "frontier",
            )
            for i, fold in enumerate(left_out)
        ]

    def scored(self, done: Sequence[Mapping[str, Any]]) -> _Scored:
        elpd: dict[str, float] = {}
        for fold, summary in zip(self._left_out, done, strict=True):
            names = self._runs[fold.out] if self._by == "frontier" else [fold.name]
            elpd |= dict(zip(names, summary["elpd"], strict=True))
        unit = "run" if self._by == "frontier" else self._by
        pointwise = xr.DataArray(list(elpd.values()), dims=unit, coords={unit: list(elpd)})
        names = [fold.name for fold in self._left_out]
        return _Scored(
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


# How many times as many effective draws a fit has that stands for others by weights.
_WEIGHTED = 3


class _ByRun:
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
            _LeftOut(
                *(spec, arrays, left_out[i].out),
                replace(settings, seed=settings.seed + 1 + number),
                settings.seed,
                together=False,
            )
            for number, i in enumerate(bad)
        ]

    def scored(self, done: Sequence[Mapping[str, Any]]) -> _Scored:
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
        return _Scored(
            elpd=elpd,
            mcse=_of_sum([self._mcse, *(summary["mcse"] for summary in done)]),
            predictions=predictions.assign(fold=predictions["run"]),
            refits=_refit_table(names, verdicts).assign(pareto_k=[np.nan, *pareto_k]),
        )


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


def _rank(elpd: Mapping[str, ELPDData]) -> pd.DataFrame:
    """ArviZ's table of models.

    Joint densities of whole groups overflow where it exponentiates them, so a constant is
    taken from every unit, which neither weights nor differences see.
    """
    best = np.max([model.elpd_i.values for model in elpd.values()], axis=0)
    shifted = {
        name: replace(model, elpd_i=model.elpd_i - best, elpd=model.elpd - float(best.sum()))
        for name, model in elpd.items()
    }
    table = arviz_stats.compare(shifted, round_to="none")
    return table.assign(elpd=table["elpd"] + float(best.sum()))


def _failures(refits: pd.DataFrame) -> list[Note]:
    failed = refits[~refits["passed"].astype(bool)]
    again = refits[refits["retries"] > 0]
    notes = []
    if len(failed):
        text = listed(f"{row.model} without {row.fold}" for row in failed.itertuples())
        hint = "do not use the comparison; draw more, or simplify the spec"
        notes.append(Note("unconverged", "failure", f"refits that did not converge: {text}", hint))
    for replaced, what in (
        (False, "more chains joined the first, and all count together"),
        (True, "longer chains replaced the first, which had not converged"),
    ):
        rows = again[again["replaced"].astype(bool) == replaced]
        if len(rows):
            text = listed(f"{row.model} without {row.fold}" for row in rows.itertuples())
            notes.append(Note("sampled-again", "info", f"{what}: {text}", "nothing to do"))
    return notes


def undecided(table: pd.DataFrame, unit: str, count: int) -> list[Note]:
    """Which differences the data do not decide, and what would.

    A difference counts from 4 nats on and beyond the 95 % interval of its error, by Student's t
    over the units. The error is of the units (doubled where they are few) and of Monte Carlo.

    Parameters
    ----------
    table : DataFrame
        A row for each model, best first: `elpd_diff`, `dse`, `elpd_mcse`, nats.
    unit : str
        What was left out together.
    count : int
        How many of them.
    """
    best, others = table.iloc[0], table.iloc[1:]
    units = others["dse"] * (1 if count >= _UNITS_ENOUGH else 2)
    monte_carlo = np.hypot(others["elpd_mcse"], best["elpd_mcse"])
    standard_errors = scipy.stats.t.ppf(0.975, count - 1) if count > 1 else np.inf
    margin = np.maximum(standard_errors * np.hypot(units, monte_carlo), _DIFFERENCE_LEAST)
    close = others[~(others["elpd_diff"].abs() >= margin)]  # a single unit has no error
    if close.empty:
        return []
    differences = "; ".join(
        f"{row.Index} {row.elpd_diff:+.1f} (standard error {row.dse:.1f}, "
        f"Monte Carlo {monte_carlo[row.Index]:.1f})"
        for row in close.itertuples()
    )
    hint = "average them by their weights, or add runs where the laws differ: "
    hint += "`bayescale discriminate`"
    if (monte_carlo[close.index] > close["dse"]).any():
        hint = "draw more: the Monte Carlo error is the larger one"
    return [
        Note(
            "undecided",
            "info",
            f"the data do not decide: elpd against {best.name}, {differences}, over {count} "
            f"{unit if count == 1 else plural(unit)}",
            hint,
        )
    ]


def _stacked_frames(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(
        [frame.assign(model=name) for name, frame in frames.items()], ignore_index=True
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict(orient="records")]
