"""Graph: any `pm.Model`, sampled by nutpie; for models that have no spec."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pymc as pm
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescale.base.lazy import imported_lazily
from bayescale.base.progress import SamplingProgress
from bayescale.base.settings import Settings
from bayescale.sampling.convergence import judge
from bayescale.sampling.retry import Sampled, until_converged

with imported_lazily("arviz"):
    import nutpie

_ATTEMPTS = 3


class GraphSampler:
    """A `pm.Model`, compiled once and sampled as often as needed.

    Parameters
    ----------
    model : pm.Model
    """

    def __init__(self, model: pm.Model) -> None:
        self._names = [str(variable.name) for variable in model.free_RVs]
        self._model = model

    def data_of(self, names: Sequence[str]) -> list[str]:
        """Those of the names whose observations the model takes."""
        return [name for name in names if f"{name}_used" in self._model.named_vars]

    @cached_property
    def _compiled(self) -> nutpie.CompiledModel:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTensor, on how it compiles
            return nutpie.compile_pymc_model(self._model, var_names=self._names)

    def sample(
        self,
        settings: Settings,
        data: Mapping[str, np.ndarray] | None = None,
        *,
        show_progress: bool = False,
    ) -> Sampled:
        """Draws of the free variables, sampled until they converge; see `sampling.retry`.

        Parameters
        ----------
        settings : Settings
            Of the first chains.
        data : mapping, optional
            Values of the model's data in place of its own; nothing is compiled again.
        show_progress : bool
        """
        with SamplingProgress(settings, enabled=show_progress) as progress:
            compiled = self._compiled.with_data(**(data or {}))

            def sample(current: Settings) -> tuple[xr.Dataset, xr.Dataset]:
                with threadpool_limits(1):
                    tree = nutpie.sample(
                        compiled,
                        draws=current.draws,
                        tune=current.tune,
                        chains=current.chains,
                        cores=current.chains,
                        seed=current.seed,
                        target_accept=current.target_accept or 0.9,
                        progress_bar=False,
                        progress_callback=progress.update,
                    )
                return tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()

            return until_converged(sample, judge, replace(settings, ess=None), _ATTEMPTS)
