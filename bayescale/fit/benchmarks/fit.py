"""BenchmarkFit: scores of many models on many benchmarks, fitted; predictions and compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import check_prob
from bayescale.base.notes import Note
from bayescale.base.output import print_notes
from bayescale.base.settings import PROB, Settings
from bayescale.base.shown import Shown
from bayescale.fit.benchmarks import folder
from bayescale.fit.benchmarks.notes import score_notes
from bayescale.model.benchmarks.design import FORMS, Design, design, usual_form
from bayescale.predictive.benchmarks import NEW, BenchmarkPredictive, Kind
from bayescale.runs.benchmarks.scores import Scores
from bayescale.sampling.convergence import Convergence

# Draws that sample the tables of the documentation cleanly.
SETTINGS = Settings(draws=2000, tune=300, chains=4, ess=450)
# Decades of compute beyond the data in which `reach` looks, and its steps a decade.
_DECADES, _STEPS = 8, 100
# Decades of compute beyond the data that are worth a note.
_FAR = 0.5


@dataclass(frozen=True, eq=False)
class BenchmarkFit(Shown):
    """A model of benchmark scores and its posterior.

    Attributes
    ----------
    form : {"direct", "latent", "two-stage"}
    scores : Scores
    posterior : Dataset (chain, draw, ...)
        Standardised values, as `bayescale.model.benchmarks.formulas` takes them.
    convergence : Convergence
    settings : Settings
    notes : list of Note
    """

    form: str
    scores: Scores
    posterior: xr.Dataset
    convergence: Convergence
    settings: Settings
    notes: list[Note]

    def _title(self) -> str:
        return f"BenchmarkFit, {self.form}, of {self.scores._title()}"

    def _table(self) -> pd.DataFrame:
        return self.summary()

    @cached_property
    def design(self) -> Design:
        """Arrays of the scores."""
        return design(self.scores, self.form)

    @cached_property
    def predictive(self) -> BenchmarkPredictive:
        """The predictive distribution of scores."""
        return BenchmarkPredictive(self.design, self.posterior, self.settings.seed)

    def predict(
        self,
        points: pd.DataFrame | Mapping[str, Any],
        kind: Kind = "run",
        prob: float = PROB,
        *,
        benchmarks: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Scores at parameters and tokens, with equal-tailed intervals.

        Parameters
        ----------
        points : DataFrame or mapping
            `params` and `tokens`, or the losses where a two-stage fit has no law of them; `family`
            (else a new one) and `instruct` (else false).
        kind : {"curve", "run"}
            The expected score, or the score that one model will be given.
        prob : float
            That an interval holds.
        benchmarks : sequence of str, optional
            By default all.

        Returns
        -------
        DataFrame
            A row a point and benchmark: the point's columns, `benchmark`, `median`, `lower`,
            `upper`, and `decades_outside`, the compute beyond the data's.

        Raises
        ------
        BayescaleError
            If a point lacks a column, or its family was not fitted.
        """
        table = _points(points)
        tail = (1 - check_prob(prob)) / 2
        draws = self.predictive.draws(table, kind)
        lower, median, upper = np.quantile(draws.values, [tail, 0.5, 1 - tail], axis=0)
        wanted = [self._known(name) for name in benchmarks or self.scores.benchmarks]
        names = [str(name) for name in draws["benchmark"].values]
        outside = self._outside(table)
        rows = [
            {
                **{str(k): v for k, v in point.items()},
                "benchmark": name,
                "median": median[i, j],
                "lower": lower[i, j],
                "upper": upper[i, j],
                "decades_outside": outside[i],
            }
            for i, point in enumerate(table.to_dict(orient="records"))
            for j, name in enumerate(names)
            if name in wanted
        ]
        return pd.DataFrame(rows)

    def outside_notes(self, points: pd.DataFrame) -> list[Note]:
        """That points have more compute than any fitted model."""
        most = float(np.nan_to_num(self._outside(points)).max())
        if most < _FAR:
            return []
        text = f"a point has {most:.1f} decades more compute than the models that were fitted"
        hint = "the interval includes that the gain beyond them is known to a factor only"
        return [Note("beyond-models", "info", text, hint)]

    def probability(
        self, points: pd.DataFrame | Mapping[str, Any], benchmark: str, target: float
    ) -> np.ndarray:
        """Probability that one model's score is at least `target`, (point,)."""
        draws = self.predictive.draws(_points(points)).sel(benchmark=self._known(benchmark))
        return np.asarray((draws >= target).mean("sample"))

    def reach(
        self,
        benchmark: str,
        target: float,
        *,
        tokens_per_param: float = 20.0,
        family: str = NEW,
        instruct: bool = False,
        prob: float = PROB,
    ) -> dict[str, Any]:
        """The least compute at which one model reaches a score with a probability.

        Parameters
        ----------
        benchmark : str
        target : float
            A share from 0 to 1.
        tokens_per_param : float
        family : str
        instruct : bool
        prob : float

        Returns
        -------
        dict
            `flops`, `params`, `tokens`, and `probability` there; the first three are None where
            none within eight decades beyond the data reaches it, and `probability` is then the
            largest.

        Raises
        ------
        BayescaleError
            As `reach_by_ratio`.
        """
        found = self.reach_by_ratio(
            benchmark, target, [tokens_per_param], family=family, instruct=instruct, prob=prob
        ).iloc[0]
        numbers = {str(name): float(value) for name, value in found.items()}
        del numbers["tokens_per_param"]
        return {name: None if np.isnan(value) else value for name, value in numbers.items()}

    def reach_by_ratio(
        self,
        benchmark: str,
        target: float,
        ratios: Sequence[float] | np.ndarray,
        *,
        family: str = NEW,
        instruct: bool = False,
        prob: float = PROB,
    ) -> pd.DataFrame:
        """The same at each of some ratios of tokens to parameters.

        Returns
        -------
        DataFrame
            A row a ratio: `tokens_per_param`, `flops`, `params`, `tokens` and `probability`; not a
            number where `reach` has None.

        Raises
        ------
        BayescaleError
            If the benchmark was not fitted, the target is no share, or the fit takes losses.
        """
        self._known(benchmark)
        check_prob(prob)
        if not 0 < target < 1:
            hint = f"; write {target / 100:g}" if 1 < target <= 100 else ""
            raise BayescaleError(f"target={target:g}: a score is a share between 0 and 1{hint}")
        if self.design.takes_losses:
            raise BayescaleError(
                "this fit predicts scores from losses; for compute, fit models whose params and "
                "tokens are known"
            )
        stated = self.scores.flops.dropna()
        start, end = np.log10(stated.min()) - 1, np.log10(stated.max()) + _DECADES
        budgets = np.logspace(start, end, int(_STEPS * (end - start)) + 1)
        rest: dict[str, Any] = {"instruct": instruct}
        if self.design.has_families:
            rest["family"] = family

        def at(places: np.ndarray) -> pd.DataFrame:
            flops = budgets[places]
            params = np.sqrt(flops / 6 / np.asarray(ratios))
            table = pd.DataFrame({"params": params, "tokens": flops / 6 / params}).assign(**rest)
            probability = self.probability(table, benchmark, target)
            return table.assign(flops=flops, probability=probability)

        # More compute makes a score more likely, so the first step that is enough is bisected for.
        low, high = np.zeros(len(ratios), int), np.full(len(ratios), len(budgets) - 1)
        while (low < high).any():
            middle = (low + high) // 2
            enough = at(middle)["probability"].to_numpy() >= prob
            low, high = (
                np.where(enough, low, np.minimum(middle + 1, high)),
                np.where(enough, middle, high),
            )
        found = at(low)
        missed = found["probability"] < prob
        found.loc[missed, ["flops", "params", "tokens"]] = np.nan
        names = ["tokens_per_param", "flops", "params", "tokens", "probability"]
        return found.assign(tokens_per_param=np.asarray(ratios, float))[names]

    def summary(self, prob: float = PROB) -> pd.DataFrame:
        """Of each benchmark: models scored, chance, floor, ceiling and best score, in the fit."""
        tail = (1 - check_prob(prob)) / 2
        low, missed = self.predictive.ends
        rows = {}
        for j, (name, known) in enumerate(self.scores.benchmarks.items()):
            ceiling = np.quantile(1 - missed[:, j], [tail, 1 - tail])
            rows[name] = {
                "models": int(self.scores.scores[name].notna().sum()),
                "chance": known.chance,
                "best": float(self.scores.scores[name].max()),
                "floor": float(np.median(low[:, j])),
                "ceiling_lower": ceiling[0],
                "ceiling_upper": ceiling[1],
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("benchmark")

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fit into a folder; errors as for `bayescale.fit.folder.check_destination`."""
        content = folder.Content(
            self.form, self.scores, self.posterior, self.convergence, self.settings, self.notes
        )
        return folder.write(Path(path), content, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> BenchmarkFit:
        """Read a fit's folder.

        Raises
        ------
        FitError
            If it is not one, or damaged.
        """
        found = folder.read(Path(path))
        return cls(
            found.form,
            found.scores,
            found.posterior,
            found.convergence,
            found.settings,
            found.notes,
        )

    def _known(self, benchmark: str) -> str:
        if benchmark not in self.scores.benchmarks:
            raise unknown("benchmark", benchmark, list(self.scores.benchmarks))
        return benchmark

    def _outside(self, table: pd.DataFrame) -> np.ndarray:
        if self.design.takes_losses:
            return np.full(len(table), np.nan)
        flops = 6 * table["params"].astype(float) * table["tokens"].astype(float)
        return np.asarray(np.maximum(np.log10(flops / self.scores.flops.max()), 0))


def fit_benchmarks(
    scores: Scores,
    form: str | None = None,
    settings: Settings | None = None,
    *,
    show_progress: bool = True,
    **options: Any,
) -> BenchmarkFit:
    """Sample the posterior of a model of benchmark scores.

    Parameters
    ----------
    scores : Scores
    form : {"direct", "latent", "two-stage"}, optional
        By default two-stage where benchmarks have losses of their own, or where there are losses
        and sizes are not known; else latent.
    settings : Settings, optional
    show_progress : bool
    **options
        Single settings by name.

    Raises
    ------
    BayescaleError
        If the scores lack what the form needs.
    """
    from bayescale.sampling.benchmarks import sample_scores

    chosen = form or usual_form(scores)
    if chosen not in FORMS:
        raise unknown("form", chosen, list(FORMS))
    settings = (settings or SETTINGS).replace(**options)
    arrays = design(scores, chosen)
    sampled = sample_scores(arrays, settings, show_progress=show_progress)
    notes = [*sampled.convergence.notes(), *score_notes(scores)]
    if show_progress:
        print_notes([note for note in notes if note.level != "info"])
    return BenchmarkFit(
        arrays.form, scores, sampled.posterior, sampled.convergence, sampled.settings, notes
    )


def _points(points: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
    if isinstance(points, pd.DataFrame):
        return points.reset_index(drop=True)
    many = (list, np.ndarray, pd.Series)
    return pd.DataFrame({k: v if isinstance(v, many) else [v] for k, v in points.items()})
