"""Browser: a fit's curve as JavaScript, and its draws as text that a page can hold.

The equation is not written twice: `model.curve` is evaluated on symbols that record each operation.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from bayescale.model.curve import curve
from bayescale.model.spec import Spec


class Symbol:
    """A JavaScript expression that grows with each operation."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _with(self, other: Any, sign: str, *, flipped: bool = False) -> Symbol:
        left, right = (_text(other), self.text) if flipped else (self.text, _text(other))
        return Symbol(f"({left} {sign} {right})")

    def __add__(self, other: Any) -> Symbol:
        return self._with(other, "+")

    def __radd__(self, other: Any) -> Symbol:
        return self._with(other, "+", flipped=True)

    def __sub__(self, other: Any) -> Symbol:
        return self._with(other, "-")

    def __rsub__(self, other: Any) -> Symbol:
        return self._with(other, "-", flipped=True)

    def __mul__(self, other: Any) -> Symbol:
        return self._with(other, "*")

    def __rmul__(self, other: Any) -> Symbol:
        return self._with(other, "*", flipped=True)

    def __truediv__(self, other: Any) -> Symbol:
        return self._with(other, "/")

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._with(other, "/", flipped=True)

    def __pow__(self, other: Any) -> Symbol:
        return Symbol(f"Math.pow({self.text}, {_text(other)})")

    def __neg__(self) -> Symbol:
        return Symbol(f"(-{self.text})")

    def isel(self, _: Any) -> Symbol:
        """Itself: the page holds the draws of the chosen group under the effect's name."""
        return self


class Maths:
    """The functions that a law takes from its `xp`, as JavaScript."""

    def __getattr__(self, name: str) -> Any:
        translated = {"exp", "log", "log1p", "expm1", "maximum", "minimum", "sqrt", "abs"}
        if name not in translated:
            raise AttributeError(f"{name} has no translation to JavaScript")
        method = {"maximum": "max", "minimum": "min"}.get(name, name)
        return lambda *values: Symbol(f"Math.{method}({', '.join(map(_text, values))})")


def curve_as_javascript(spec: Spec) -> str:
    """A function of `d` (draws by name), `i` (which draw) and `x` (centred inputs)."""
    names = [parameter.name for parameter in spec.law.parameters]
    names += [effect.name for effect in spec.effect_list()]
    values = {name: Symbol(f"d.{name}[i]") for name in names}
    # A forecast takes all tokens as unique.
    columns = {name: "tokens" if name == "unique_tokens" else name for name in spec.law.inputs}
    x: dict[str, Any] = {name: Symbol(f"x.{column}") for name, column in columns.items()}
    x |= {f"{effect.group}_index": None for effect in spec.effect_list()}
    return f"(d, i, x) => {_text(curve(spec, values, x, Maths()))}"


def packed(values: Any) -> str:
    """Numbers as base64 of little-endian 32-bit floats."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode("ascii")


def _text(value: Any) -> str:
    return value.text if isinstance(value, Symbol) else repr(float(value))
