"""The predictive distribution of the response at given rows.

One class for whoever asks: a fit at new points, a fit at its own runs, runs that were held out,
simulated runs, published constants. It is the curve of the law (with group effects), plus the
model discrepancy given the runs that were seen, plus observation noise.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.laws.base import Values
from bayescale.model.conditioning import conditioned, inputs_at, unconditioned
from bayescale.model.curve import curve
from bayescale.model.design import Centre, Design
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.noise import NOISES, Noise
from bayescale.model.scale import Scale, discrepancy_unit, noise_scale, scale_of
from bayescale.model.spec import Spec

Kind = Literal["curve", "run"]
KINDS: dict[str, str] = {
    "curve": "the curve: the median of many such runs",
    "run": "one new run: the curve and its observation noise",
}
# What the variance of a new run's response is made of.
COMPONENTS = {
    "parameters": "the law's parameters",
    "groups": "families, tokenizers and other groups",
    "discrepancy": "model discrepancy",
    "noise": "observation noise",
}


def check_kind(kind: str) -> None:
    """Raise a `BayescaleError` if `kind` is not one of `KINDS`."""
    if kind not in KINDS:
        raise BayescaleError(f"kind={kind!r}: use {' or '.join(KINDS)}")


@dataclass(frozen=True, eq=False)
class Predictive:
    """Draws of a model's parameters, and the rows at which its response is asked for.

    Attributes
    ----------
    spec : Spec
    values : mapping
        Draws (chain, draw, ...) of the law's parameters, of each group effect and of the noise's
        parameters, by name.
    inputs : mapping
        The law's inputs, centred logarithms: (run), or (chain, draw, run) where they are latent;
        and `{group}_index` (run), each row's position along the group's dim.
    centre : mapping
        Geometric means on which the law's inputs are centred.
    conditioned : Conditioned or None
        The discrepancy given the runs that were seen; None for a spec that has none.
    seed : int
        Of the draws of discrepancy and noise.
    """

    spec: Spec
    values: Values
    inputs: Mapping[str, xr.DataArray]
    centre: Centre
    conditioned: Conditioned | None
    seed: int

    @classmethod
    def of_design(
        cls,
        spec: Spec,
        draws: xr.Dataset,
        design: Design,
        seed: int,
        *,
        rows: np.ndarray | None = None,
    ) -> Self:
        """At rows of a design, for draws that saw all or some of its runs.

        Parameters
        ----------
        spec : Spec
        draws : Dataset
            Draws of everything in the model, whitened values included.
        design : Design
        seed : int
        rows : ndarray of bool (run), optional
            The rows that are asked for; by default all.
        """
        data = design.data
        inputs = inputs_at(data, draws)
        if rows is not None:
            picked = np.flatnonzero(rows)
            inputs = {n: v.isel(run=picked) if "run" in v.dims else v for n, v in inputs.items()}
        given = conditioned(spec, draws, data) if spec.discrepancy else None
        return cls(spec, draws, inputs, design.centre, given, seed)

    @classmethod
    def of_prior(cls, spec: Spec, draws: xr.Dataset, design: Design, seed: int) -> Self:
        """At all rows of a design, for draws of parameters that saw none of its runs."""
        given = None
        if spec.discrepancy:
            given = unconditioned(spec, draws, design.data, random(seed, "simulated"))
        return cls(spec, draws, inputs_at(design.data, draws), design.centre, given, seed)

    def at(self, logs: Mapping[str, xr.DataArray], row: int = 0) -> Self:
        """The same draws at other inputs, all of one row's groups.

        Parameters
        ----------
        logs : mapping
            The law's inputs on their scales, which for counts are natural logarithms: (run) or
            (chain, draw, run). Where unique tokens are not among them, all tokens are new.
        row : int
            The row whose groups they have.
        """
        full = {"unique_tokens": logs.get("tokens"), **logs}
        inputs = {name: full[name] - np.log(self.centre[name]) for name in self.spec.law.inputs}
        count = next(iter(inputs.values())).sizes["run"]
        for name, index in self.inputs.items():
            if name.endswith("_index"):
                inputs[name] = index.isel(run=[row] * count).drop_vars("run", errors="ignore")
        return replace(self, inputs=inputs)

    @property
    def noise(self) -> Noise:
        """The distribution of the observation noise."""
        return NOISES[self.spec.noise.dist]

    @property
    def observed(self) -> xr.DataArray:
        """The responses of a design's rows: (run[, corpus])."""
        return self.inputs["response"]

    @cached_property
    def scale(self) -> Scale:
        """The scale on which noise and discrepancy add to the curve."""
        return scale_of(self.spec)

    @cached_property
    def law(self) -> xr.DataArray:
        """The law's curve at each row, all group effects in it: (chain, draw, run[, corpus])."""
        return self._law()

    def _law(self, without: Collection[str] = ()) -> xr.DataArray:
        response = curve(self.spec, self.values, self.inputs, np, without=without)
        return response.transpose(*SAMPLE_DIMS, "run", ...)

    @cached_property
    def _discrepancy(self) -> xr.Dataset | None:
        """Mean and standard deviation of the discrepancy, as shares: (chain, draw, run)."""
        if self.conditioned is None:
            return None
        return self.conditioned.at(self.inputs, self.law)

    @cached_property
    def _scale(self) -> Any:
        return noise_scale(self.spec, self.values)

    @cached_property
    def _unit(self) -> Any:
        return discrepancy_unit(self.spec, self.values)

    def draws(self, kind: Kind = "run") -> xr.DataArray:
        """Draws of the curve or of one new run at each row: (chain, draw, run[, corpus]).

        The discrepancy that the runs leave open, and the noise, take the same random numbers at
        every row: responses are smooth along inputs and can be compared, and each row's own
        distribution is exact up to the number of draws. Rows together are `replicates`.

        Raises
        ------
        BayescaleError
            If `kind` is unknown, or is `run` where no noise is known.
        """
        check_kind(kind)
        if kind == "run" and "sigma" not in self.values:
            raise BayescaleError(
                f"{self.spec.name} states no observation noise; ask for its curve: kind=curve"
            )
        response = self.law if kind == "run" else self._law(without=("run",))
        shared = response.isel(run=0, drop=True)
        if self._discrepancy is not None:
            whitened = random(self.seed, "discrepancy").standard_normal(shared.shape)
            share = self._discrepancy["mean"] + self._discrepancy["sd"] * shared.copy(data=whitened)
            response = self.scale.add(response, share * self._unit).transpose(*response.dims)
        if kind == "curve":
            return response
        noise = self.noise.draws(self.values, shared, random(self.seed, "scatter"))
        return self.scale.add(response, noise * self._scale).transpose(*response.dims)

    def replicates(self) -> xr.DataArray:
        """Draws of new runs at the rows, each with its own noise: (chain, draw, run[, corpus]).

        Each row by itself: what the runs leave open of the discrepancy is drawn for every row, as
        if the others were not there. `joint_replicates` are of all rows together.
        """
        share = None
        if self._discrepancy is not None:
            whitened = random(self.seed, "discrepancy").standard_normal(self.law.shape)
            share = self._discrepancy["mean"] + self._discrepancy["sd"] * whitened
        return self._replicated(share)

    def joint_replicates(self) -> xr.DataArray:
        """Draws of new runs at the rows, of all of them together: (chain, draw, run[, corpus]).

        With a discrepancy the cost grows as the third power of the number of rows.
        """
        share = None
        if self.conditioned is not None:
            share = self.conditioned.joint_draws(
                self.inputs,
                self.law,
                random(self.seed, "discrepancy"),
            )
        return self._replicated(share)

    def _replicated(self, share: xr.DataArray | None) -> xr.DataArray:
        """Responses with this discrepancy, a share (chain, draw, run), each with its own noise."""
        response = self.law
        if share is not None:
            response = self.scale.add(response, share * self._unit).transpose(*response.dims)
        noise = self.noise.draws(self.values, response, random(self.seed, "replicate"))
        return self.scale.add(response, noise * self._scale).transpose(*response.dims)

    def quantiles(self, probs: Sequence[float], kind: Kind = "run") -> xr.DataArray:
        """Quantiles of the curve or of one new run: (quantile, run[, corpus])."""
        return self.draws(kind).quantile(list(probs), dim=SAMPLE_DIMS)

    def log_likelihood(self, observed: xr.DataArray) -> xr.DataArray:
        """Log density of each observed response given each draw, as the sampler has it.

        The FITC residual variance of the discrepancy is integrated out.

        Returns
        -------
        DataArray ([value, ]chain, draw, run)
            Nats, of the response itself, over all its corpora; `value` if the draws have it.
        """
        error = self.scale.difference(observed, self.law)
        if self._discrepancy is None:
            density = self.noise.log_density(self.values, error, self._scale)
        else:
            error = error - self._discrepancy["mean"] * self._unit
            variance = (self._discrepancy["sd"] * self._unit) ** 2
            density = self.noise.log_density_around(self.values, error, self._scale, variance)
        density = density + self.scale.log_jacobian(observed)
        density = density.sum("corpus") if "corpus" in density.dims else density
        return density.transpose(..., *SAMPLE_DIMS, "run")

    def log_density(self, observed: xr.DataArray) -> xr.DataArray:
        """Log density of each observed response by itself, for runs that the draws did not see.

        With a discrepancy the noise is a Normal whose variance is drawn for every run and draw, so
        its mean over draws is that of `log_likelihood`, which is exact only near the runs.

        Returns
        -------
        DataArray (chain, draw, run)
            Nats, of the response itself, over all its corpora.
        """
        if self._discrepancy is None:
            return self.log_likelihood(observed)
        variance = self._discrepancy["sd"] ** 2 + self._noise_variance
        away = self._share(observed) - self._discrepancy["mean"]
        density = -(away**2 / variance + np.log(2 * np.pi * variance)) / 2
        return self._of_response(density, observed).transpose(*SAMPLE_DIMS, "run")

    def joint_log_density(self, observed: xr.DataArray) -> xr.DataArray:
        """Log density of all observed responses together, for runs that the draws did not see.

        Returns
        -------
        DataArray (chain, draw)
            Nats.
        """
        if self.conditioned is None:
            return self.log_likelihood(observed).sum("run")
        share = self._share(observed)
        density = self.conditioned.joint_log_density(self.inputs, share, self._noise_variance)
        return density + self._of_response(xr.zeros_like(share), observed).sum("run")

    def log_predictive_density(self, observed: xr.DataArray) -> xr.DataArray:
        """Log of the mean over draws of `log_density`: (run), nats."""
        return _log_mean(self.log_density(observed))

    def joint_log_predictive_density(self, observed: xr.DataArray) -> xr.DataArray:
        """Log of the mean over draws of `joint_log_density`: (), nats."""
        return _log_mean(self.joint_log_density(observed))

    @cached_property
    def _noise_variance(self) -> xr.DataArray:
        """Variance of each run's noise as a Normal of random variance, in squared shares."""
        mixing = self.noise.mixing(self.values, self.law, np.random.default_rng(0))
        return (self._scale / self._unit) ** 2 * mixing * xr.ones_like(self.law)

    def _share(self, observed: xr.DataArray) -> xr.DataArray:
        """Observed response minus law, as a share of the response: (chain, draw, run)."""
        error = self.scale.difference(observed, self.law) / self._unit
        return error.transpose(*SAMPLE_DIMS, "run")

    def _of_response(self, density: xr.DataArray, observed: xr.DataArray) -> xr.DataArray:
        """Log density of responses, from that of shares."""
        return density + self.scale.log_jacobian(observed) - np.log(self._unit)

    def variance_components(self) -> xr.DataArray:
        """What each component adds to the variance of one new run, on the noise's scale.

        The covariance of each with the whole: what would be gained if it were known. In the data's
        range the discrepancy makes up for the law, so one of them can be slightly below 0.

        Returns
        -------
        DataArray (component, run[, corpus])
            A Student's t noise counts as the Normal whose 90 % interval is as wide.
        """
        law, whole = (
            self.scale.forward(response, np)
            for response in (self._law(without=self.spec.groups), self.law)
        )
        varied = {"parameters": law, "groups": whole - law}
        noise = self.noise.equivalent_variance(self.values, self._scale, PROB)
        certain = {"noise": noise.mean(SAMPLE_DIMS)}
        if self._discrepancy is not None:
            varied["discrepancy"] = self._discrepancy["mean"] * self._unit
            certain["discrepancy"] = ((self._discrepancy["sd"] * self._unit) ** 2).mean(SAMPLE_DIMS)
        total = functools.reduce(operator.add, varied.values())
        zero = xr.zeros_like(whole.isel(chain=0, draw=0, drop=True))
        components = [
            zero
            + xr.cov(varied.get(name, xr.zeros_like(whole)), total, dim=SAMPLE_DIMS, ddof=0)
            + certain.get(name, 0)
            for name in COMPONENTS
        ]
        dim = xr.DataArray(list(COMPONENTS), dims="component", name="component")
        return xr.concat(components, dim)


def _log_mean(density: xr.DataArray) -> xr.DataArray:
    """Log of the mean density over draws."""
    highest = density.max(SAMPLE_DIMS)
    return highest + xr.ufuncs.log(xr.ufuncs.exp(density - highest).mean(SAMPLE_DIMS))
