"""Outlook: targets, runs in flight and candidates under one posterior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.model.scale import Log, scale_of
from bayescale.plan.buying import Basket, Beliefs
from bayescale.predictive.joint import Moments, moments, one_scale, some_draws, some_rows, thinned
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.points import as_points
from bayescale.predictive.predict import Answers, Located
from bayescale.predictive.predictive import Kind, Predictive
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# Draws that moments are of: more change them less than the draws of a fit do.
_DRAWS = 800


@dataclass(frozen=True)
class Width:
    """Width of an interval at the targets, from the variance of the curve there.

    Attributes
    ----------
    now : float
        Before anything is bought, by the draws; of several targets the root mean square.
    variance, noise : float
        Of the curve, and of the noise, then.
    """

    now: float
    variance: float
    noise: float

    def after(self, left: float) -> float:
        """The width once the curve has this variance."""
        share = (max(left, 0.0) + self.noise) / (self.variance + self.noise)
        return self.now * float(np.sqrt(share))

    def variance_at(self, width: float) -> float:
        """The variance of the curve at which it is so wide; below 0 where noise alone is wider."""
        return (width / self.now) ** 2 * (self.variance + self.noise) - self.noise


@dataclass(frozen=True, eq=False)
class Outlook:
    """Targets, runs in flight and candidates, in this order, under a posterior.

    Attributes
    ----------
    fitted : Fit or Stack
    located : Located
        All of them.
    price : ndarray (candidate)
    aims, flying : int
        Numbers of targets, and of runs in flight.
    corpus : str or None
    """

    fitted: Answers
    located: Located[Predictive] | Located[Mixture]
    price: np.ndarray
    aims: int
    flying: int
    corpus: str | None

    @classmethod
    def of(
        cls,
        fitted: Answers,
        tables: tuple[Runs, Runs | None, Runs],
        price: np.ndarray,
        corpus: str | None,
    ) -> Outlook:
        """From tables of targets, of runs in flight and of candidates."""
        named = [
            runs.table.drop(columns="cost", errors="ignore").assign(
                run=[f"{what} {i}" for i in range(len(runs))]
            )
            for what, runs in zip(("target", "in flight", "candidate"), tables, strict=True)
            if runs is not None
        ]
        located = fitted.locate(as_points(pd.concat(named, ignore_index=True)))
        flying = 0 if tables[1] is None else len(tables[1])
        return cls(fitted, located, price, len(tables[0]), flying, corpus)

    @property
    def predictive(self) -> Predictive | Mixture:
        """The predictive distribution at all of them."""
        return self.located.predictive

    @cached_property
    def moments(self) -> Moments:
        """Of the curve at all of them, by some of the draws."""
        return moments(thinned(self.predictive, _DRAWS), self.corpus)

    @cached_property
    def beliefs(self) -> Beliefs:
        """What is known of targets and candidates once the runs in flight have landed."""
        return self._landed(self.moments, self.price)

    def _landed(self, found: Moments, price: np.ndarray) -> Beliefs:
        cost = np.concatenate([np.zeros(self.flying), price])
        whole = Beliefs.of(found.covariance, found.noise[self.aims :], cost, self.aims)
        return whole.given(range(self.flying)).kept(slice(self.flying, None))

    def width(self, kind: Kind, prob: float) -> Width:
        """The interval at the targets; a share of the response where the noise is one."""
        sizes = {}
        there = some_rows(self.predictive, np.arange(self.aims))
        for each in dict.fromkeys(("curve", kind)):
            draws = there.draws(each)
            if "corpus" in draws.dims:
                corpus = self.corpus
                draws = draws.mean("corpus") if corpus is None else draws.sel(corpus=corpus)
            probs = [(1 - prob) / 2, 0.5, (1 + prob) / 2]
            ends = draws.quantile(probs, dim=SAMPLE_DIMS).to_numpy()
            if self.is_share:
                ends = ends / ends[1]
            sizes[each] = float(np.sqrt(((ends[2] - ends[0]) ** 2).mean()))
        before = float(np.diagonal(self.moments.covariance)[: self.aims].mean())
        noise = max(0.0, (sizes[kind] / sizes["curve"]) ** 2 - 1) * before
        now = self.beliefs.now  # once the runs in flight have landed
        return Width(Width(sizes[kind], before, noise).after(now), now, noise)

    @property
    def is_share(self) -> bool:
        """True if widths are shares of the response."""
        return isinstance(scale_of(self.fitted.spec), Log) and one_scale(self.predictive)

    @property
    def unit(self) -> str:
        """Of widths: a share, or the response's unit."""
        return "share" if self.is_share else COLUMNS[self.fitted.spec.response].unit

    def by_discrepancy(self, bought: Basket, width: Width) -> tuple[float, float] | None:
        """Width after a purchase by the draws with the smaller, and with the larger discrepancy."""
        predictive = self.predictive
        if not isinstance(predictive, Predictive) or predictive.conditioned is None:
            return None
        order = np.argsort(predictive.conditioned.theta.amplitude[:, 0])
        before = self.aims + self.flying
        rows = [*range(before), *(before + i for i in bought.bought)]
        here = some_rows(predictive, np.array(rows))
        price = self.price[list(bought.bought)]
        half = len(order) // 2
        found = []
        for kept in (order[:half], order[half:]):
            assert isinstance(here, Predictive)
            part = moments(thinned(some_draws(here, np.sort(kept)), _DRAWS), self.corpus)
            found.append(self._landed(part, price).left(range(len(price))))
        return width.after(found[0]), width.after(found[1])
