"""Predictions of benchmark scores, from a posterior's draws alone."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design, as_x

Kind = Literal["curve", "run"]
# Of a family that was not fitted.
NEW = "new"


class BenchmarkPredictive:
    """Predictive distribution of scores.

    Beyond the frontier the gain in logits has a factor of its own around 1, of which no data tell:
    see `formulas.BEYOND`. What a new family, one model or its noise adds is drawn from its
    distribution, the same draw at every point: an answer does not depend on what else is asked.

    Parameters
    ----------
    design : Design
        Of the scores that were fitted.
    posterior : Dataset (chain, draw, ...)
    seed : int
    """

    def __init__(self, design: Design, posterior: xr.Dataset, seed: int = 0) -> None:
        self.design = design
        flat = posterior.stack(sample=("chain", "draw"), create_index=False)
        self._z = {str(n): xr.DataArray(v.values, dims=v.dims) for n, v in flat.items()}
        self._samples = flat.sizes["sample"]
        self._seed = seed
        self._x = as_x(design.data)

    @property
    def needed(self) -> list[str]:
        """What a point states: parameters and tokens, or the losses."""
        if self.design.takes_losses:
            return [str(name) for name in self.design.data["corpus"].values]
        return ["params", "tokens"]

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Floor and lapse: (sample, benchmark)."""
        low, missed = formulas.ends(self._z, self._x, np)
        return (
            low.transpose("sample", "benchmark").values,
            missed.transpose("sample", "benchmark").values,
        )

    def draws(self, points: pd.DataFrame, kind: Kind = "run") -> xr.DataArray:
        """Draws of scores.

        Parameters
        ----------
        points : DataFrame
            `params` and `tokens`, or the losses; `family` and `instruct` if wanted.
        kind : {"curve", "run"}
            The expected score of such models, or the score that one of them will be given.

        Returns
        -------
        DataArray (sample, point, benchmark)

        Raises
        ------
        BayescaleError
            If a column is missing, a value is not positive, or a family was not fitted.
        """
        at = self._points(points)
        frontier = self._logit(self._at_frontier(at))
        logit = frontier + (self._logit(at) - frontier) * self._factor
        mean = formulas.score(logit, self._z, self._x, np)
        if kind == "run":
            scale = formulas.variance(mean, self._z, self._x, np) ** 0.5
            mean = (mean + scale * self._normal(1, "benchmark")).clip(0, 1)
        labelled = mean.rename(run="point").transpose("sample", "point", "benchmark")
        return labelled.assign_coords(benchmark=self.design.data["benchmark"].values)

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream])

    def _normal(self, stream: int, *dims: str) -> xr.DataArray:
        """Standard normal draws over samples and dims of the design."""
        sizes = [self._samples, *(self.design.data.sizes[dim] for dim in dims)]
        return xr.DataArray(self._rng(stream).normal(size=sizes), dims=("sample", *dims))

    @cached_property
    def _new(self) -> dict[str, xr.DataArray]:
        """The sampled values, with a new family behind the others and one new model."""
        z = dict(self._z)
        for stream, (name, dim) in enumerate((("capability_z", "factor"), ("bias_z", "benchmark"))):
            if name in z:
                new = self._normal(3 + stream, dim).expand_dims(family=1)
                z[name] = xr.concat([z[name], new], "family")
        if "model_z" in z:
            z["model_z"] = self._normal(5, "factor").expand_dims(run=1).isel(run=0)
        return z

    @cached_property
    def _factor(self) -> xr.DataArray:
        """Factor of the gain beyond the frontier: (sample, benchmark)."""
        sd = formulas.lognormal(self._normal(6), formulas.BEYOND, formulas.BEYOND_SD, np)
        return np.exp(sd * (self._normal(7) + self._normal(8, "benchmark")) / np.sqrt(2))

    def _logit(self, at: dict[str, xr.DataArray]) -> xr.DataArray:
        x = {**self._x, **at}
        if self.design.form != "two-stage":
            z = {name: value for name, value in self._new.items() if name != "unstated_z"}
            return xr.DataArray(formulas.by_compute(z, x, np))
        losses = at["log_loss"] if "log_loss" in at else formulas.log_loss(self._z, x, np)
        return xr.DataArray(formulas.by_loss(losses, self._new, x, np))

    def _at_frontier(self, at: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
        """The same points, those beyond the models' compute brought back to it, D/N kept.

        Where losses are given, each is at least the lowest of the models.
        """
        if self.design.takes_losses:
            lowest = xr.DataArray(self.design.data["log_loss"].min("run").values, dims="corpus")
            return {**at, "log_loss": at["log_loss"].clip(min=lowest)}
        stated = self.design.data["stated"].all("count").values
        most = float((self.design.data["params"] + self.design.data["tokens"]).values[stated].max())
        excess = np.maximum(at["params"] + at["tokens"] - most, 0)
        return {**at, **{name: at[name] - excess / 2 for name in ("params", "tokens")}}

    def _points(self, table: pd.DataFrame) -> dict[str, xr.DataArray]:
        """Points as the equations take them."""
        for name in self.needed:
            if name not in table:
                raise BayescaleError(f"{name} is missing; a point states {', '.join(self.needed)}")
            low = table[name].min()
            if not low > 0:
                raise BayescaleError(f"{name}={low:g}: must be positive")
        centre = pd.Series(self.design.centre)[self.needed]
        logs = np.log(table[self.needed].astype(float)) - np.log(centre)
        at: dict[str, Any] = {"family_index": self._positions(table)}
        tuned = table["instruct"] if "instruct" in table else pd.Series(False, table.index)
        at["tuned"] = tuned.astype(float)
        found = {name: xr.DataArray(np.asarray(v), dims="run") for name, v in at.items()}
        found["contaminated"] = xr.DataArray(0.0)  # a prediction is of what a model can do
        if self.design.takes_losses:
            return {**found, "log_loss": xr.DataArray(logs.to_numpy(), dims=("run", "corpus"))}
        return {**found, **{n: xr.DataArray(logs[n].to_numpy(), dims="run") for n in logs}}

    def _positions(self, table: pd.DataFrame) -> np.ndarray:
        """Position of each point's family; a new one stands behind all."""
        families = self.design.families
        if not self.design.has_families:
            return np.zeros(len(table), int)
        named = table["family"] if "family" in table else pd.Series(NEW, table.index)
        for name in named:
            if name not in (*families, NEW):
                raise unknown("family", str(name), [*families, NEW])
        return np.array([[*families, NEW].index(name) for name in named])
