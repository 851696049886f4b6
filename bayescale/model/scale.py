"""The scale that a spec puts its noise on: the response, its logarithm or its logit.

Observation noise and model discrepancy add there. One class a scale; a spec's is `scale_of(spec)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.laws.base import Values
from bayescale.model.odds import bounds_of, of_law
from bayescale.model.spec import Spec

# Share of the way from floor to ceiling by which a curve is kept from either: beyond them, where
# a law may lie far from the data, there is no logit.
EDGE = 1e-6


class Scale(ABC):
    """A scale, and the ways to it and back.

    Responses and amounts are numbers, arrays or DataArrays.

    Attributes
    ----------
    low, high : float
        Between them, ends excluded, responses have a value on the scale.
    """

    low, high = float("-inf"), float("inf")

    @abstractmethod
    def forward(self, response: Any, xp: Any) -> Any:
        """The value of a response on the scale; `xp` supplies the functions."""

    @abstractmethod
    def back(self, value: Any) -> Any:
        """The response of a value on the scale."""

    @abstractmethod
    def add(self, response: Any, amount: Any) -> Any:
        """A response moved by an amount on the scale."""

    @abstractmethod
    def slope(self, response: Any) -> Any:
        """Change of the response for a small one on the scale, over the latter."""

    def unit(self, level: Any) -> Any:
        """What a model discrepancy of 1 adds, where the curve's level is this."""
        return 1.0

    def difference(self, response: Any, other: Any) -> Any:
        """One response minus another, on the scale."""
        return self.forward(response, np) - self.forward(other, np)

    def log_jacobian(self, response: xr.DataArray) -> xr.DataArray:
        """What turns a log density on the scale into one of the response itself.

        With it, densities of specs that put their noise on different scales can be compared.
        """
        return xr.DataArray(-np.log(self.slope(response)))


class Response(Scale):
    """The response itself; a discrepancy is a share of it at the data's centre."""

    def forward(self, response: Any, xp: Any) -> Any:
        return response

    def back(self, value: Any) -> Any:
        return value

    def add(self, response: Any, amount: Any) -> Any:
        return response + amount

    def slope(self, response: Any) -> Any:
        return xr.ones_like(response)

    def unit(self, level: Any) -> Any:
        return level


class Log(Scale):
    """The logarithm: noise and discrepancy are shares of the response."""

    low = 0.0

    def forward(self, response: Any, xp: Any) -> Any:
        return xp.log(response)

    def back(self, value: Any) -> Any:
        return np.exp(value)

    def add(self, response: Any, amount: Any) -> Any:
        with np.errstate(over="ignore"):
            return response * np.exp(amount)

    def slope(self, response: Any) -> Any:
        return response


@dataclass(frozen=True)
class Logit(Scale):
    """The logit of the way from a floor to a ceiling: noise and discrepancy are shares of the odds.

    Attributes
    ----------
    low, high : float
        Floor and ceiling.
    """

    low: float
    high: float

    def forward(self, response: Any, xp: Any) -> Any:
        share = xp.minimum(xp.maximum(self._share(response), EDGE), 1 - EDGE)
        return xp.log(share) - xp.log1p(-share)

    def back(self, value: Any) -> Any:
        share = xr.apply_ufunc(scipy.special.expit, value)
        return self.low + (self.high - self.low) * share

    def add(self, response: Any, amount: Any) -> Any:
        return self.back(self.forward(response, np) + amount)

    def slope(self, response: Any) -> Any:
        share = self._share(response)
        return (self.high - self.low) * share * (1 - share)

    def _share(self, response: Any) -> Any:
        return (response - self.low) / (self.high - self.low)


def scale_of(spec: Spec) -> Scale:
    """The scale of a spec's noise."""
    match spec.noise.on:
        case "response":
            return Response()
        case "log":
            return Log()
        case "logit":
            return Logit(*bounds_of(spec))


def noise_scale(spec: Spec, values: Values) -> Any:
    """Scale of the observation noise: `sigma`, and the spec's floor added in squares."""
    return (values["sigma"] ** 2 + spec.noise.floor**2) ** 0.5


def discrepancy_unit(spec: Spec, values: Values) -> Any:
    """What a model discrepancy of 1 adds on the noise's scale.

    On the response itself, of a law without a level, it is in the response's unit.
    """
    if not spec.law.centred:
        return 1.0
    return scale_of(spec).unit(of_law(spec, values["level"]))
