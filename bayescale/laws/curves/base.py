"""What a law of curves is: parameters on the real line, each with its prior, and one equation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Coordinate:
    """A parameter of a law of curves as it is inferred: real, with a Normal prior.

    Attributes
    ----------
    name, meaning : str
    mean, sd : float
        Of the prior, before any family of curves has been seen.
    """

    name: str
    meaning: str
    mean: float
    sd: float


@dataclass(frozen=True)
class CurveLaw:
    """The loss of one run along its training.

    Attributes
    ----------
    name, title, equation, citation : str
        The equation is in published units; the citation carries the arXiv id.
    coordinates : tuple of Coordinate
        The first is `level`: ln loss at the last point seen, at the peak learning rate.
    mean : callable (x, theta, xp) -> ln loss
        `x["position"]` is ln of the position, or of the summed learning rate, over that of the
        last point seen. Of a law that `takes_rate`, `x["fall"]`, `x["wait"]` and `x["rate"]` hold,
        along a last dim, each change of the learning rate: its size as a share of the peak and as
        far as it has happened, the summed rate since then as a share of that of the last point
        seen, and ln of the rate reached as a share of the peak; `x["seen"]` is ln of how much of
        the schedule's summed rate had come by the last point seen. `theta` is by coordinate.
    takes_rate : bool
        Whether it needs a schedule.
    discrepancy : tuple of float
        Of the prior of the model discrepancy: its size as a share of the curve's mean slope in
        ln loss per e-fold of the position, and its length in e-folds.
    wander : tuple of float
        Of the prior of a run's wandering about the law: median of its standard deviation in ln
        loss, and the spread of its logarithm.
    modular : bool
        Whether parameters are inferred without the discrepancy, which joins in forecasts alone: a
        process over the learning rate too could stand in for the law where three schedules are
        seen (modularisation, Liu, Bayarri and Berger 2009).
    varies : tuple of str
        Coordinates that differ a little between runs that share the others.
    """

    name: str
    title: str
    equation: str
    citation: str
    coordinates: tuple[Coordinate, ...]
    mean: Callable[[Mapping[str, Any], Mapping[str, Any], Any], Any]
    takes_rate: bool
    discrepancy: tuple[float, float]
    wander: tuple[float, float] = (0.005, 1.0)
    modular: bool = False
    varies: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates, in their order."""
        return tuple(coordinate.name for coordinate in self.coordinates)


LEVEL = Coordinate("level", "ln loss at the last point seen, at the peak rate", 0.0, 1.0)


def share(logit: Any, xp: Any) -> Any:
    """A share from its logit."""
    return 1 / (1 + xp.exp(-logit))


def annealed(x: Mapping[str, Any], done: Any) -> Any:
    """How far the rate is below its peak, each change weighted by how much of it has come to bear.

    Parameters
    ----------
    x : mapping
        As `CurveLaw.mean` takes it.
    done : array (..., point, change)
        Between 0, just after a change, and 1.

    Returns
    -------
    array (..., point)
        From -1, when the warm-up was just now, to 1.
    """
    return np.einsum("...k,...k->...", x["fall"], done)
