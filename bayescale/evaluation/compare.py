"""Compare: which law predicts held-out runs best, by run, by group or beyond the frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
import scipy  # its parts load when first used
from arviz_stats import ELPDData

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note, listed
from bayescale.base.numbers import count, plural
from bayescale.base.output import say
from bayescale.base.settings import Settings
from bayescale.base.shown import Shown
from bayescale.evaluation.folds import By, folds
from bayescale.evaluation.left_out import ByFold, ByRun
from bayescale.evaluation.scores import averaged
from bayescale.fit.fit import Fit
from bayescale.model.design import design
from bayescale.model.spec import Spec
from bayescale.runs.table import Runs
from bayescale.sampling.jobs import Workers, check, perform

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
    plans: dict[str, ByRun | ByFold] = {}
    for name, spec in specs.items():
        chosen = replace(settings or spec.refit_settings, seed=seed)
        if by == "run":
            if show_progress:
                say(f"fitting {name} to all {len(table)} runs")
            plans[name] = ByRun(spec, designs[name], left_out, chosen)
        else:
            plans[name] = ByFold(spec, designs[name], left_out, chosen, by)
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
