"""What a law is: named parameters, one equation, and the way back to published units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Support = Literal["real", "positive", "unit"]

# `xp` is the module that supplies `exp`, `log`, `maximum` and the like: numpy for arrays and
# DataArrays, `pymc.dims.math` for the model's graph. An equation is written once and serves both.
Values = Mapping[Any, Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law as it is sampled.

    Attributes
    ----------
    name : str
    support : {"real", "positive", "unit"}
        Group effects add on the identity, log or logit scale accordingly.
    meaning : str
        One line for tables and reports.
    """

    name: str
    support: Support
    meaning: str

    def shifted(self, value: Any, shift: Any, xp: Any) -> Any:
        """Move `value` by `shift` on the scale where the parameter is unbounded."""
        match self.support:
            case "real":
                return value + shift
            case "positive":
                return value * xp.exp(shift)
            case "unit":
                logit = xp.log(value) - xp.log1p(-value) + shift
                return 1 / (1 + xp.exp(-logit))


@dataclass(frozen=True)
class Law:
    """A mean curve of the response over parameters N, tokens D, and what else it takes in.

    Attributes
    ----------
    name, title, equation, citation : str
        The equation is in published units; the citation carries the arXiv id.
    parameters : tuple of Parameter
        What is sampled; the curve's height is always `level`, its value at the data's centre.
    mean : callable (x, theta, xp) -> response
        `x[name]` is the logarithm of each of `inputs`, centred on the data.
    published : callable (theta, centre) -> dict
        The published constants; `centre` holds the value on which each input was centred.
    sampled : callable (constants, centre) -> dict
        The inverse of `published`.
    units : mapping
        Meaning and unit of each published constant.
    compute_only : bool
        True if N and D enter through their product alone.
    has_optimum : bool
        True if for every budget N D some split between N and D is best.
    inputs : tuple of str
        Columns of a table of runs. Tokens and unique tokens have the same centre.
    """

    name: str
    title: str
    equation: str
    citation: str
    parameters: tuple[Parameter, ...]
    mean: Callable[[Values, Values, Any], Any]
    published: Callable[[Values, Mapping[str, float]], dict[str, Any]]
    sampled: Callable[[Values, Mapping[str, float]], dict[str, Any]]
    units: Mapping[str, str]
    compute_only: bool
    has_optimum: bool
    inputs: tuple[str, ...] = ("params", "tokens")

    def parameter(self, name: str) -> Parameter:
        """The sampled parameter of this name."""
        return next(p for p in self.parameters if p.name == name)

    @property
    def positive(self) -> bool:
        """True if the curve cannot reach zero, so that its logarithm exists."""
        return self.parameter("level").support == "positive"
