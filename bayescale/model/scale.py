"""The scale that a spec puts its observation noise on: the response, or its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayescale.laws.base import Values
from bayescale.model.spec import Spec


def noise_scale(spec: Spec, values: Values) -> Any:
    """Scale of the observation noise: `sigma`, and the spec's floor added in squares."""
    return (values["sigma"] ** 2 + spec.noise.floor**2) ** 0.5


def discrepancy_unit(spec: Spec, values: Values) -> Any:
    """What a model discrepancy of 1 adds: it is a share of the response at the data's centre.

    Of a law without such a level, on the response itself, it is in the response's unit.
    """
    return values["level"] if spec.noise.on == "response" and spec.law.centred else 1.0


def add(spec: Spec, response: xr.DataArray, amount: xr.DataArray) -> xr.DataArray:
    """A response moved by an amount on the noise's scale."""
    return response * xr.DataArray(np.exp(amount)) if spec.noise.on == "log" else response + amount


def difference(spec: Spec, response: Any, other: Any) -> Any:
    """One response minus another, on the noise's scale."""
    return np.log(response) - np.log(other) if spec.noise.on == "log" else response - other


def log_jacobian(spec: Spec, response: xr.DataArray) -> xr.DataArray:
    """What turns a log density on the noise's scale into one of the response itself.

    With it, densities of specs that put their noise on different scales can be compared.
    """
    if spec.noise.on == "log":
        return xr.DataArray(-np.log(response))
    return xr.zeros_like(response)
