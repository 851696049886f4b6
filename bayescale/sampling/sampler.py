"""Sampler: a spec's density, made once and sampled as often as needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.progress import SamplingProgress
from bayescale.base.settings import Settings
from bayescale.model.density.nodes import ordered
from bayescale.model.density.program import Program, program
from bayescale.model.design import Design, collapsed
from bayescale.model.discrepancy import inducing
from bayescale.model.spec import Spec
from bayescale.sampling import chains
from bayescale.sampling.convergence import Convergence, draws_needed, effective, judge
from bayescale.sampling.density import Density, arrays
from bayescale.sampling.retry import Retry, until_converged

if TYPE_CHECKING:
    import pymc as pm

# Nodes are shared within a process, and PyMC builds for one thread at a time.
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
        self._program: Program | None = None  # of the first arrays, and of all others

    @cached_property
    def model(self) -> pm.Model:
        """PyMC's model of the same posterior, which only PyMC's own sampler needs."""
        from bayescale.model.graph import build  # a second or two to load

        with _BUILDING:
            return build(self.spec, self.design)

    def sample(
        self,
        settings: Settings,
        *,
        data: xr.Dataset | None = None,
        show_progress: bool = False,
    ) -> tuple[xr.Dataset, xr.Dataset]:
        """Draws from the posterior.

        Parameters
        ----------
        settings : Settings
        data : Dataset, optional
            Arrays as the design's, of other runs or responses; nothing is compiled again.
        show_progress : bool

        Returns
        -------
        posterior, sample_stats : Dataset
            With dims (chain, draw, ...).
        """
        if settings.sampler == "pymc":
            return self._sample_pymc(settings, data)
        with SamplingProgress(settings, enabled=show_progress) as progress:
            density = self.density(self.design.data if data is None else data)
            return self._sampled(density, settings, progress)

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
        density = self.density(data)

        def sample(settings: Settings) -> tuple[xr.Dataset, xr.Dataset]:
            return self._sampled(density, settings)

        def verdict(posterior: xr.Dataset, stats: xr.Dataset) -> Convergence:
            total = posterior.sizes["chain"] * posterior.sizes["draw"]
            return judge(posterior.isel(draw=slice(None, None, max(1, total // _JUDGED))), stats)

        sampled = until_converged(sample, verdict, settings, _ATTEMPTS)
        return Refit(sampled.posterior, sampled.convergence, sampled.retries)

    def density(self, data: xr.Dataset) -> Density:
        """The log density of these arrays, which are as the design's."""
        known = arrays(self.spec, data)
        with _BUILDING:
            if self._program is None:
                dims = {str(name): ordered(map(str, v.dims)) for name, v in known.items()}
                self._program = program(self.spec, dims)
        return Density(self.spec, self._program, known)

    def _target_accept(self, settings: Settings) -> float:
        if settings.target_accept is not None:
            return settings.target_accept
        if self.spec.discrepancy:
            # Few runs leave more to the priors, whose shapes want smaller steps. Measured: with
            # larger steps a fit in two has divergences, and its chains are sampled again.
            _, few, _ = inducing.SIZES
            count = self.design.data.sizes["run"]
            return 0.98 if count <= few else 0.95 if count <= inducing.MOST else 0.9
        return 0.98 if self.spec.effects else 0.9

    def _sampled(
        self, density: Density, settings: Settings, progress: SamplingProgress | None = None
    ) -> tuple[xr.Dataset, xr.Dataset]:
        """Draws by nutpie; fewer than asked for, where they are enough before."""

        judged = xr.Dataset()

        def enough(draws: np.ndarray) -> float:
            """Draws of a chain that would have `settings.ess` effective ones, going by these."""
            nonlocal judged
            assert settings.ess is not None
            judged = density.posterior(draws)
            found, agree = effective(judged)
            if progress is not None:
                progress.found(found, agree=agree)
            return draws_needed(draws.shape[1], found, agree=agree, ess=settings.ess)

        plan = chains.Plan(
            chains=settings.chains,
            tune=settings.tune,
            draws=settings.draws,
            seed=settings.seed,
            enough=None if settings.ess is None else enough,
            options={
                # Measured: without groups the low-rank mass matrix follows the correlations of a
                # law's parameters (17 times the effective draws a second on Chinchilla's 240
                # points); with groups it mixes worse than the diagonal, and the funnels want small
                # steps.
                "adaptation": "low_rank" if self._low_rank else "diag",
                "target_accept": self._target_accept(settings),
                # Tuned trajectories need about 15 leapfrog steps; without this cap the first ones
                # would need a thousand.
                "maxdepth": 7 if self.spec.discrepancy else 10,
            },
        )
        try:
            draws, stats = chains.run(density, plan, progress.update if progress else None)
        except RuntimeError as error:  # nutpie has no error of its own
            if "initialization points failed" not in str(error):
                raise
            raise BayescaleError(
                f"{self.spec.name}: no starting point has a finite density; bring the priors "
                "closer to what the runs allow"
            ) from error
        if judged.sizes.get("draw") == draws.shape[1]:
            return judged, stats
        return density.posterior(draws), stats

    @property
    def _low_rank(self) -> bool:
        return bool(self.spec.discrepancy) or not self.spec.effects

    def _sample_pymc(
        self, settings: Settings, data: xr.Dataset | None
    ) -> tuple[xr.Dataset, xr.Dataset]:
        import pymc as pm

        with _BUILDING, self.model, _quiet():
            if data is not None:
                runs = collapsed(self.spec, data)
                pm.set_data({str(n): runs[n].values for n in runs.data_vars if runs[n].size})
            tree = pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                random_seed=settings.seed,
                target_accept=self._target_accept(settings),
                nuts_sampler="pymc",
                progressbar=False,
                compute_convergence_checks=False,
            )
        return tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()


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
