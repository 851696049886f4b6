"""The curve at given rows: a law's parameters, moved by group effects, put into its equation.

One function for the model's graph (xtensor variables), for prediction (DataArrays of draws) and
for simulation (DataArrays of true values): all three speak `isel` and named dims.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bayescale.laws.base import Values
from bayescale.model.odds import of_law
from bayescale.model.spec import Spec


def curve(
    spec: Spec,
    values: Values,
    x: Values,
    xp: Any,
    *,
    without: Collection[str] = (),
) -> Any:
    """Mean of the response at each row.

    Parameters
    ----------
    spec : Spec
    values : mapping
        Each law parameter and each effect (`{parameter}_{group}`, with the group as a dim).
    x : mapping
        The law's inputs, centred; `{group}_index`: positions along each group.
    xp : module
        Supplies `exp`, `log`, `log1p`: numpy, or `pymc.dims.math`.
    without : collection of str
        Groups whose effects are left out.
    """
    return of_law(spec, spec.law.mean(x, parameters(spec, values, x, xp, without=without), xp))


def parameters(
    spec: Spec,
    values: Values,
    x: Values,
    xp: Any,
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """The law's parameters at each row, moved by group effects; arguments as for `curve`."""
    theta = {parameter.name: values[parameter.name] for parameter in spec.law.parameters}
    for name, group in spec.by_label.items():
        value = theta[name]
        inside = group not in without
        theta[name] = value.isel({group: x[f"{group}_index"]}) if inside else value.mean(group)
    shifts: dict[str, Any] = {}
    for effect in spec.effect_list():
        if effect.group not in without:
            index = x[f"{effect.group}_index"]
            shift = values[effect.name].isel({effect.group: index})
            earlier = shifts.get(effect.parameter)
            shifts[effect.parameter] = shift if earlier is None else earlier + shift
    for name, shift in shifts.items():
        theta[name] = spec.law.parameter(name).shifted(theta[name], shift, xp)
    return theta


def centred_tokens(values: Values, x: Values) -> Any:
    """Centred ln D of each run, a latent count where its standardised value puts it."""
    if "tokens_z" not in values:
        return x["tokens"]
    return x["tokens"] + (x["tokens_sd"] * values["tokens_z"]).sum("latent")
