"""Compare: which law predicts what it has not seen, by run, by group or beyond the frontier.

Every model is compiled once; each fold is a refit of the same sampler on fewer runs. A group
that is left out whole is predicted as an unseen one: its effect is drawn from its distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import ELPDData, SamplingWrapper
from scipy.special import logsumexp

from bayescale.design import design
from bayescale.errors import BayescaleError
from bayescale.fit import Fit
from bayescale.folds import By, Fold, folds
from bayescale.inference import Refit, Sampler
from bayescale.intervals import SAMPLE_DIMS
from bayescale.notes import Note, listed
from bayescale.numbers import plural
from bayescale.runs import Runs
from bayescale.scores import averaged, scores
from bayescale.settings import Settings
from bayescale.spec import Spec
from bayescale.unseen import OneByOne, Unseen

# Above this Pareto k, importance sampling cannot stand in for a refit (arXiv 1507.02646).
_K_MOST = 0.7

# Below these a difference of elpd has no Normal error (arXiv 2008.10296).
_DIFFERENCE_LEAST = 4
_UNITS_LEAST = 100


@dataclass(frozen=True, eq=False)
class Comparison:
    """How well models predict the runs that were left out.

    Attributes
    ----------
    by : str
        What was left out together: a run, a group of runs, or the frontier.
    runs : Runs
    specs : dict
        Model name to its spec.
    table : DataFrame
        A row a model, best first. From `arviz.compare`: `rank`, `elpd` (expected log predictive
        density, nats, of the response itself), `se`, `elpd_diff` and `dse` against the best,
        `p_worse`, `p`, `weight` (stacking), `diag_diff`, `diag_elpd`. Then `coverage_50`,
        `coverage_90`, `crps`, `interval_score`, `rmse`, `bias`, `width` over the runs left out,
        in the response's unit.
    elpd : DataFrame
        A row for each unit left out (by frontier: each run), a column a model.
    predictions : DataFrame
        A row for each model and response: what was predicted, reached, and its scores.
    refits : DataFrame
        A row for each model and fold: `r_hat`, `ess_bulk`, `divergences`, `rounds`, `passed`;
        by run also `pareto_k`, and only those refitted exactly.
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
    """One model's view of what it did not see."""

    elpd: ELPDData
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
    show_progress: bool = True,
) -> Comparison:
    """Leave runs out, predict them, and score the predictions of each model.

    By run: Pareto-smoothed importance sampling (arXiv 1507.02646), and an exact refit for every
    run with k above .7. By a group: each of its members left out whole and predicted jointly, as
    an unseen one. By frontier: the runs with the most compute left out, predicted one by one.

    Parameters
    ----------
    models : sequence of Spec, str, Path or Fit
        A fit stands for its spec and its runs.
    runs : Runs, str or Path, optional
        By default the fits', or the bundled table.
    by : {"run", "family", "tokenizer", "lab", "dataset", "frontier"}
    share, above : float
        By frontier: share of runs, or FLOP above which they are left out.
    settings : Settings, optional
        Of every refit; by default what the spec needs.
    seed : int
        Refit i has this plus i.
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
    designs = {name: design(spec, table) for name, spec in specs.items()}
    unseen = {}
    for name, spec in specs.items():
        sampler = Sampler(spec, designs[name])
        predict_unseen = _by_run if by == "run" else _by_fold
        chosen = replace(settings or spec.refit_settings, seed=seed)
        unseen[name] = predict_unseen(sampler, left_out, by, chosen, show_progress)
    ranked = _rank({name: one.elpd for name, one in unseen.items()})
    scored = {name: averaged(one.predictions) for name, one in unseen.items()}
    ranked = ranked.join(pd.DataFrame.from_dict(scored, orient="index"))
    refits = _stacked_frames({name: one.refits for name, one in unseen.items()})
    elpd = pd.DataFrame({name: one.elpd.elpd_i.to_series() for name, one in unseen.items()})
    return Comparison(
        by=by,
        runs=table,
        specs=specs,
        table=ranked,
        elpd=elpd,
        predictions=_stacked_frames({name: one.predictions for name, one in unseen.items()}),
        refits=refits,
        notes=[*_failures(refits), *_undecided(ranked, str(elpd.index.name), len(elpd))],
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
    seen = [model.runs for model in models if isinstance(model, Fit)]
    if runs is not None:
        seen.append(runs if isinstance(runs, Runs) else Runs.read(runs))
    if not seen:
        return Runs.read("open-llm-bpc")
    first, *others = seen
    for other in others:
        mine, theirs = (set(one.to_jsonl().splitlines()) for one in (first, other))
        if mine != theirs:
            names = {line.split('"run": "')[1].split('"')[0] for line in mine ^ theirs}
            raise BayescaleError(
                f"{first.name} and {other.name}: the models saw different runs "
                f"({listed(sorted(names))}); fit them to the same rows"
            )
    return first


def _log_mean(density: xr.DataArray) -> np.ndarray:
    """Log of the mean density over draws."""
    values = density.stack(sample=SAMPLE_DIMS).transpose(..., "sample").values
    return np.asarray(logsumexp(values, axis=-1) - np.log(values.shape[-1]))


def _by_fold(
    sampler: Sampler, left_out: Sequence[Fold], by: By, settings: Settings, show_progress: bool
) -> _Scored:
    spec, arrays = sampler.spec, sampler.design
    refits = sampler.refits([~fold.out for fold in left_out], settings, show_progress=show_progress)
    elpd: dict[str, float] = {}
    predictions = []
    for fold, refit in zip(left_out, refits, strict=True):
        unseen = Unseen(spec, refit.posterior, arrays.data, fold.out)
        if by == "frontier":
            density = unseen.log_density()
            elpd |= dict(zip(density["run"].values, _log_mean(density), strict=True))
        else:
            elpd[fold.name] = float(_log_mean(unseen.joint_log_density()))
        draws = unseen.draws(settings.seed)
        predictions.append(scores(draws, unseen.response).assign(fold=fold.name))
    unit = "run" if by == "frontier" else by
    pointwise = xr.DataArray(list(elpd.values()), dims=unit, coords={unit: list(elpd)})
    return _Scored(
        elpd=ELPDData(
            elpd=float(pointwise.sum()),
            se=float(np.sqrt(pointwise.size * pointwise.var())),
            p=float("nan"),  # counted by importance sampling alone
            n_samples=settings.draws * settings.chains,
            n_data_points=pointwise.size,
            scale="log",
            warning=False,
            good_k=None,
            elpd_i=pointwise,
        ),
        predictions=pd.concat(predictions, ignore_index=True),
        refits=_refit_table([fold.name for fold in left_out], refits),
    )


class _Refitted(SamplingWrapper):  # type: ignore[misc]
    """ArviZ's way to ask for the density of a run under a fit without it, done beforehand."""

    def __init__(self, idata: xr.DataTree, densities: Mapping[int, xr.DataArray]) -> None:
        super().__init__(model=None, idata_orig=idata)
        self._densities = densities

    def sel_observations(self, idx: Any) -> tuple[int, int]:
        return int(idx), int(idx)

    def sample(self, modified_observed_data: int) -> int:
        return modified_observed_data

    def get_inference_data(self, fitted_model: int) -> int:
        return fitted_model

    def log_likelihood__i(self, excluded_obs: int, idata__i: int) -> xr.DataArray:
        return self._densities[excluded_obs]


