"""Coherence: whether the parts of a spec fit together."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.parts import DISTRIBUTIONS, Prior
from bayescale.runs.columns import COLUMNS

if TYPE_CHECKING:
    from bayescale.model.spec import Spec


def check(spec: Spec) -> None:
    """Refuse a spec whose parts do not fit together, or do not fit its law, by a ValueError."""
    law = spec.law
    _check_declared(spec)
    if spec.noise.on == "log" and not law.positive:
        raise ValueError(f"noise on the log needs a positive law; {law.name} can cross zero")
    _check_bounds(spec)
    supports = {p.name: p.support for p in law.parameters}
    supports |= dict.fromkeys(spec.noise.parameters, "positive")
    for name in supports:
        if name not in spec.priors:
            raise ValueError(f"no prior for {name}; add it under [priors]")
    for name, prior in spec.priors.items():
        if name not in supports:
            known = ", ".join(supports)
            raise ValueError(f"prior for {name!r}, which is no parameter; there are {known}")
        _check_support(name, prior, supports[name])
    for effect in spec.effect_list():
        if effect.parameter not in {p.name for p in law.parameters}:
            known = ", ".join(p.name for p in law.parameters)
            raise ValueError(
                f"effect of {effect.group} on {effect.parameter!r}, "
                f"which is no parameter of {law.name}; there are {known}"
            )
        _check_support(effect.sd_name, effect.sd, "positive")
    _check_discrepancy(spec)
    _check_by(spec)
    if len(set(spec.corpora)) < len(spec.corpora):
        raise ValueError(f"corpora {', '.join(spec.corpora)}: one is named twice")


def _check_bounds(spec: Spec) -> None:
    users = {"noise on the logit": spec.noise.on == "logit", "the odds": spec.law_of == "odds"}
    used = [name for name, uses in users.items() if uses]
    if spec.law_of == "odds" and not spec.law.positive:
        raise ValueError(f"the odds need a positive law; {spec.law.name} can cross zero")
    if spec.bounds is None:
        if used and COLUMNS[spec.response].scale != "logit":
            raise ValueError(f"{used[0]} of {spec.response}: give bounds = [FLOOR, CEILING]")
        return
    low, high = spec.bounds
    if not used:
        raise ValueError(f"bounds are for {' or '.join(users)}; leave them out")
    if not (low < high and isfinite(high - low)):
        raise ValueError(f"bounds = [{low:g}, {high:g}]: the floor must be below the ceiling")


def _check_declared(spec: Spec) -> None:
    for name in spec.declared:
        if name in COLUMNS:
            raise ValueError(f"inputs {name}: this column is known; leave its declaration out")
        if name not in spec.law.inputs:
            raise ValueError(f"inputs {name}: the law takes no such input; leave it out")


def _check_by(spec: Spec) -> None:
    of_law = {parameter.name for parameter in spec.law.parameters}
    for name, prior in spec.all_priors().items():
        alone = prior.by and prior.by != "corpus"
        if alone and (prior.by == "run" or name not in of_law):
            raise ValueError(
                f'the prior of {name} by = "{prior.by}": only a parameter of the law can have '
                "one for each label of a group, and not of run"
            )
    by_corpus = [name for name, prior in spec.all_priors().items() if prior.by == "corpus"]
    if by_corpus and not spec.corpora:
        raise ValueError(f'the prior of {by_corpus[0]} by = "corpus" needs corpora = [...]')


def _check_discrepancy(spec: Spec) -> None:
    if not spec.discrepancy:
        return
    parameters = discrepancy.parameters(spec.axes)
    if spec.noise.on == "response" and spec.law.centred and COLUMNS[spec.response].low < 0:
        raise ValueError(
            f"discrepancy: with noise on the response it is a share of it, and {spec.response} "
            "can be negative; leave it out"
        )
    for name in parameters.keys() ^ spec.discrepancy.keys():
        known = ", ".join(parameters)
        raise ValueError(f"discrepancy {name}: give a prior for each of {known}, and no other")
    for name, (support, _) in parameters.items():
        _check_support(f"discrepancy {name}", spec.discrepancy[name], support)
    if spec.corpora:
        raise ValueError("discrepancy: there is none of several corpora; leave out one")


def _check_support(name: str, prior: Prior, support: str) -> None:
    if prior.support != support:
        fitting = [dist for dist, (_, where) in DISTRIBUTIONS.items() if where == support]
        raise ValueError(f"{name} is {support}, {prior.dist} is not; use {', '.join(fitting)}")
