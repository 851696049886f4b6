"""Fit: a spec, its runs and their posterior; sampled, judged, asked, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from bayescale import folder
from bayescale.design import Centre, Design, design
from bayescale.inference import Convergence, Sampler, Settings, judge
from bayescale.intervals import PROB, SAMPLE_DIMS, interval
from bayescale.invert import Inverse, invert
from bayescale.notes import Note, group_notes, prior_notes
from bayescale.predict import Kind, Prediction, predict, replicate
from bayescale.predictor import centred_tokens
from bayescale.runs import Runs
from bayescale.spec import Spec

_PRIOR_DRAWS = 2000

type Points = Runs | pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class ScalingModel:
    """A spec, ready to be fitted to runs.

    Parameters
    ----------
    spec : Spec, str or Path
        A spec, the name of a shipped one, or the path of a TOML file.

    Examples
    --------
    >>> fit = ScalingModel("compute-only").fit("open-llm-bpc")
    >>> fit.predict({"params": 70e9, "tokens": 15e12, "family": "Llama-3"}).table()
    """

    def __init__(self, spec: Spec | str | Path) -> None:
        self.spec = spec if isinstance(spec, Spec) else Spec.load(spec)

    def fit(
        self,
        runs: Runs | str | Path = "open-llm-bpc",
        settings: Settings | None = None,
        *,
        show_progress: bool = True,
    ) -> Fit:
        """Sample the posterior of the spec's parameters given the runs.

        Parameters
        ----------
        runs : Runs, str or Path
            Runs, the name of a bundled table, or a file.
        settings : Settings, optional
        show_progress : bool
            A live bar on standard error, where that is a terminal.

        Raises
        ------
        BayescaleError
            If the runs cannot be read or lack what the spec needs.
        """
        runs = runs if isinstance(runs, Runs) else Runs.read(runs)
        settings = settings or Settings()
        arrays = design(self.spec, runs)
        sampler = Sampler(self.spec, arrays)
        prior = sampler.prior(_PRIOR_DRAWS, settings.seed)
        posterior, stats = sampler.sample(settings, show_progress=show_progress)
        convergence = judge(posterior, stats)
        notes = [
            *convergence.notes(),
            *group_notes(self.spec, arrays),
            *prior_notes(self.spec, prior, posterior),
        ]
        groups = {
            "posterior": _finished(self.spec, arrays, posterior),
            "posterior_predictive": _replicated(self.spec, arrays, posterior, settings.seed),
            "sample_stats": stats,
            "prior": _finished(self.spec, arrays, prior),
            "prior_predictive": _replicated(self.spec, arrays, prior, settings.seed),
            "observed_data": arrays.data[["response"]],
            "constant_data": arrays.data.drop_vars("response"),
        }
        data = xr.DataTree.from_dict(groups)
        return Fit(self.spec, runs, arrays.centre, data, settings, convergence, notes)


def _finished(spec: Spec, arrays: Design, draws: xr.Dataset) -> xr.Dataset:
    """The draws with published constants and hidden token counts, without standardised values."""
    finished = draws.assign(spec.law.published(draws, arrays.centre))
    if "tokens_z" in draws:
        log_tokens = centred_tokens(draws, arrays.data) + np.log(arrays.centre["tokens"])
        hidden = log_tokens.sel(run=draws["hidden"].values).rename(run="hidden")
        finished["tokens"] = np.exp(hidden).transpose("chain", "draw", "hidden")
    standardised = [name for name in draws.data_vars if str(name).endswith("_z")]
    return finished.drop_vars(standardised)


def _replicated(spec: Spec, arrays: Design, draws: xr.Dataset, seed: int) -> xr.Dataset:
    """New responses at the fit's own runs, given draws of everything."""
    x = {str(name): arrays.data[name] for name in arrays.data.data_vars}
    x["tokens"] = centred_tokens(draws, x)
    return xr.Dataset({"response": replicate(spec, draws, x, seed)})


