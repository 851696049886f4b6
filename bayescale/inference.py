"""Inference: compile once, sample as often as needed. The only place that samples."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import xarray as xr

from bayescale.design import Design
from bayescale.model import build
from bayescale.progress import SamplingProgress
from bayescale.settings import Settings
from bayescale.spec import Spec


class Sampler:
    """A spec's model for one table of runs, compiled once and sampled as often as needed."""

    def __init__(self, spec: Spec, design: Design) -> None:
        self.spec = spec
        self.design = design
        self.model = build(spec, design)
        self._compiled: Any = None

    def prior(self, draws: int, seed: int) -> xr.Dataset:
        """Draws from the prior of everything in the posterior."""
        names = [v.name for v in (*self.model.free_RVs, *self.model.deterministics)]
        with _quiet():
            tree = pm.sample_prior_predictive(
                draws, model=self.model, var_names=names, random_seed=seed
            )
        return tree["prior"].to_dataset()

    def sample(
        self,
        settings: Settings,
        *,
        data: Mapping[str, np.ndarray] | None = None,
        show_progress: bool = False,
    ) -> tuple[xr.Dataset, xr.Dataset]:
        """Draws from the posterior.

        Parameters
        ----------
        settings : Settings
        data : mapping, optional
            Other values for the design's arrays, by name; nothing is compiled again.
        show_progress : bool

        Returns
        -------
        posterior, sample_stats : Dataset
            With dims (chain, draw, ...).
        """
        with SamplingProgress(settings, enabled=show_progress) as progress:
            if settings.sampler == "pymc":
                tree = self._sample_pymc(settings, data)
            else:
                tree = self._sample_nutpie(settings, data, progress)
        return tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()

    def _sample_nutpie(
        self, settings: Settings, data: Mapping[str, np.ndarray] | None, progress: SamplingProgress
    ) -> xr.DataTree:
        if self._compiled is None:
            self._compiled = nutpie.compile_pymc_model(self.model)
        compiled = self._compiled.with_data(**data) if data else self._compiled
        # Measured: without groups the low-rank mass matrix follows the correlations of a law's
        # parameters (17 times the effective draws a second on Chinchilla's 240 points); with
        # groups it mixes worse than the diagonal, and the funnels want small steps.
        hierarchical = bool(self.spec.effects)
        running = nutpie.sample(
            compiled,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            seed=settings.seed,
            adaptation="diag" if hierarchical else "low_rank",
            target_accept=0.98 if hierarchical else 0.9,
            save_warmup=False,
            progress_bar=False,
            progress_callback=progress.update,
            progress_rate=100,
            blocking=False,
        )
        try:
            return running.wait()
        except KeyboardInterrupt:  # nutpie's own blocking call would return the partial trace
            running.cancel()
            raise

    def _sample_pymc(
        self, settings: Settings, data: Mapping[str, np.ndarray] | None
    ) -> xr.DataTree:
        with self.model, _quiet():
            if data:
                pm.set_data(dict(data))
            return pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                random_seed=settings.seed,
                target_accept=0.98 if self.spec.effects else 0.9,
                nuts_sampler="pymc",
                progressbar=False,
                compute_convergence_checks=False,
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without PyMC's lines on what it samples; the progress bar and the notes say it."""
    logger = logging.getLogger("pymc")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
