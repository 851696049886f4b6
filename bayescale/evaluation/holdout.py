"""Unseen: what a posterior says of runs that it was not given, drawn and scored."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
import scipy
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.model.conditioning import (
    conditioned,
    density_of_response,
    inputs_at,
    noise_variance,
    residual,
)
from bayescale.model.curve import curve
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.noise import log_density, standard_log_density
from bayescale.model.spec import Spec
from bayescale.predictive.predict import replicate


class Unseen:
    """Some runs of a design under draws that did not see them.

    Parameters
    ----------
    spec : Spec
    posterior : Dataset
        Draws given the other runs, standardised effects included.
    data : Dataset
        The arrays of a design, of all its runs.
    out : ndarray of bool
        Which runs were left out.
    kept : ndarray of bool, optional
        Which runs the draws saw; by default all others.
    """

    def __init__(
        self,
        spec: Spec,
        posterior: xr.Dataset,
        data: xr.Dataset,
        out: np.ndarray,
        kept: np.ndarray | None = None,
    ) -> None:
        self.spec, self.posterior = spec, posterior
        self._data, self._kept = data, ~out if kept is None else kept
        rows = np.flatnonzero(out)
        self.x = {name: v.isel(run=rows) if "run" in v.dims else v
                  for name, v in inputs_at(data, posterior).items()}  # fmt: skip

    @property
    def response(self) -> xr.DataArray:
        """What they reached: (run) or (run, corpus)."""
        return self.x["response"]

    @cached_property
    def _mean(self) -> xr.DataArray:
        mean = curve(self.spec, self.posterior, self.x, np)
        return mean.transpose(*SAMPLE_DIMS, "run", ...)

    @cached_property
    def _given(self) -> Conditioned:
        kept = self._data.isel(run=np.flatnonzero(self._kept))
        return conditioned(self.posterior, kept)

    @cached_property
    def _missed(self) -> xr.Dataset | None:
        if not self.spec.discrepancy:
            return None
        return self._given.at(self.x["params"], self.x["tokens"], self._mean)

    @cached_property
    def _noise(self) -> xr.DataArray:
        """Variance of the noise, in squared shares: (chain, draw[, run]).

        A Student's t is a Normal of random variance, drawn here for every run and draw.
        """
        variance = noise_variance(self.spec, self.posterior)
        if self.spec.noise.dist != "StudentT":
            return variance
        half = (self.posterior["nu"] / 2).broadcast_like(self._mean).transpose(*self._mean.dims)
        return variance / half.copy(data=np.random.default_rng(0).gamma(half) / half)

    def log_density(self) -> xr.DataArray:
        """Of each run by itself, over all its corpora: (chain, draw, run), nats."""
        if self._missed is None:
            density = log_density(self.spec, self.posterior, self._mean, self.response)
            density = density.sum("corpus") if "corpus" in density.dims else density
            return density.transpose(*SAMPLE_DIMS, "run")
        return self._around_missed(
            self._missed, self._noise, lambda away: xr.apply_ufunc(scipy.stats.norm.logpdf, away)
        )

    def _around_missed(
        self,
        missed: xr.Dataset,
        noise: xr.DataArray,
        standard: Callable[[xr.DataArray], xr.DataArray],
    ) -> xr.DataArray:
        """Log density of each run around the discrepancy, given that of noise of scale 1."""
        away = residual(self.spec, self.posterior, self.x) - missed["mean"]
        spread = (missed["sd"] ** 2 + noise) ** 0.5
        density = standard(away / spread) - np.log(spread)
        density = density_of_response(self.spec, self.posterior, density, self.response)
        return density.transpose(*SAMPLE_DIMS, "run")

    def joint_log_density(self) -> xr.DataArray:
        """Of all the runs together: (chain, draw), nats."""
        if self._missed is None:
            return self.log_density().sum("run")
        share = residual(self.spec, self.posterior, self.x)
        sizes = (self.x["params"], self.x["tokens"])
        density = self._given.joint_log_density(*sizes, share, self._noise)
        zero = xr.zeros_like(share)
        return density + density_of_response(self.spec, self.posterior, zero, self.response).sum(
            "run"
        )

    def draws(self, seed: int) -> xr.DataArray:
        """New responses at the runs: (chain, draw, run, ...)."""
        return replicate(self.spec, self.posterior, self.x, seed, self._missed)


class OneByOne(Unseen):
    """Every run of a design under draws that saw it, as if it alone had been left out.

    Runs are independent given the draws, those of the discrepancy included. What the draws know
    of a run through them is for importance sampling to undo.
    """

    def __init__(self, spec: Spec, posterior: xr.Dataset, data: xr.Dataset) -> None:
        everything = np.ones(data.sizes["run"], bool)
        super().__init__(spec, posterior, data, everything, everything)

    def log_density(self) -> xr.DataArray:
        """Of each run, as the sampler has it: (chain, draw, run), nats."""
        if self._missed is None:
            return super().log_density()
        variance = noise_variance(self.spec, self.posterior)
        return self._around_missed(
            self._missed, variance, partial(standard_log_density, self.spec, self.posterior)
        )