def _by_run(
    sampler: Sampler, left_out: Sequence[Fold], by: By, settings: Settings, show_progress: bool
) -> _Scored:
    spec, arrays = sampler.spec, sampler.design
    everything = np.ones(arrays.data.sizes["run"], bool)
    (whole,) = sampler.refits([everything], settings)
    posterior = whole.posterior
    inside = OneByOne(spec, posterior, arrays.data)
    density = inside.log_density()
    tree = xr.DataTree.from_dict(
        {"posterior": posterior, "log_likelihood": density.to_dataset(name="response")}
    )
    with catch_warnings():  # a high k is refitted below
        filterwarnings("ignore", message="Estimated shape parameter of Pareto distribution")
        smoothed = arviz_stats.loo(tree, pointwise=True)
    bad = [int(i) for i in np.flatnonzero(smoothed.pareto_k.values > _K_MOST)]
    exact = sampler.refits(
        [~left_out[i].out for i in bad],
        replace(settings, seed=settings.seed + 1),
        show_progress=show_progress,
    )
    draws = _reweighted(inside.draws(settings.seed), smoothed, settings.seed)
    predictions = scores(draws, inside.response)
    densities = {}
    for i, refit in zip(bad, exact, strict=True):
        unseen = Unseen(spec, refit.posterior, arrays.data, left_out[i].out)
        densities[i] = unseen.log_density()
        rows = predictions["run"] == left_out[i].name
        predictions.loc[rows] = scores(unseen.draws(settings.seed), unseen.response).to_numpy()
    elpd = arviz_stats.reloo(
        _Refitted(tree, densities), loo_orig=smoothed, k_threshold=_K_MOST, pointwise=True
    )
    names = ["(none)", *(left_out[i].name for i in bad)]
    return _Scored(
        elpd=elpd,
        predictions=predictions.assign(fold=predictions["run"]),
        refits=_refit_table(names, [whole, *exact]).assign(
            pareto_k=[np.nan, *smoothed.pareto_k.values[bad]]
        ),
    )


