"""What a spec's file leaves out, filled in: learnt priors, and the noise of an equation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from bayescale.base import bundled
from bayescale.laws import Law
from bayescale.laws.equation import equation
from bayescale.model.parts import USUAL_NOISE, USUAL_NOISE_PRIORS, Equation, Input, Prior

# Those of this process.
_EQUATIONS: WeakValueDictionary[str, Law] = WeakValueDictionary()


def with_learnt_priors(values: Any) -> Any:
    """With those that `priors_from` names in `data/learnt_priors.toml`, where it states none.

    The spec then holds the priors themselves, whatever is learnt later.
    """
    if not isinstance(values, dict) or "priors_from" not in values:
        return values
    name, parts = values["priors_from"], ("priors", "discrepancy")
    own = {part: values.get(part, {}) for part in parts}
    if not (isinstance(name, str) and all(isinstance(own[part], Mapping) for part in parts)):
        raise ValueError("priors_from is the name of a set; priors and discrepancy are tables")
    sets = bundled.learnt_priors()
    if name not in sets:
        raise ValueError(f"priors_from {name!r}: there is no such set; use {', '.join(sets)}")
    noise = values.get("noise")
    heavy = isinstance(noise, Mapping) and noise.get("dist") == "StudentT"
    learnt = {n: prior for n, prior in sets[name]["priors"].items() if n != "nu" or heavy}
    return {
        **{key: value for key, value in values.items() if key != "priors_from"},
        "priors": {**learnt, **own["priors"]},
        "discrepancy": {**sets[name]["discrepancy"], **own["discrepancy"]},
    }


def with_equation(values: Any) -> Any:
    """With the law of an equation, whose unknowns are the names that have priors, and with the
    usual noise, its priors and a title where a spec with an equation leaves them out."""
    if not (isinstance(values, dict) and isinstance(values.get("law"), Mapping)):
        return values
    values = {"title": values.get("name"), "params": "active", **USUAL_NOISE, **values}
    if values["noise"] == USUAL_NOISE["noise"]:
        given = values.get("priors", {})
        usual = {n: prior for n, prior in USUAL_NOISE_PRIORS.items() if n not in given}
        values["priors"] = {**given, **usual}
    definition = Equation.model_validate(dict(values["law"]))
    priors = {name: Prior.model_validate(prior) for name, prior in values.get("priors", {}).items()}
    inputs = values.get("inputs") or values.get("declared") or {}
    declared = {n: Input.model_validate(each).column(n) for n, each in inputs.items()}
    parts = (
        str(values.get("name", "law")),
        definition.model_dump(exclude_none=True),
        {name: prior.support for name, prior in priors.items()},
        declared,
    )
    return {**values, "law": _one_law(repr(parts), *parts)}


def _one_law(text: str, *parts: Any) -> Law:
    """The law of an equation: one object for specs that say the same, so that they are equal."""
    law = _EQUATIONS.get(text)
    if law is None:
        law = _EQUATIONS[text] = equation(*parts)
    return law
