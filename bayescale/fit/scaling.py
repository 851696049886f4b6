"""ScalingModel: a spec fitted to runs; design, prior, posterior, verdict, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.notes import Note
from bayescale.base.output import print_notes
from bayescale.base.settings import Settings
from bayescale.base.shown import Shown
from bayescale.fit.fit import Fit
from bayescale.fit.identification import identification_notes
from bayescale.fit.notes import (
    conflict_notes,
    group_notes,
    prior_notes,
    residual_notes,
    thinned_note,
)
from bayescale.model import priors
from bayescale.model.curve import centred_tokens
from bayescale.model.design import Design, design
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.runs.checkpoints import without_neighbours
from bayescale.runs.notes import table_notes
from bayescale.runs.table import Runs
from bayescale.sampling.convergence import judge
from bayescale.sampling.retry import Retry, until_converged
from bayescale.sampling.sampler import Sampler

if TYPE_CHECKING:
    import pymc as pm

_PRIOR_DRAWS = 2000

# Attempts that a fit with the usual settings may take.
_ATTEMPTS = 3

# Replicates that a fit keeps, over draws, runs and corpora: 80 MB, given the posterior and given
# the prior. Making and reading them takes some ten copies.
_REPLICATES_MOST = 10_000_000


class ScalingModel(Shown):
    """A spec, ready to be fitted to runs.

    Parameters
    ----------
    spec : Spec, str or Path
        A spec, the name of a shipped one, or the path of a TOML file.
    **changes
        As for `Spec.replace`: `response="loss"`, `groups=False`, `discrepancy=True`.

    Examples
    --------
    >>> fit = ScalingModel("compute-only").fit("open-llm-bpc")
    >>> fit.predict({"params": 70e9, "tokens": 15e12, "family": "Llama-3"}).table()
    """

    def __init__(self, spec: Spec | str | Path, **changes: Any) -> None:
        whole = spec if isinstance(spec, Spec) else Spec.load(spec)
        self.spec = whole.replace(**changes) if changes else whole

    def _title(self) -> str:
        return f"ScalingModel of spec {self.spec.name}: {self.spec.title}"

    def fit(
        self,
        runs: Runs | pd.DataFrame | str | Path = "open-llm-bpc",
        settings: Settings | None = None,
        *,
        show_progress: bool = True,
        keep_groups: bool = False,
        **options: Any,
    ) -> Fit:
        """Sample the posterior of the spec's parameters given the runs.

        Parameters
        ----------
        runs : Runs, DataFrame, str or Path
            Runs, a table of them, a table's name (`bayescale data list`), or a file.
        settings : Settings, optional
            By default what the spec usually needs, and longer if that does not converge; other
            settings are taken as they are.
        show_progress : bool
            A live bar on standard error, where that is a terminal.
        keep_groups : bool
            Fit effects of groups that are the same in all runs too; see `Spec.for_runs`.
        **options
            Single settings by name: `draws=2000`, `chains=4`, `seed=1`.

        Raises
        ------
        BayescaleError
            If the runs cannot be read or lack what the spec needs.
        """
        runs = _as_runs(runs)
        spec, notes = self.spec.for_runs(runs, keep_groups=keep_groups)
        runs, left_out = independent(spec, runs)
        settings = (settings or spec.settings).replace(**options)
        sampler = Sampler(spec, design(spec, runs))
        return fit_with(
            sampler, runs, settings, show_progress=show_progress, before=notes + left_out
        )

    def model(self, runs: Runs | pd.DataFrame | str | Path = "open-llm-bpc") -> pm.Model:
        """The PyMC model of the spec given runs: what `fit` samples.

        Its variables carry dims (`run`, `family`, ...) and the names of the spec's parameters;
        inputs and responses are `pm.Data`. A term added to it is sampled with the rest; what it
        then gives is PyMC's own result, not a `Fit`.

        Parameters
        ----------
        runs : Runs, DataFrame, str or Path
            As for `fit`.

        Raises
        ------
        BayescaleError
            If the runs cannot be read or lack what the spec needs.

        Examples
        --------
        Another study's estimate of the slope, -0.028 with a standard error of 0.001, as one more
        observation:

        >>> import pymc as pm
        >>> import pymc.dims as pmd
        >>> with ScalingModel("compute-only").model("open-llm-bpc") as model:
        ...     pmd.Normal("another_study", model["slope"], 0.001, observed=-0.028)
        ...     posterior = pm.sample()
        """
        from bayescale.model.graph import build  # takes PyMC, which refits do without

        runs = _as_runs(runs)
        spec, _ = self.spec.for_runs(runs)
        runs, _ = independent(spec, runs)  # as `fit` has them
        return build(spec, design(spec, runs))


def _as_runs(runs: Runs | pd.DataFrame | str | Path) -> Runs:
    if isinstance(runs, pd.DataFrame):
        return Runs.from_frame(runs)
    return runs if isinstance(runs, Runs) else Runs.read(runs)


def independent(spec: Spec, runs: Runs) -> tuple[Runs, list[Note]]:
    """The runs that a spec is fitted to.

    With a model discrepancy, whose intervals shrink with every run nearby, those without
    neighbouring checkpoints; else all.
    """
    return without_neighbours(runs) if spec.discrepancy else (runs, [])


def fit_with(
    sampler: Sampler,
    runs: Runs,
    settings: Settings,
    *,
    show_progress: bool,
    before: Sequence[Note] = (),
) -> Fit:
    """Fit through a sampler that may have been compiled before; `runs` made its design.

    `before` are notes on how the spec was fitted to the runs.
    """
    spec, arrays = sampler.spec, sampler.design
    early = [
        *before,
        *table_notes(runs, inputs=spec.law.inputs),
        *identification_notes(spec, arrays),
    ]
    if show_progress:  # minutes before the fit can say it
        print_notes(early)

    def sampled(settings: Settings) -> tuple[xr.Dataset, xr.Dataset]:
        return sampler.sample(settings, show_progress=show_progress)

    usual = settings == replace(spec.settings, seed=settings.seed)
    found = until_converged(sampled, judge, settings, _ATTEMPTS if usual else 1)
    posterior, seed = found.posterior, settings.seed
    prior = priors.draws(spec, arrays, _PRIOR_DRAWS, seed)
    unfitted = Predictive.of_prior(spec, _thinned(arrays, prior), arrays, seed)
    after = Predictive.of_design(spec, _thinned(arrays, posterior), arrays, seed)
    expected, replicated = (
        xr.Dataset({"response": predictive.replicates()}) for predictive in (unfitted, after)
    )
    finished, known = (_finished(spec, arrays, draws) for draws in (posterior, prior))
    notes = [
        *found.convergence.notes(),
        *map(_sampled_again, found.retries),
        *thinned_note(replicated, posterior),
        *early,
        *conflict_notes(expected["response"], arrays.data["response"]),
        *group_notes(spec, arrays),
        *prior_notes(spec, known, finished),
        *residual_notes(spec, after),
    ]
    groups = {
        "posterior": finished,
        "posterior_predictive": replicated,
        "log_likelihood": after.log_likelihood(after.observed).to_dataset(name="response"),
        "sample_stats": found.stats,
        "prior": known,
        "prior_predictive": expected,
        "observed_data": arrays.data[["response"]],
        "constant_data": arrays.data.drop_vars("response"),
    }
    return Fit(spec, runs, arrays.centre, groups, found.settings, found.convergence, notes)


def _sampled_again(retry: Retry) -> Note:
    first = retry.convergence
    return Note(
        "sampled-again",
        "info",
        f"the chains did not converge (R-hat {first.r_hat:.3f}, {first.divergences} divergences, "
        f"{min(first.ess_bulk, first.ess_tail):.0f} effective draws): {retry}",
        "nothing to do",
    )


def _finished(spec: Spec, arrays: Design, draws: xr.Dataset) -> xr.Dataset:
    """The draws with published constants and latent token counts, without standardised values."""
    finished = draws.assign(spec.law.published(draws, arrays.centre))
    if "tokens_z" in draws:
        runs = arrays.data.sel(run=draws["latent"].values)
        log_tokens = centred_tokens(draws, runs) + np.log(arrays.centre["tokens"])
        latent = log_tokens.rename(run="latent")
        finished["tokens"] = np.exp(latent).transpose("chain", "draw", "latent")
    standardised = [name for name in draws.data_vars if str(name).endswith("_z")]
    return finished.drop_vars(standardised)


def _thinned(arrays: Design, draws: xr.Dataset) -> xr.Dataset:
    """Evenly spaced draws, where replicates of all would be more than `_REPLICATES_MOST`."""
    total = draws.sizes["chain"] * draws.sizes["draw"] * arrays.data["response"].size
    return draws.isel(draw=slice(None, None, -(-total // _REPLICATES_MOST)))
