"""A stack of fits as one curve: each draw follows the law of one fit, as often as it weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.seeds import random
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.laws import Law
from bayescale.laws.base import Values
from bayescale.plan.curve import Curve
from bayescale.predictive.points import check_groups


@dataclass(frozen=True, eq=False)
class Mixture(Curve):
    """Several curves; `theta["member"]` says which of `members` each draw follows.

    Attributes
    ----------
    members : tuple of Curve
        With as many draws each, in one chain.
    weights : tuple of float
        Share of the draws that follow each.
    """

    members: tuple[Curve, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    def of(cls, members: Sequence[Curve], weights: Sequence[float], seed: int) -> Mixture:
        """The curves, in the shares of their weights."""
        count = min(curve.count for curve in members)
        rng = random(seed, "stack")
        members = tuple(
            curve.select_draws(rng.permutation(curve.count)[:count]) for curve in members
        )
        ends = np.round(np.cumsum(weights) * count)[:-1]
        member = np.searchsorted(ends, rng.permutation(count), side="right")
        law = _law(members)
        theta = {
            f"{i}.{name}": draws
            for i, curve in enumerate(members)
            for name, draws in curve.theta.items()
        }
        return cls(
            name="stack",
            law=law,
            theta={"member": xr.DataArray(member[None], dims=SAMPLE_DIMS), **theta},
            centre=dict.fromkeys(law.inputs, 1.0),
            response=members[0].response,
            notes=list({str(note): note for curve in members for note in curve.notes}.values()),
            members=members,
            weights=tuple(weights),
        )

    @property
    def origin(self) -> dict[str, str]:
        """Whose answer it is, with the name and the weight of each law."""
        pairs = zip(self.members, self.weights, strict=True)
        members = ", ".join(f"{curve.name} {weight:.2f}" for curve, weight in pairs)
        return {**super().origin, "members": members}

    def for_new_runs(self, target: float | xr.DataArray) -> xr.DataArray:
        """The response that the curve must reach so that one new run reaches `target`."""
        return self.mixed([curve.for_new_runs(target) for curve in self.members])

    def shares_without_optimum(self) -> dict[str, float]:
        """Laws without a compute-optimal size, and the share of draws that follow each."""
        shares: dict[str, float] = {}
        for curve, weight in zip(self.members, self.weights, strict=True):
            for name in curve.shares_without_optimum():
                shares[name] = shares.get(name, 0.0) + weight
        return shares

    def with_optimum(self) -> Curve | None:
        """The draws whose law has a compute-optimal size; None where none has."""
        has = np.array([curve.has_optimum for curve in self.members])
        kept = np.flatnonzero(has[self.theta["member"].to_numpy().ravel()])
        return self.select_draws(kept) if len(kept) else None

    def select_draws(self, positions: np.ndarray) -> Mixture:
        """The draws at positions (draw), as one chain."""
        members = tuple(curve.select_draws(positions) for curve in self.members)
        return replace(super().select_draws(positions), members=members)

    def mixed(self, values: Sequence[Any]) -> Any:
        """Each draw's value from the member that it follows."""
        return _mixed(self.theta["member"], values)


def as_curve(
    source: Curve | Fit | Stack,
    groups: Mapping[str, str] | None = None,
    corpus: str | None = None,
) -> Curve:
    """What a plan works on: a curve itself, or that of a fit or of a stack, for given groups.

    Parameters
    ----------
    source : Curve, Fit or Stack
    groups : mapping, optional
        Group to label; one that is not named is drawn as new.
    corpus : str, optional
        Which one, for fits of several.

    Raises
    ------
    BayescaleError
        If a group or the corpus is not one of the fit's.
    """
    if isinstance(source, Curve):
        return source
    if isinstance(source, Fit):
        return Curve.of_fit(source, groups, corpus)
    labels = dict(groups or {})
    check_groups(labels, source.group_names)
    members = [
        Curve.of_fit(fit, {k: v for k, v in labels.items() if k in fit.spec.named_groups}, corpus)
        for fit in source.fits
    ]
    return Mixture.of(members, source.weights, source.seed)


def _law(members: Sequence[Curve]) -> Law:
    """The law that each draw takes from one of the curves; its constants are its parameters."""

    def mean(x: Values, theta: Values, xp: Any) -> Any:
        each = [
            curve.value(x, {name: theta[f"{i}.{name}"] for name in curve.theta})
            for i, curve in enumerate(members)
        ]
        return _mixed(theta["member"], each)

    laws = list({curve.law.name: curve.law for curve in members}.values())
    return Law(
        name=" or ".join(law.name for law in laws),
        title="Each draw by one of several laws",
        equation="; or ".join(law.equation for law in laws),
        citation="; ".join(law.citation for law in laws),
        parameters=(),
        mean=mean,
        published=lambda theta, centre: dict(theta),
        sampled=lambda constants, centre: dict(constants),
        units={},
        compute_only=all(law.compute_only for law in laws),
        has_optimum=any(law.has_optimum for law in laws),
        inputs=tuple(dict.fromkeys(name for law in laws for name in law.inputs)),
    )


def _mixed(member: Any, values: Sequence[Any]) -> Any:
    """Each draw's value from its member, for arrays with dims and without."""
    labelled = any(isinstance(value, xr.DataArray) for value in (member, *values))
    mixed = values[0]
    for i, value in enumerate(values[1:], start=1):
        if labelled:
            mixed = xr.DataArray(mixed).where(member != i, value)
        else:
            mixed = np.where(member != i, mixed, value)
    return mixed
