"""Sampler: compile once, sample as often as needed. The only place that samples."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import nutpie
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescale.base.errors import BayescaleError
from bayescale.base.progress import SamplingProgress
from bayescale.base.settings import Settings
from bayescale.model.design import Design, collapsed
from bayescale.model.linearised import tangent
from bayescale.model.spec import Spec
from bayescale.sampling import compiled
from bayescale.sampling.convergence import Convergence, judge
from bayescale.sampling.retry import Retry, until_converged

if TYPE_CHECKING:
    import pymc as pm

# Compiled samplers of this process; labels and arrays are handed over at sampling.
_COMPILED: dict[str, Any] = {}
_COMPILED_MOST = 16

# PyMC and PyTensor build and compile for one thread at a time: of a model built beside another,
# the order of some sums differed, and with it the draws.
_BUILDING = threading.RLock()

# A refit is judged on about this many of its draws. Neighbours tell little that is new, and judging
# all of them (ranks, autocovariances, under Python's lock) took as long as sampling them.
_JUDGED = 3000

# Attempts that a refit may take.
_ATTEMPTS = 4


@dataclass(frozen=True, eq=False)
class Refit:
    """A posterior given some of the runs.

    Attributes
    ----------
    posterior : Dataset
        Draws of everything in the model, standardised effects and latent counts included. A
        group or a latent token count without any of the kept runs is drawn from its prior.
    convergence : Convergence
    retries : tuple of Retry
        What was done about chains that did not converge.
    """

    posterior: xr.Dataset
    convergence: Convergence
    retries: tuple[Retry, ...]


class Sampler:
    """A spec's model for one table of runs, compiled once and sampled as often as needed."""

    def __init__(self, spec: Spec, design: Design) -> None:
        self.spec = spec
        self.design = design

    @cached_property
    def model(self) -> pm.Model:
        """PyMC's model, which only PyMC's sampler and a compiler need."""
        from bayescale.model.graph import build  # a second or two to load

        with _BUILDING:
            return build(self.spec, self.design)

    def sample(
        self,
        settings: Settings,
        *,
        data: xr.Dataset | None = None,
        show_progress: bool = False,
        cores: int | None = None,
    ) -> tuple[xr.Dataset, xr.Dataset]:
        """Draws from the posterior.

        Parameters
        ----------
        settings : Settings
        data : Dataset, optional
            Arrays as the design's, of other runs or responses; nothing is compiled again.
        show_progress : bool
        cores : int, optional
            How many chains nutpie samples at a time; by default as many as there are cores.

        Returns
        -------
        posterior, sample_stats : Dataset
            With dims (chain, draw, ...).
        """
        with SamplingProgress(settings, enabled=show_progress) as progress:
            if settings.sampler == "pymc":
                tree = self._sample_pymc(settings, data)
            else:
                arrays = self.design.data if data is None else data
                tree = self._sample_nutpie(settings, arrays, progress, cores)
        return tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()

    def refit(self, kept: np.ndarray, settings: Settings | None = None) -> Refit:
        """The posterior given only some of the runs, through the same compiled sampler.

        On one core, as many refits run side by side. Chains that do not converge are sampled again;
        see `bayescale.sampling.retry`. The frontier stays that of the design.

        Parameters
        ----------
        kept : ndarray of bool
            The runs that it sees, over the design's.
        settings : Settings, optional
            By default what the spec needs.
        """
        settings = settings or self.spec.refit_settings
        data = self.design.data.isel(run=np.flatnonzero(kept))
        # Convergence is judged on the effects themselves; their partly centred versions carry the
        # same information.
        partly_centred = [f"{effect.name}_z" for effect in self.spec.effect_list()]

        def sample(settings: Settings) -> tuple[xr.Dataset, xr.Dataset]:
            tree = self._sample_nutpie(settings, data, cores=1)
            return tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()

        def verdict(posterior: xr.Dataset, stats: xr.Dataset) -> Convergence:
            total = posterior.sizes["chain"] * posterior.sizes["draw"]
            thinned = posterior.isel(draw=slice(None, None, max(1, total // _JUDGED)))
            return judge(thinned.drop_vars(partly_centred), stats)

        sampled = until_converged(sample, verdict, settings, _ATTEMPTS)
        return Refit(sampled.posterior, sampled.convergence, sampled.retries)

    def _compile(self) -> Any:
        """The sampler of this spec for as many groups, compiled once on a machine."""
        # Runs may change in number, unless something in the posterior is one a run.
        fixed = {
            "latent",
            "inducing",
            *self.spec.groups,
            *(["corpus"] if self.spec.corpora else []),
        }
        labels = self.design.coords
        sizes = {dim: len(names) for dim, names in labels.items() if dim in fixed}
        filled = [str(name) for name in self.design.data if self.design.data[name].size]
        spec = self.spec.model_dump(mode="json", exclude={"name", "title"})
        name = compiled.digest([spec, self.spec.law.fingerprint, sizes, filled])
        with _BUILDING:
            if name not in _COMPILED:
                if len(_COMPILED) == _COMPILED_MOST:
                    _COMPILED.pop(next(iter(_COMPILED)))
                _COMPILED[name] = compiled.sampler(name, lambda: self.model)
            sampler = _COMPILED[name]
        return compiled.relabelled(sampler, labels)

    def _arrays(self, data: xr.Dataset) -> dict[str, np.ndarray]:
        """What the model takes of a design's arrays; none that are empty."""
        data = tangent(self.spec, collapsed(self.spec, data))
        return {str(name): data[name].values for name in data.data_vars if data[name].size}

    def _target_accept(self, settings: Settings) -> float:
        if settings.target_accept is not None:
            return settings.target_accept
        return 0.98 if self.spec.effects else 0.9

    def _sample_nutpie(
        self,
        settings: Settings,
        data: xr.Dataset,
        progress: SamplingProgress | None = None,
        cores: int | None = None,
    ) -> xr.DataTree:
        arrays = self._arrays(data)
        sampler = self._compile().with_data(**arrays)
        # Measured: without groups the low-rank mass matrix follows the correlations of a law's
        # parameters (17 times the effective draws a second on Chinchilla's 240 points); with
        # groups it mixes worse than the diagonal, and the funnels want small steps.
        running = nutpie.sample(
            sampler,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            seed=settings.seed,
            cores=cores,
            adaptation="diag" if self.spec.effects and not self.spec.discrepancy else "low_rank",
            target_accept=self._target_accept(settings),
            # Tuned trajectories need about 15 leapfrog steps; without this cap the first ones would
            # need a thousand.
            maxdepth=7 if self.spec.discrepancy else 10,
            save_warmup=False,
            progress_bar=False,
            progress_callback=progress.update if progress else None,
            progress_rate=100,
            blocking=False,
        )
        try:
            with threadpool_limits(1):  # chains run side by side; BLAS threads would get in the way
                return running.wait()
        except KeyboardInterrupt:  # nutpie's own blocking call would return the partial trace
            running.cancel()
            raise
        except RuntimeError as error:  # nutpie has no error of its own
            if "initialization points failed" not in str(error):
                raise
            raise BayescaleError(
                f"{self.spec.name}: no starting point has a finite density; bring the priors "
                "closer to what the runs allow"
            ) from error

    def _sample_pymc(self, settings: Settings, data: xr.Dataset | None) -> xr.DataTree:
        import pymc as pm

        with _BUILDING, self.model, _quiet():
            if data is not None:
                pm.set_data(self._arrays(data))
            return pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                random_seed=settings.seed,
                target_accept=self._target_accept(settings),
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
