"""The laws by name: those that ship, those that a program registers, those of installed packages.

A package offers a law by an entry point of the group `bayescale.laws` whose name is the law's:

    [project.entry-points."bayescale.laws"]
    my-law = "my_package.my_module:LAW"

It is imported when a spec first names that law. A spec itself only names; it never says what to
import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from typing import Any

import numpy as np

from bayescale.base.errors import LawError
from bayescale.laws import (
    chinchilla,
    compute_linear,
    compute_power,
    data_constrained,
    joint_power,
    kaplan,
    separate_linear,
)
from bayescale.laws.base import Law
from bayescale.runs.columns import of_kind

GROUP = "bayescale.laws"

_MODULES = (compute_linear, separate_linear, compute_power, kaplan, chinchilla, data_constrained)
_SHIPPED = (*(module.LAW for module in _MODULES), joint_power.LAW, joint_power.REPEATS)
LAWS: dict[str, Law] = {law.name: law for law in _SHIPPED}

# Parameters of the noise, and the posterior's token counts, have these names already.
_TAKEN = ("sigma", "nu", "tokens")


def register(law: Law) -> Law:
    """Make a law known by its name to specs, fits and the command line of this process.

    Parameters
    ----------
    law : Law

    Returns
    -------
    Law
        The same, so that one line can define and register it.

    Raises
    ------
    LawError
        If the name is taken, or the law breaks a rule of `checked`.

    Examples
    --------
    >>> from bayescale.laws import Law, Parameter, register
    >>> register(Law(name="my-law", ...))
    """
    checked(law)
    if law.name in LAWS:
        raise LawError(f"law {law.name}: the name is taken; give it another")
    LAWS[law.name] = law
    return law


def find(name: str) -> Law:
    """The law of this name; one that an installed package offers is imported and registered.

    Raises
    ------
    LawError
        If there is none, or the package that offers it cannot be imported.
    """
    if name not in LAWS:
        offers = list(entry_points(group=GROUP, name=name))
        if not offers:
            raise LawError(
                f"law {name!r} is unknown; use one of {', '.join(LAWS)}, install the package that "
                "offers it, or call bayescale.laws.register first"
            )
        if len(offers) > 1:
            packages = " and ".join(sorted(_package(offer) for offer in offers))
            raise LawError(f"law {name!r} is offered by {packages}; uninstall all but one")
        _load(offers[0])
    return LAWS[name]


def _load(offer: EntryPoint) -> None:
    where = f"law {offer.name!r} of package {_package(offer)} ({offer.value})"
    try:
        law = offer.load()
    except Exception as error:  # somebody's module may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise LawError(f"{where} cannot be imported: {what}; reinstall or repair it") from error
    checked(law)
    if law.name != offer.name:
        raise LawError(f"{where} is called {law.name!r}; entry point and law need one name")
    if LAWS.get(law.name) is not law:  # its module may have registered it
        register(law)


def _package(offer: EntryPoint) -> str:
    return offer.dist.name if offer.dist else "unknown"


def checked(law: Any) -> None:
    """Hold a law against what the rest of the package takes for granted.

    Raises
    ------
    LawError
        With the first rule that it breaks.
    """
    if not isinstance(law, Law):
        raise LawError(f"{law!r:.60}: a {type(law).__name__}, not a bayescale.laws.Law")
    try:
        problem = next(chain(_of_names(law), _of_functions(law)), None)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        problem = f"its functions fail on plain numbers: {what}"
    if problem is not None:
        raise LawError(f"law {law.name}: {problem}")


def _of_names(law: Law) -> Iterator[str]:
    """Rules of names that the law breaks."""
    if not re.fullmatch(r"[\w.-]+", law.name):
        yield f"{law.name!r}: a name holds letters, digits, '_', '.' and '-'"
    names = [parameter.name for parameter in law.parameters]
    for name in names:
        if not name.isidentifier() or name in _TAKEN or names.count(name) > 1:
            yield (
                f"parameter {name!r}: name each parameter once, as in Python, and none of them "
                f"{', '.join(_TAKEN)}"
            )
    if "level" not in names:
        yield "no parameter level; the curve's value at the centre of the data has that name"
    for name in law.inputs:
        if name not in of_kind("input"):
            known = ", ".join(of_kind("input"))
            yield f"input {name!r}: no such column; there are {known}"
    for name in law.slopes or ():
        if name not in law.units:
            yield f"slopes has {name!r}, which is no published constant"
    if law.with_repeats and not law.with_repeats.sees_repeats:
        yield f"with_repeats is {law.with_repeats.name}, which has no input unique_tokens"


def _of_functions(law: Law) -> Iterator[str]:
    """Rules that the law's functions break, at values that every support allows."""
    names = [parameter.name for parameter in law.parameters]
    theta = {name: 0.3 + 0.5 * i / len(names) for i, name in enumerate(names)}
    origin = dict.fromkeys(law.inputs, 0.0)

    def mean(**shifts: float) -> float:
        return float(law.mean({**origin, **shifts}, theta, np))

    if law.centred and not np.isclose(mean(), theta["level"], rtol=1e-6):
        yield f"its value at the centre is {mean():g} where level is {theta['level']:g}"
    of_compute = law.takes_compute and abs(mean(params=1.0) - mean(tokens=1.0)) < 1e-9
    if bool(of_compute) != law.compute_only:
        yield f"compute_only={law.compute_only} is not what its equation says"
    centre = {name: 2e10 if name == "params" else 3e12 for name in law.inputs}
    constants = law.published(theta, centre)
    if set(constants) != set(law.units):
        yield f"published gives {', '.join(constants)}, units has {', '.join(law.units)}"
    back = law.sampled(constants, centre)
    if set(back) != set(names):
        yield f"sampled gives {', '.join(back)}, parameters are {', '.join(names)}"
    for name, value in theta.items():
        if not np.isclose(float(back[name]), value, rtol=1e-6):
            yield f"sampled gives {name}={float(back[name]):g} back where {value:g} went in"
