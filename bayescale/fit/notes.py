"""Notes of a fit: what the runs cannot tell, and where prior and data part."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import xarray as xr

from bayescale.base.notes import Note, listed
from bayescale.model.design import Design
from bayescale.model.spec import Spec

# Above this ratio of interquartile ranges the data have said little that the prior had not.
_LEARNT = 0.8


def group_notes(spec: Spec, design: Design) -> list[Note]:
    """What the runs cannot tell about their groups."""
    notes, members = [], {}
    for group in spec.named_groups:
        index = design.data[f"{group}_index"].values
        labels = design.data[group].values
        members[group] = {
            label: frozenset(np.flatnonzero(index == i)) for i, label in enumerate(labels)
        }
        single = [label for label, runs in members[group].items() if len(runs) == 1]
        if len(labels) == 1:
            notes.append(
                Note(
                    "single-level-group",
                    "warning",
                    f"all runs have {group} {labels[0]}, so its spread is the prior's",
                    "leave the effect out with --no-groups if no other group will be predicted",
                )
            )
        elif single:
            notes.append(
                Note(
                    "single-run-group",
                    "info",
                    f"one run only: {group} {listed(single)}",
                    "its effect is mostly the group's distribution; read it as such",
                )
            )
    for one, other in combinations(members, 2):
        same = [
            f"{a} = {b}"
            for a, runs in members[one].items()
            for b, others in members[other].items()
            if runs == others
        ]
        if same:
            notes.append(
                Note(
                    "confounded-groups",
                    "info",
                    f"{one} and {other} hold the same runs: {listed(same)}",
                    "only the sum of the two effects is identified there",
                )
            )
    return notes


def prior_notes(spec: Spec, prior: xr.Dataset, posterior: xr.Dataset) -> list[Note]:
    """Parameters about which the data say little, by the ratio of interquartile ranges."""
    weak = []
    for name in spec.all_priors():
        ratio = _spread(posterior[name]) / _spread(prior[name])
        for label, value in _cells(ratio):
            if value > _LEARNT:
                weak.append(f"{name}{label} ({value:.0%})")
    if not weak:
        return []
    return [
        Note(
            "weak-prior-data-separation",
            "info",
            f"the posterior is about as wide as the prior: {listed(weak)}",
            "check that conclusions hold under another prior for these",
        )
    ]


def conflict_notes(expected: xr.DataArray, observed: xr.DataArray) -> list[Note]:
    """Whether most responses lie where the prior puts almost nothing.

    Parameters
    ----------
    expected : DataArray
        Prior predictive draws (chain, draw, run, ...).
    observed : DataArray
    """
    lower, upper = (float(end) for end in expected.quantile([0.005, 0.995]))
    if float(((observed < lower) | (observed > upper)).mean()) <= 0.5:
        return []
    return [
        Note(
            "prior-data-conflict",
            "warning",
            f"most responses (median {float(observed.median()):.3g}) lie outside the 99 % that "
            f"the prior expects ({lower:.3g} to {upper:.3g})",
            "copy the spec and write priors for this response",
        )
    ]


def thinned_note(replicated: xr.Dataset, posterior: xr.Dataset) -> list[Note]:
    """That a fit's replicates are of some of its draws, where they are."""
    kept, drawn = (d.sizes["chain"] * d.sizes["draw"] for d in (replicated, posterior))
    if kept == drawn:
        return []
    return [
        Note(
            "thinned-replicates",
            "info",
            f"replicates of the {replicated.sizes['run']} runs are kept for {kept} of {drawn} "
            "draws, evenly spaced, to bound memory; the posterior is whole",
            "nothing to do; intervals of single runs in checks are a little coarser",
        )
    ]


def _spread(draws: xr.DataArray) -> xr.DataArray:
    quartiles = draws.quantile([0.25, 0.75], dim=("chain", "draw"))
    return quartiles.sel(quantile=0.75, drop=True) - quartiles.sel(quantile=0.25, drop=True)


def _cells(values: xr.DataArray) -> list[tuple[str, float]]:
    """Each value with its label in brackets: '' for a scalar, '[python]' along a dim."""
    if not values.dims:
        return [("", float(values))]
    (dim,) = values.dims
    return [(f"[{label}]", float(values.sel({dim: label}))) for label in values[dim].values]
