"""Groups of new points: which are known, which follow from the data, which are drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.notes import Note, listed
from bayescale.base.seeds import random
from bayescale.model.design import Centre
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.parts import Prior
from bayescale.model.priors import drawn_from
from bayescale.model.spec import Spec
from bayescale.runs.table import Runs

# Draws in the shape of another array, for a label that no run has.
type Drawn = Callable[[xr.DataArray, np.random.Generator], xr.DataArray]

# The label under which a group that was not named is drawn.
NEW = "new"


class Fitted(Protocol):
    """What prediction needs of a fit; `seed` is that of the draws for new groups and runs."""

    @property
    def spec(self) -> Spec:
        """What was fitted."""
        ...

    @property
    def posterior(self) -> xr.Dataset:
        """Draws, with dims (chain, draw, ...)."""
        ...

    @property
    def centre(self) -> Centre:
        """Origin of the law's inputs."""
        ...

    @property
    def runs(self) -> Runs:
        """The runs that were fitted."""
        ...

    @property
    def conditioned(self) -> Conditioned:
        """The discrepancy given the runs, of a spec that has one."""
        ...

    @property
    def seed(self) -> int:
        """Of the draws for new groups and runs."""
        ...


def resolve(fit: Fitted, points: Runs) -> tuple[pd.DataFrame, list[Note]]:
    """The label of each point in each group; what is not named follows from the data or is new.

    A point of family Llama-3 without a tokenizer has the one that all its family's runs have.

    Returns
    -------
    labels : DataFrame
        Indexed by the points' names, a column a group.
    notes : list of Note
    """
    groups = fit.spec.named_groups
    table, fitted = points.table, fit.runs.table
    labels = pd.DataFrame(index=table.index)
    for group in groups:
        given = table[group] if group in table else pd.Series(None, table.index, dtype=object)
        labels[group] = given.astype(object).where(given.notna(), None)
    inferred: dict[str, dict[str, str]] = {group: {} for group in groups}
    for row in labels.index:
        named = {g: labels.at[row, g] for g in groups if labels.at[row, g] is not None}
        if not named:
            continue
        same = fitted[(fitted[list(named)] == pd.Series(named)).all(axis=1)]
        for group in groups:
            if group in named or same[group].nunique() != 1:
                continue
            label = str(same[group].iloc[0])
            labels.at[row, group] = label
            members = " and ".join(f"{g} {name}" for g, name in named.items())
            inferred[group][members] = label
    notes = [_inferred(group, found) for group, found in inferred.items() if found]
    labels = labels.astype(object).where(labels.notna(), NEW)
    for group in groups:
        known = sorted(fitted[group].unique())
        unknown = [str(label) for label in pd.unique(labels[group]) if label not in known]
        if NEW in unknown:
            notes.append(_new_group(group, [], known))
        if names := [label for label in unknown if label != NEW]:
            notes.append(_new_group(group, names, known))
    return labels.set_axis(table["run"], axis="index"), notes


def _inferred(group: str, found: Mapping[str, str]) -> Note:
    """That points have a label which all runs like them have."""
    each = [f"{label}: every run of {members} has it" for members, label in found.items()]
    text = f"{group} {listed(each)}"
    return Note("group-from-data", "info", text, f"name another with {group}=NAME")


def _new_group(group: str, names: Sequence[str], known: list[str]) -> Note:
    """That points have none of the labels in the data, or none at all."""
    close = {name: get_close_matches(name, known, n=1, cutoff=0.6) for name in names}
    meant = [
        match[0] if len(names) == 1 else f"{match[0]} for {name}"
        for name, match in close.items()
        if match
    ]
    hint = f"did you mean {listed(meant)}?" if meant else f"known: {listed(known)}"
    what = f"no {group} named"
    if names:
        what = f"{group} {listed(names)} {'is' if len(names) == 1 else 'are'} not in the data"
    return Note(
        "new-group",
        "info",
        f"{what}: drawn from the distribution of the {len(known)} in the data, so the interval "
        f"is that of a new {group}",
        hint,
    )


def effects_at(fit: Fitted, labels: pd.DataFrame) -> tuple[dict[str, Any], dict[str, xr.DataArray]]:
    """The posterior with each group's effects in the order asked, and the points' positions.

    An unknown label is drawn from the group's distribution, the same label always the same
    draw. New runs share one draw of the run effect, as they share the rest of the scatter.

    Returns
    -------
    values : dict
        Name to draws: all parameters, and the effects with one entry for each label asked for.
    index : dict
        `{group}_index` (run): each point's position along the group's dim.
    """
    values: dict[str, Any] = {str(name): draws for name, draws in fit.posterior.data_vars.items()}
    index = {}

    def pick(name: str, group: str, new: Drawn) -> None:
        """The values of each label asked for; `new` draws those of one that is not known."""
        wanted = np.full(len(labels), NEW) if group == "run" else labels[group].to_numpy()
        known = fit.posterior[name]
        columns = []
        for label in pd.unique(wanted):
            if group != "run" and label in known[group].values:
                columns.append(known.sel({group: [label]}))
                continue
            drawn = new(known.isel({group: 0}, drop=True), random(fit.seed, name, str(label)))
            columns.append(drawn.expand_dims({group: [label]}))
        picked = xr.concat(columns, dim=group, join="override", coords="minimal")
        values[name] = picked.transpose(*known.dims).drop_vars(group)
        index[f"{group}_index"] = xr.DataArray(
            pd.factorize(wanted)[0], dims="run", coords={"run": labels.index.to_numpy()}
        )

    for effect in fit.spec.effect_list():
        pick(effect.name, effect.group, partial(_new_effect, fit.posterior[effect.sd_name]))
    for name, group in fit.spec.by_label.items():
        pick(name, group, partial(_new_parameter, fit.spec.priors[name]))
    return values, index


def _new_effect(sd: xr.DataArray, like: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
    return like.copy(data=rng.standard_normal(like.shape)) * sd


def _new_parameter(prior: Prior, like: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
    return like.copy(data=drawn_from(prior, like.shape, rng))
