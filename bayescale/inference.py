"""Inference: compile once, sample, judge convergence. The only place that samples."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import arviz as az
import numpy as np
import nutpie
import pymc as pm
import xarray as xr

from bayescale.design import Design
from bayescale.errors import BayescaleError
from bayescale.model import build
from bayescale.notes import Note
from bayescale.progress import SamplingProgress
from bayescale.spec import Spec

R_HAT_MOST = 1.01
ESS_LEAST = 400


@dataclass(frozen=True)
class Settings:
    """How to sample. The defaults sample every shipped spec cleanly on its data.

    Attributes
    ----------
    draws, tune, chains : int
        `draws` and `tune` are per chain.
    seed : int
        The same seed gives the same draws.
    sampler : {"nutpie", "pymc"}
        nutpie, or PyMC's own NUTS.
    """

    draws: int = 2000
    tune: int = 2000
    chains: int = 4
    seed: int = 0
    sampler: Literal["nutpie", "pymc"] = "nutpie"

    def __post_init__(self) -> None:
        for name, least in (("draws", 100), ("tune", 100), ("chains", 2), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise BayescaleError(f"{name}={value}: must be at least {least}")
        if self.sampler not in ("nutpie", "pymc"):
            raise BayescaleError(f"sampler={self.sampler!r}: use nutpie or pymc")


@dataclass(frozen=True)
class Convergence:
    """Whether the chains agree, over everything that was sampled or derived.

    Attributes
    ----------
    r_hat : float
        Largest rank-normalised split R-hat.
    ess_bulk, ess_tail : float
        Smallest effective sample sizes.
    divergences : int
    worst : str
        The quantity with the smallest bulk ESS.
    """

    r_hat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    worst: str

    @property
    def passed(self) -> bool:
        """True if the numbers may be used."""
        return self.mixed and self.divergences == 0

    @property
    def mixed(self) -> bool:
        """True if the chains agree and hold enough effective draws."""
        return self.r_hat <= R_HAT_MOST and min(self.ess_bulk, self.ess_tail) >= ESS_LEAST

    def to_dict(self) -> dict[str, Any]:
        """The fields and the verdict, as plain values."""
        return {**asdict(self), "passed": self.passed}

    def notes(self) -> list[Note]:
        """What failed, if anything."""
        notes = []
        if not self.mixed:
            notes.append(
                Note(
                    "unconverged",
                    "failure",
                    f"R-hat {self.r_hat:.3f} (at most {R_HAT_MOST}), effective draws "
                    f"{self.ess_bulk:.0f} bulk and {self.ess_tail:.0f} tail "
                    f"(at least {ESS_LEAST}), worst {self.worst}",
                    "do not use the numbers; draw more, or simplify the spec",
                )
            )
        if self.divergences:
            notes.append(
                Note(
                    "divergences",
                    "failure",
                    f"{self.divergences} divergent transitions",
                    "tune longer, or use a tighter prior on the standard deviation that is small",
                )
            )
        return notes


def judge(posterior: xr.Dataset, sample_stats: xr.Dataset) -> Convergence:
    """Convergence of all variables in a posterior."""
    summary = az.summary(posterior, kind="diagnostics", round_to="none")
    moving = summary[summary["ess_bulk"].notna()]  # a constant has no effective sample size
    return Convergence(
        r_hat=float(moving["r_hat"].max()),
        ess_bulk=float(moving["ess_bulk"].min()),
        ess_tail=float(moving["ess_tail"].min()),
        divergences=int(sample_stats["diverging"].sum()),
        worst=str(moving["ess_bulk"].idxmin()),
    )


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
