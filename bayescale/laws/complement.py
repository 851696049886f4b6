"""The complement of a law: what rises as the law falls, `1 - chinchilla`.

Laws of the loss fall to a floor. An accuracy rises to a ceiling, so that its distance from there
falls by such a law: a spec names it `law = "1 - chinchilla"`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from bayescale.laws.base import Law, Parameter, Values

_NAMED = re.compile(r"(\d+(?:\.\d+)?) - (\S+)")


def split_name(name: str) -> tuple[float, str] | None:
    """Ceiling and law of a complement's name; None for any other name."""
    named = _NAMED.fullmatch(name)
    return (float(named[1]), named[2]) if named else None


def complement(ceiling: float, law: Law) -> Law:
    """The law whose curve is the ceiling minus that of a law, with the same parameters."""
    left = f"{ceiling:g} - "

    def mean(x: Values, theta: Values, xp: Any) -> Any:
        return ceiling - law.mean(x, theta, xp)

    def said(text: str) -> str:
        return text.replace("response", f"{left}response")

    return replace(
        law,
        name=left + law.name,
        title=f"{ceiling:g} minus the response: {law.title}",
        equation=re.sub(r"^y = ", f"{left}y = ", law.equation),
        parameters=tuple(Parameter(p.name, p.support, said(p.meaning)) for p in law.parameters),
        units={name: said(meaning) for name, meaning in law.units.items()},
        mean=mean,
        slopes=None,
        with_repeats=law.with_repeats and complement(ceiling, law.with_repeats),
        ceiling=ceiling,
    )