@dataclass(frozen=True, eq=False)
class Fit:
    """A posterior with what produced it.

    Attributes
    ----------
    spec : Spec
    runs : Runs
    centre : mapping
        Geometric means of N (parameters) and D (tokens) on which the law's inputs are centred.
    data : DataTree
        `posterior`, `posterior_predictive`, `prior`, `prior_predictive`, `sample_stats`,
        `observed_data`, `constant_data`, with dims `chain, draw, run, family, tokenizer, ...`.
        The posterior holds the law's sampled parameters, its published constants, the effect of
        every group (`level_family`), their spreads (`level_family_sd`), and the token counts of
        runs that hide them (`tokens`).
    settings : Settings
    convergence : Convergence
    notes : list of Note
    """

    spec: Spec
    runs: Runs
    centre: Centre
    data: xr.DataTree
    settings: Settings
    convergence: Convergence
    notes: list[Note]

    @property
    def posterior(self) -> xr.Dataset:
        """Draws from the posterior."""
        return self.data["posterior"].to_dataset()

    @property
    def prior(self) -> xr.Dataset:
        """Draws from the prior, of the same variables."""
        return self.data["prior"].to_dataset()

    @property
    def observed(self) -> xr.DataArray:
        """The responses that were fitted: (run) or (run, corpus)."""
        return self.data["observed_data"].to_dataset()["response"]

    @property
    def seed(self) -> int:
        """Seed of the fit, and of predictions from it."""
        return self.settings.seed

    def replicates(self, given: Literal["posterior", "prior"] = "posterior") -> xr.DataArray:
        """New responses of the fitted runs: (chain, draw, run[, corpus])."""
        return self.data[f"{given}_predictive"].to_dataset()["response"]

    def predict(self, points: Points, kind: Kind = "run") -> Prediction:
        """Draws of the response at points.

        Parameters
        ----------
        points : Runs, DataFrame, mapping or sequence of mappings
            `params`, `tokens`, and a label for each group (omitted: as in the data, else new).
        kind : {"mean", "run"}
            The curve, or one new run.

        Raises
        ------
        BayescaleError
            If a point breaks a rule of `Runs`.
        """
        return predict(self, as_points(points), kind)

    def invert(self, target: float, **question: Any) -> Inverse:
        """The least compute that reaches `target`; see `bayescale.invert.invert`."""
        return invert(self, target, **question)

    def summary(self, prob: float = PROB) -> pd.DataFrame:
        """A row for each parameter, spread and published constant.

        Returns
        -------
        DataFrame
            `mean`, `sd`, `median`, `lower`, `upper`, `ess_bulk`, `r_hat`, indexed by name.
        """
        posterior = self.posterior
        names = [
            *self.spec.priors,
            *(effect.sd_name for effect in self.spec.effect_list()),
            *(name for name in self.spec.law.units if name not in self.spec.priors),
        ]
        chosen = posterior[names]
        diagnostics = az.summary(chosen, kind="diagnostics", round_to="none")
        rows = []
        for name in names:
            said = interval(chosen[name], prob).assign(sd=chosen[name].std(SAMPLE_DIMS))
            if "corpus" in said.dims:
                cells = said.to_dataframe()
                rows.append(cells.set_axis([f"{name}[{corpus}]" for corpus in cells.index]))
            else:
                rows.append(pd.DataFrame({k: float(said[k]) for k in _SUMMARY}, index=[name]))
        table = pd.concat(rows)[list(_SUMMARY)]
        return table.join(diagnostics[["ess_bulk", "r_hat"]])

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fit to a folder, whole or not at all.

        Raises
        ------
        FitError
            If something is there already, or the folder cannot be written.
        """
        return folder.write(
            Path(path),
            data=self.data,
            spec=self.spec,
            runs=self.runs,
            says={
                "centre": dict(self.centre),
                "settings": vars(self.settings),
                "convergence": self.convergence.to_dict(),
                "notes": [note.to_dict() for note in self.notes],
            },
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, path: str | Path) -> Fit:
        """Read a fit's folder. Nothing in it is executed.

        Raises
        ------
        FitError
            If the folder is not a fit, is damaged, or was written by a later format.
        """
        content = folder.read(Path(path))
        says = dict(content.says["convergence"])
        says.pop("passed")
        return cls(
            spec=content.spec,
            runs=content.runs,
            centre=content.says["centre"],
            data=content.data,
            settings=Settings(**content.says["settings"]),
            convergence=Convergence(**says),
            notes=[Note(**note) for note in content.says["notes"]],
        )


_SUMMARY = ("mean", "sd", "median", "lower", "upper")


def as_points(points: Points) -> Runs:
    """Points of a prediction as checked `Runs`, named point-1, point-2, ... where unnamed."""
    if isinstance(points, Runs):
        return points
    if isinstance(points, Mapping):
        points = [points]
    frame = points if isinstance(points, pd.DataFrame) else pd.DataFrame(list(points))
    if "run" not in frame:
        frame = frame.assign(run=[f"point-{i}" for i in range(1, len(frame) + 1)])
    return Runs.from_frame(frame, name="points")
