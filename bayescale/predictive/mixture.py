"""A mixture of predictive distributions: several laws, in the shares of their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS, flat, one_chain
from bayescale.base.seeds import random
from bayescale.predictive.predictive import Kind, Predictive


@dataclass(frozen=True, eq=False)
class Mixture:
    """Answers like a `Predictive`; each draw follows one of its members.

    Attributes
    ----------
    members : tuple of Predictive
        At the same rows.
    weights : tuple of float
        Share of the draws that follow each; they sum to 1.
    seed : int
        Of the draws' order.
    """

    members: tuple[Predictive, ...]
    weights: tuple[float, ...]
    seed: int

    def at(self, logs: Mapping[str, xr.DataArray], row: int = 0) -> Self:
        """The same draws at other inputs; as `Predictive.at`."""
        return replace(self, members=tuple(member.at(logs, row) for member in self.members))

    def draws(self, kind: Kind = "run") -> xr.DataArray:
        """Draws of the curve or of one new run: (chain, draw, run[, corpus])."""
        return self._mixed([member.draws(kind) for member in self.members])

    def replicates(self) -> xr.DataArray:
        """Draws of new runs, each with its own noise: (chain, draw, run[, corpus])."""
        return self._mixed([member.replicates() for member in self.members])

    def quantiles(self, probs: Sequence[float], kind: Kind = "run") -> xr.DataArray:
        """Quantiles of the curve or of one new run: (quantile, run[, corpus])."""
        return self.draws(kind).quantile(list(probs), dim=SAMPLE_DIMS)

    def log_predictive_density(self, observed: xr.DataArray) -> xr.DataArray:
        """Log density of each observed response: (run), nats."""
        return self._log_mean([m.log_predictive_density(observed) for m in self.members])

    def joint_log_predictive_density(self, observed: xr.DataArray) -> xr.DataArray:
        """Log density of all observed responses together: (), nats."""
        return self._log_mean([m.joint_log_predictive_density(observed) for m in self.members])

    def variance_components(self) -> xr.DataArray:
        """What each component adds to the variance of one new run, in the response's unit.

        Returns
        -------
        DataArray (component, run[, corpus])
            As for a member, and `law`: how far the members' curves lie apart.
        """
        curves = [member.draws("curve").median(SAMPLE_DIMS) for member in self.members]
        components = [
            member.variance_components() * member.scale.slope(curve) ** 2
            for member, curve in zip(self.members, curves, strict=True)
        ]
        within, curve = self._averaged(components), self._averaged(curves)
        between = self._averaged([(member_curve - curve) ** 2 for member_curve in curves])
        return xr.concat([within, between.expand_dims(component=["law"])], "component")

    def _averaged(self, values: Sequence[xr.DataArray]) -> xr.DataArray:
        weights = xr.DataArray(list(self.weights), dims="member")
        stacked = xr.concat(values, "member", coords="minimal", compat="override")
        return (stacked * weights).sum("member")

    def _mixed(self, draws: Sequence[xr.DataArray]) -> xr.DataArray:
        """As many draws as the shortest holds, each member's share in its weight, shuffled."""
        samples = [flat(member_draws) for member_draws in draws]
        length = min(sample.sizes["sample"] for sample in samples)
        ends = np.round(np.cumsum([0.0, *self.weights]) * length).astype(int)
        rng = random(self.seed, "stack")
        order = rng.permutation(length)
        picked = [
            sample.isel(sample=rng.permutation(sample.sizes["sample"])[: end - start])
            for sample, start, end in zip(samples, ends, ends[1:], strict=False)
        ]
        mixed = xr.concat(picked, dim="sample", coords="minimal", compat="override")
        return one_chain(mixed.isel(sample=order))

    def _log_mean(self, densities: Sequence[xr.DataArray]) -> xr.DataArray:
        stacked = xr.concat(densities, "member", coords="minimal", compat="override")
        highest = stacked.max("member")
        weights = xr.DataArray(list(self.weights), dims="member")
        return highest + xr.ufuncs.log((weights * xr.ufuncs.exp(stacked - highest)).sum("member"))