def _reweighted(draws: xr.DataArray, smoothed: Any, seed: int) -> xr.DataArray:
    """Predictive draws of each run as if it had been left out, by its importance weights."""
    weights = np.exp(smoothed.log_weights).stack(sample=SAMPLE_DIMS).transpose("run", "sample")
    flat = draws.stack(sample=SAMPLE_DIMS).transpose("run", ..., "sample")
    rng = np.random.default_rng(seed)
    drawn = np.empty_like(flat.values)
    for i, weight in enumerate(weights.values):
        positions = (rng.random() + np.arange(weight.size)) / weight.size  # systematic
        kept = np.searchsorted(np.cumsum(weight / weight.sum()), positions)
        drawn[i] = flat.values[i][..., np.minimum(kept, weight.size - 1)]
    return flat.copy(data=drawn).unstack("sample")


def _refit_table(names: Sequence[str], refits: Sequence[Refit]) -> pd.DataFrame:
    rows = [
        {"fold": name, **refit.convergence.to_dict(), "rounds": refit.rounds}
        for name, refit in zip(names, refits, strict=True)
    ]
    return pd.DataFrame(rows)


def _rank(elpd: Mapping[str, ELPDData]) -> pd.DataFrame:
    """ArviZ's table of models.

    Joint densities of whole groups overflow where it exponentiates them, so a constant is
    taken from every unit, which neither weights nor differences see.
    """
    best = np.max([one.elpd_i.values for one in elpd.values()], axis=0)
    shifted = {
        name: replace(one, elpd_i=one.elpd_i - best, elpd=one.elpd - float(best.sum()))
        for name, one in elpd.items()
    }
    table = arviz_stats.compare(shifted, round_to="none")
    return table.assign(elpd=table["elpd"] + float(best.sum()))


def _failures(refits: pd.DataFrame) -> list[Note]:
    failed = refits[~refits["passed"].astype(bool)]
    again = refits[refits["rounds"] > 1]
    notes = []
    if len(failed):
        text = listed(f"{row.model} without {row.fold}" for row in failed.itertuples())
        mend = "do not use the comparison; draw more, or simplify the spec"
        notes.append(Note("unconverged", "failure", f"refits that did not converge: {text}", mend))
    if len(again):
        text = listed(f"{row.model} without {row.fold}" for row in again.itertuples())
        mend = "nothing to do; all of them count together"
        notes.append(Note("sampled-again", "info", f"more chains were needed: {text}", mend))
    return notes


def _undecided(table: pd.DataFrame, unit: str, count: int) -> list[Note]:
    """Which differences the data cannot decide, and what would."""
    best = str(table.index[0])
    close = [
        f"{name} {row.elpd_diff:+.1f} (se {row.dse:.1f})"
        for name, row in table.iloc[1:].iterrows()
        if abs(row.elpd_diff) < _DIFFERENCE_LEAST or count < _UNITS_LEAST
    ]
    if not close:
        return []
    return [
        Note(
            "undecided",
            "info",
            f"the data do not decide: elpd against {best}, {'; '.join(close)}, "
            f"over {count} {plural(unit)} (a difference below {_DIFFERENCE_LEAST} or fewer than "
            f"{_UNITS_LEAST} has no Normal error)",
            "average them by their weights, or add runs where the laws part: `bayescale part`",
        )
    ]


def _stacked_frames(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(
        [frame.assign(model=name) for name, frame in frames.items()], ignore_index=True
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict(orient="records")]
