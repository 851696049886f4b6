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
    """Several curves; `theta["member"]` says which of `parts` each draw follows.

    Attributes
    ----------
    parts : tuple of Curve
        With as many draws each, in one chain.
    weights : tuple of float
        Share of the draws that follow each.
    """

    parts: tuple[Curve, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Curve], weights: Sequence[float], seed: int) -> Mixture:
        """The curves, in the shares of their weights."""
        count = min(part.count for part in parts)
        rng = random(seed, "stack")
        parts = tuple(part.taking(rng.permutation(part.count)[:count]) for part in parts)
        ends = np.round(np.cumsum(weights) * count)[:-1]
        member = np.searchsorted(ends, rng.permutation(count), side="right")
        law = _law(parts)
        theta = {
            f"{i}.{name}": draws
            for i, part in enumerate(parts)
            for name, draws in part.theta.items()
        }
        return cls(
            name="stack",
            law=law,
            theta={"member": xr.DataArray(member[None], dims=SAMPLE_DIMS), **theta},
            centre=dict.fromkeys(law.inputs, 1.0),
            response=parts[0].response,
            notes=list({str(note): note for part in parts for note in part.notes}.values()),
            parts=parts,
            weights=tuple(weights),
        )

    @property
    def said(self) -> dict[str, str]:
        """What an answer says of whose it is: the name and the weight of each law."""
        shares = zip(self.parts, self.weights, strict=True)
        return {**super().said, "members": ", ".join(f"{p.name} {w:.2f}" for p, w in shares)}

    def for_new_runs(self, target: float | xr.DataArray) -> xr.DataArray:
        """The response that the curve must reach so that one new run reaches `target`."""
        return self.mixed([part.for_new_runs(target) for part in self.parts])

    def lacking(self) -> dict[str, float]:
        """Laws without a compute-optimal size, and the share of draws that follow each."""
        shares: dict[str, float] = {}
        for part, weight in zip(self.parts, self.weights, strict=True):
            for name in part.lacking():
                shares[name] = shares.get(name, 0.0) + weight
        return shares

    def with_optimum(self) -> Curve | None:
        """The draws whose law has a compute-optimal size; None where none has."""
        has = np.array([part.law.has_optimum for part in self.parts])
        kept = np.flatnonzero(has[self.theta["member"].to_numpy().ravel()])
        return self.taking(kept) if len(kept) else None

    def taking(self, picked: np.ndarray) -> Mixture:
        """The draws at these positions, as one chain."""
        parts = tuple(part.taking(picked) for part in self.parts)
        return replace(super().taking(picked), parts=parts)

    def mixed(self, values: Sequence[Any]) -> Any:
        """Each draw's value from the part that it follows."""
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
    said = dict(groups or {})
    check_groups(said, source.group_names)
    parts = [
        Curve.of_fit(fit, {k: v for k, v in said.items() if k in fit.spec.named_groups}, corpus)
        for fit in source.fits
    ]
    return Mixture.of(parts, source.weights, source.seed)


def _law(parts: Sequence[Curve]) -> Law:
    """The law that each draw takes from one of the curves; its constants are its parameters."""

    def mean(x: Values, theta: Values, xp: Any) -> Any:
        each = [
            part.loss(x, {name: theta[f"{i}.{name}"] for name in part.theta})
            for i, part in enumerate(parts)
        ]
        return _mixed(theta["member"], each)

    laws = list({part.law.name: part.law for part in parts}.values())
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
    chosen = values[0]
    for i, value in enumerate(values[1:], start=1):
        other = member != i
        if labelled:
            chosen = xr.DataArray(chosen).where(other, value)
        else:
            chosen = np.where(other, chosen, value)
    return chosen
