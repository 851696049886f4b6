"""Fit: a spec, its runs and their posterior; asked, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS, interval
from bayescale.base.notes import Note
from bayescale.base.settings import PROB, Settings
from bayescale.base.shown import Shown
from bayescale.fit import folder
from bayescale.model.conditioning import conditioned
from bayescale.model.design import Centre, design
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.priors import log_density
from bayescale.model.spec import Spec
from bayescale.predictive.points import Points, as_points
from bayescale.predictive.predict import Answers, Located, locate
from bayescale.predictive.predictive import Predictive
from bayescale.runs.table import Runs
from bayescale.sampling.convergence import Convergence


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Shown, Answers):
    """A posterior with what produced it.

    Attributes
    ----------
    spec : Spec
    runs : Runs
    centre : mapping
        Geometric means of N (parameters) and D (tokens) on which the law's inputs are centred.
    groups : mapping
        Datasets: `posterior`, `posterior_predictive`, `log_likelihood`, `prior`,
        `prior_predictive`, `sample_stats`, `observed_data`, `constant_data`, with dims
        `chain, draw, run, family, tokenizer, ...`. The posterior holds the law's sampled
        parameters, its published constants, the effect of every group (`level_family`), their
        standard deviations (`level_family_sd`), and latent token counts (`tokens`).
    settings : Settings
    convergence : Convergence
    notes : list of Note
    """

    spec: Spec
    runs: Runs
    centre: Centre
    groups: Mapping[str, xr.Dataset]
    settings: Settings
    convergence: Convergence
    notes: list[Note]

    def _title(self) -> str:
        draws = self.groups["posterior"].sizes
        state = "converged" if self.convergence.passed else "NOT CONVERGED"
        return (
            f"Fit of {self.spec.name} to {self.runs.name}: {len(self.runs)} runs, "
            f"{draws['chain'] * draws['draw']} draws, {state} "
            f"(R-hat {self.convergence.r_hat:.3f}), {len(self.notes)} notes"
        )

    def _table(self) -> pd.DataFrame:
        table = self.summary().reset_index(names="name")
        return table[["name", "median", "lower", "upper", "ess_bulk", "r_hat"]]

    @cached_property
    def data(self) -> xr.DataTree:
        """All groups, and `log_prior`: what ArviZ's functions and plots take.

        >>> arviz.plot_forest(fit.data, var_names=["level_family"])
        >>> arviz.loo(fit.data)
        """
        return xr.DataTree.from_dict(
            {**self.groups, "log_prior": log_prior(self.spec, self.posterior)}
        )

    @property
    def posterior(self) -> xr.Dataset:
        """Draws from the posterior."""
        return self.groups["posterior"].copy()

    @property
    def prior(self) -> xr.Dataset:
        """Draws from the prior, of the same variables."""
        return self.groups["prior"].copy()

    @property
    def observed(self) -> xr.DataArray:
        """The responses that were fitted: (run) or (run, corpus)."""
        return self.groups["observed_data"]["response"]

    @cached_property
    def conditioned(self) -> Conditioned:
        """The discrepancy given the runs, for every draw; of a spec that has one."""
        return conditioned(self.spec, self.posterior, design(self.spec, self.runs).data)

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The spec alone; a stack has several."""
        return (self.spec,)

    @property
    def seed(self) -> int:
        """Seed of the fit, and of predictions from it."""
        return self.settings.seed

    def replicates(self, given: Literal["posterior", "prior"] = "posterior") -> xr.DataArray:
        """New responses of the fitted runs: (chain, draw, run[, corpus])."""
        return self.groups[f"{given}_predictive"]["response"]

    def locate(self, points: Points) -> Located[Predictive]:
        """The predictive distribution of the response at points."""
        return locate(self, as_points(points))

    def summary(self, prob: float = PROB) -> pd.DataFrame:
        """A row for each parameter, spread and published constant.

        Returns
        -------
        DataFrame
            `mean`, `sd`, `median`, `lower`, `upper`, `ess_bulk`, `r_hat`, indexed by name.
        """
        import arviz_stats  # takes a second to load, and a prediction does without

        posterior = self.posterior
        names = [
            *self.spec.all_priors(),
            *(name for name in self.spec.law.units if name not in self.spec.priors),
        ]
        chosen = posterior[names]
        diagnostics = arviz_stats.summary(chosen, kind="diagnostics", round_to="none")
        rows = []
        for name in names:
            estimate = interval(chosen[name], prob).assign(sd=chosen[name].std(SAMPLE_DIMS))
            if estimate.dims:  # one for each corpus, or label of a group
                cells = estimate.to_dataframe()
                rows.append(cells.set_axis([f"{name}[{label}]" for label in cells.index]))
            else:
                rows.append(pd.DataFrame({k: float(estimate[k]) for k in _SUMMARY}, index=[name]))
        table = pd.concat(rows)[list(_SUMMARY)]
        return table.join(diagnostics[["ess_bulk", "r_hat"]])

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fit to a folder, whole or not at all.

        Raises
        ------
        FitError
            If something is there already, or the folder cannot be written.
        """
        record = folder.Record(
            centre=dict(self.centre),
            settings=self.settings,
            convergence=self.convergence,
            notes=self.notes,
        )
        content = folder.Content(self.groups, self.spec, self.runs, record)
        return folder.write(Path(path), content, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Fit:
        """Read a fit's folder. Nothing in it is executed.

        Raises
        ------
        FitError
            If the folder is not a fit, is damaged, or was written by a later format.
        """
        content = folder.read(Path(path))
        record = content.record
        return cls(
            spec=content.spec,
            runs=content.runs,
            centre=record.centre,
            groups=content.groups,
            settings=record.settings,
            convergence=record.convergence,
            notes=record.notes,
        )


def log_prior(spec: Spec, posterior: xr.Dataset) -> xr.Dataset:
    """Log density of the prior of each parameter at draws: (chain, draw)."""
    return xr.Dataset(
        {name: log_density(prior, posterior[name]) for name, prior in spec.all_priors().items()}
    )


_SUMMARY = ("mean", "sd", "median", "lower", "upper")
