"""What a law is: named parameters, one equation, and the way back to published units."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

Support = Literal["real", "positive", "unit"]

# Points of a law's fingerprint, and how many e-folds from the centre they lie at most.
_POINTS, _FAR = 64, 12.0

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
        """`value` with `shift` added on the scale where the parameter is unbounded."""
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
    """A mean curve of the response over what describes a run: its inputs.

    Attributes
    ----------
    name, title, equation, citation : str
        The equation is in published units; the citation carries the arXiv id.
    parameters : tuple of Parameter
        What is sampled; the height of a centred curve is `level`, its value at the data's centre.
    mean : callable (x, theta, xp) -> response
        `x[name]` is each of `inputs` on its scale (a logarithm, a logit or the value itself), and
        logarithms are centred on the data.
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
    slopes : tuple of str, optional
        Of a law that is linear in ln N and in ln D: the published constants that are the change
        of the response per tenfold N, per tenfold D, and the first minus the second. The last is
        0 if only compute counts.
    with_repeats : Law, optional
        The same law where tokens are repeated: its published constants are those of this law and
        R_D and R_N, the repetitions and the excess of parameters after which 1/e of their worth
        is left (arXiv 2305.16264).
    centred : bool
        False if its inputs are not centred: it is written in its published units.
    multiplier : str, optional
        The positive parameter that multiplies the whole curve, where one does.
    definition : mapping, optional
        Of a law that a spec writes as an equation: that part of the spec.
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
    slopes: tuple[str, str, str] | None = None
    with_repeats: Law | None = None
    centred: bool = True
    multiplier: str | None = None
    definition: Mapping[str, str] | None = None

    def parameter(self, name: str) -> Parameter:
        """The sampled parameter of this name."""
        return next(p for p in self.parameters if p.name == name)

    @property
    def positive(self) -> bool:
        """True if the curve cannot reach zero, so that its logarithm exists.

        Of a law that is not centred its author says so by the noise's scale.
        """
        return not self.centred or self.parameter("level").support == "positive"

    @property
    def takes_compute(self) -> bool:
        """True if parameters and tokens are among its inputs."""
        return {"params", "tokens"} <= set(self.inputs)

    @property
    def sees_repeats(self) -> bool:
        """True if it tells new tokens from repeated ones."""
        return "unique_tokens" in self.inputs

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the equation's values at fixed points: another equation, another digest.

        Caches need it, because the source of a law from another package is not this one's.
        """
        rng = np.random.default_rng(0)
        x = {name: rng.uniform(-_FAR, _FAR, _POINTS) for name in self.inputs}
        theta = {parameter.name: rng.uniform(0.05, 0.95, _POINTS) for parameter in self.parameters}
        with np.errstate(all="ignore"):
            constants = self.published(theta, dict.fromkeys(x, 2.0))
            values = [np.ravel(value) for value in (self.mean(x, theta, np), *constants.values())]
        return hashlib.sha256(np.concatenate(values).astype(float).tobytes()).hexdigest()
