"""Predictions of benchmark scores, from a posterior's draws alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design

Kind = Literal["curve", "run"]
# Of a family that was not fitted.
NEW = "new"
# What a point of a two-stage fit without a law of the losses states, and that of the others.
_COUNTS = ("params", "tokens")


@dataclass(frozen=True, eq=False)
class Points:
    """Models to predict, as arrays.

    Attributes
    ----------
    x : ndarray (point, input)
        Centred ln N and ln D; 0 where losses are given.
    log_loss : ndarray (point, corpus), optional
        Measured losses over the data's centre.
    family : ndarray (point,)
        Positions of the families; the last is a new one.
    tuned : ndarray (point,)
    """

    x: np.ndarray
    log_loss: np.ndarray | None
    family: np.ndarray
    tuned: np.ndarray


class BenchmarkPredictive:
    """Predictive distribution of scores.

    The gain beyond the frontier, which no data tell, has a factor of its own around 1; see
    `formulas.BEYOND`. What a new family or one model adds is drawn from its distribution, the same
    draw at every point.

    Parameters
    ----------
    form : {"latent", "two-stage"}
    design : Design
        Of the scores that were fitted.
    posterior : Dataset (chain, draw, ...)
    seed : int
    fitted : ndarray of bool (run,), optional
        The design's models that the posterior has seen; by default all.
    """

    def __init__(
        self,
        form: str,
        design: Design,
        posterior: xr.Dataset,
        seed: int = 0,
        fitted: np.ndarray | None = None,
    ) -> None:
        self.form, self.design = form, design
        runs = design.data.sizes["run"]
        self._fitted = design.data.isel(run=np.ones(runs, bool) if fitted is None else fitted)
        flat = posterior.stack(sample=("chain", "draw"), create_index=False)
        self._free = {str(n): v.transpose("sample", ...).values for n, v in flat.items()}
        self._samples = flat.sizes["sample"]
        self._seed = seed

    @property
    def by_loss(self) -> bool:
        """Whether points state losses in place of parameters and tokens."""
        return self.form == "two-stage" and not self.design.has_law

    @property
    def needed(self) -> list[str]:
        """What a point states: parameters and tokens, or the losses."""
        corpora = [str(name) for name in self.design.data["corpus"].values]
        return corpora if self.by_loss else list(_COUNTS)

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
        """
        at = self.points(points)
        logit = self._beyond(at)
        mean = formulas.score(logit, *self.ends, np)
        if kind == "run":
            rng = np.random.default_rng([self._seed, 1])
            questions = self.design.data["questions"].values
            sd = formulas.noise(mean, questions, self._free["score_sd"], np)
            mean = np.clip(mean + sd * rng.standard_t(formulas.NU, mean.shape), 0, 1)
        return xr.DataArray(
            mean,
            dims=("sample", "point", "benchmark"),
            coords={"benchmark": self.design.data["benchmark"].values},
        )

    def points(self, table: pd.DataFrame) -> Points:
        """Points of a table, checked.

        Raises
        ------
        BayescaleError
            If a column is missing, or a value is not positive.
        """
        needed = self.needed
        for name in needed:
            if name not in table:
                raise BayescaleError(f"{name} is missing; a point states {', '.join(needed)}")
            low = table[name].min()
            if not low > 0:
                raise BayescaleError(f"{name}={low:g}: must be positive")
        centre = pd.Series(self.design.centre)
        logs = np.log(table[needed].astype(float)) - np.log(centre[needed])
        families = self.design.families
        names = table["family"].astype(object) if "family" in table else pd.Series(NEW, table.index)
        if self.design.has_families:
            position = {name: i for i, name in enumerate(families)} | {NEW: len(families)}
            for name in names:
                if name not in position:
                    raise unknown("family", str(name), [*families, NEW])
            family = np.array([position[name] for name in names])
        else:
            family = np.zeros(len(table), int)
        tuned = table["instruct"] if "instruct" in table else pd.Series(False, table.index)
        return Points(
            x=np.zeros((len(table), 2)) if self.by_loss else logs.to_numpy(),
            log_loss=logs.to_numpy() if self.by_loss else None,
            family=family,
            tuned=tuned.to_numpy(float),
        )

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Floor and lapse: (sample, benchmark)."""
        chance = self.design.data["chance"].values
        return (
            formulas.floor(chance, self._free["floor_z"], np),
            formulas.lapse(self._free["lapse_z"], np),
        )

    @cached_property
    def _values(self) -> dict[str, Any]:
        """What the equations take, with a new family behind the others."""
        rng = np.random.default_rng([self._seed, 0])
        if self.form == "latent":
            values = formulas.latent_values(self._free, self.design.anchored, np)
            sd = self._free["model_sd"]
            values["own"] = (sd * rng.normal(size=sd.shape))[:, None]
            if self.design.has_families:
                sd = self._free["family_sd"]
                new = (sd * rng.normal(size=sd.shape))[:, None]
                values["family"] = np.append(values["family"], new, axis=1)
        else:
            values = formulas.two_stage_values(self._free, np)
        if self.design.has_families:
            sd = self._free["bias_sd"]
            new = (sd * rng.normal(size=sd.shape))[:, None]
            values["bias"] = np.append(values["bias"], new, axis=1)
        return values

    @cached_property
    def _factor(self) -> np.ndarray:
        """Factor of the gain beyond the frontier: (sample, 1, benchmark)."""
        rng = np.random.default_rng([self._seed, 2])
        median, spread = formulas.BEYOND
        sd = median * np.exp(spread * rng.normal(size=(self._samples, 1)))
        size = self.design.data.sizes["benchmark"]
        common, each = rng.normal(size=(self._samples, 1)), rng.normal(size=(self._samples, size))
        return np.exp(sd * (common + each) / np.sqrt(2))[:, None]

    def _beyond(self, at: Points) -> np.ndarray:
        """Logits, with what is not known beyond the frontier: (sample, point, benchmark)."""
        frontier = self._logit(self._at_frontier(at))
        return frontier + (self._logit(at) - frontier) * self._factor

    def _logit(self, at: Points) -> np.ndarray:
        if self.form == "latent":
            return np.asarray(formulas.capability(at.x, self._values, at.family, at.tuned))
        loss: Any = at.log_loss
        if loss is None:
            loss = formulas.log_loss(at.x, formulas.loss_values(self._free, np), np)
        return np.asarray(formulas.by_loss(loss, self._values, at.family, np))

    def _at_frontier(self, at: Points) -> Points:
        """The same points, those beyond the data's compute brought back to it, D/N kept."""
        data = self._fitted
        if at.log_loss is not None:
            return replace(at, log_loss=np.maximum(at.log_loss, data["log_loss"].min("run").values))
        most = float(data["x"].where(data["stated"].all("input")).sum("input", skipna=False).max())
        excess = np.maximum(at.x.sum(1) - most, 0)
        return replace(at, x=at.x - excess[:, None] / 2)
