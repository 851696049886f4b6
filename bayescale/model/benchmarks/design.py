"""Design: a table of scores as arrays with named dims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.runs.benchmarks.scores import Scores

# Through latent capabilities, or through losses.
FORMS = ("latent", "two-stage")
# What a table without families has all models belong to.
NO_FAMILY = "all"
# Latent capabilities.
FACTORS = 1
_INPUTS = ("params", "tokens")
# Rounds of regressions that fill in missing losses.
_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Design:
    """Arrays of a table of scores.

    Attributes
    ----------
    centre : mapping
        Geometric means of parameters, tokens and each loss.
    data : Dataset
        `x` (run, input): centred ln N and ln D, 0 where a count is not stated; `stated` of the
        same shape; `family_index`, `tuned` (run); `score` (run, benchmark), missing cells as nan;
        `chance`, `questions` (benchmark); `log_loss` (run, corpus).
    """

    centre: dict[str, float]
    data: xr.Dataset

    @property
    def families(self) -> list[str]:
        """Names of the families; the only one is `all` where the table has none."""
        return [str(name) for name in self.data["family"].values]

    @property
    def has_families(self) -> bool:
        """Whether the models are of several families."""
        return len(self.families) > 1

    @property
    def has_law(self) -> bool:
        """Whether losses can be predicted: all models state their parameters and tokens."""
        return bool(self.data["stated"].all())

    @property
    def own(self) -> bool:
        """Whether each benchmark has a loss of its own."""
        return list(self.data["corpus"].values) == list(self.data["benchmark"].values)

    @property
    def anchored(self) -> np.ndarray:
        """Loadings of the anchors, (factor, benchmark); not a number elsewhere.

        The logit of a factor's anchor is the factor's unit, and no other factor acts on it.
        """
        names = [str(name) for name in self.data["benchmark"].values]
        loadings = np.full((len(self.anchors), len(names)), np.nan)
        for factor, anchor in enumerate(self.anchors):
            loadings[:, names.index(anchor)] = 0
            loadings[factor, names.index(anchor)] = 1
        return loadings

    @property
    def anchors(self) -> list[str]:
        """The benchmarks with the most scores, one a factor."""
        counts = self.data["score"].notnull().sum("run").values
        first = np.argsort(-counts, kind="stable")[: min(FACTORS, len(counts))]
        return [str(self.data["benchmark"].values[i]) for i in first]

    def filled_losses(self) -> tuple[np.ndarray, np.ndarray]:
        """Losses (run, corpus) that regressions on the others expect, and how far they are off.

        Returns
        -------
        expected : ndarray (run, corpus)
        spread : ndarray (corpus,)
            Standard deviation of the residuals.
        """
        values = self.data["log_loss"].values
        filled = np.where(np.isfinite(values), values, np.nanmean(values, axis=0))
        for _ in range(_ROUNDS):
            for corpus in range(values.shape[1]):
                known = np.isfinite(values[:, corpus])
                filled[~known, corpus] = self._expected(filled, corpus)[~known]
        expected = np.column_stack([self._expected(filled, c) for c in range(values.shape[1])])
        return expected, np.nanstd(values - expected, axis=0)

    @staticmethod
    def _expected(filled: np.ndarray, corpus: int) -> np.ndarray:
        others = np.column_stack([np.ones(len(filled)), np.delete(filled, corpus, 1)])
        return others @ np.linalg.lstsq(others, filled[:, corpus], rcond=None)[0]

    @property
    def coords(self) -> dict[str, Any]:
        """Labels of all dims."""
        labels = {str(dim): index.to_numpy() for dim, index in self.data.indexes.items()}
        return labels | {"factor": self.anchors}


def design(scores: Scores) -> Design:
    """The arrays of a table of scores.

    Raises
    ------
    BayescaleError
        If the table states no parameters or tokens, and no loss either.
    """
    table = scores.runs.table
    logs = pd.DataFrame(
        {n: np.log(table[n]) if n in table else np.nan for n in _INPUTS}, table.index
    ).astype(float)
    if logs.isna().all().any() and scores.losses.empty:
        raise BayescaleError(
            f"{scores.runs.name}: scores need params and tokens, or losses (bpb, bpc or loss)"
        )
    families = _families(table)
    names = sorted(set(families))
    log_loss = np.log(scores.losses.astype(float))
    means = pd.concat([logs.mean().fillna(0.0), log_loss.mean()])
    each = scores.benchmarks.values()
    data = xr.Dataset(
        {
            "x": (("run", "input"), (logs - means[logs.columns]).fillna(0.0).to_numpy()),
            "stated": (("run", "input"), logs.notna().to_numpy()),
            "family_index": ("run", [names.index(name) for name in families]),
            "tuned": ("run", scores.tuned.to_numpy(float)),
            "score": (("run", "benchmark"), scores.scores.to_numpy(float)),
            "chance": ("benchmark", [benchmark.chance for benchmark in each]),
            "questions": ("benchmark", [float(benchmark.questions) for benchmark in each]),
            "log_loss": (("run", "corpus"), (log_loss - means[log_loss.columns]).to_numpy()),
        },
        coords={
            "run": table["run"].to_numpy(str),
            "input": list(_INPUTS),
            "family": names,
            "benchmark": list(scores.benchmarks),
            "corpus": list(scores.losses.columns),
        },
    )
    return Design({str(name): float(np.exp(mean)) for name, mean in means.items()}, data)


def _families(table: pd.DataFrame) -> list[str]:
    if "family" not in table or table["family"].isna().all():
        return [NO_FAMILY] * len(table)
    blank = table["family"].isna()
    # A model without a family is one of its own.
    return [run if b else name for run, name, b in
            zip(table["run"], table["family"], blank, strict=True)]  # fmt: skip
