"""Compute overhead: what a model smaller than the compute-optimal one costs for the same loss.

De Vries 2023, "Go smol or go home". With k_N times the optimal parameters, k_D times the optimal
tokens give the same loss; the overhead is k_N k_D - 1. Under Chinchilla's law it does not depend
on the budget: k_D = (1 - (k_N^-alpha - 1) beta/alpha)^(-1/beta).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.plan.allocation import optimum
from bayescale.plan.curve import Curve, positive
from bayescale.plan.mixture import as_curve
from bayescale.plan.solve import Given, exp, root

# A budget to measure at where none is asked for.
_FLOPS = 1e23
# "Any amount of data": this many e-folds above the optimum.
_ENDLESS = 200.0


@dataclass(frozen=True, eq=False)
class Overhead:
    """What another size than the best costs, with the dims of the curve's draws.

    Attributes
    ----------
    size : DataArray
        k_N: parameters over the compute-optimal ones.
    tokens_factor : DataArray
        k_D: tokens over the compute-optimal ones for the same loss; infinite where none suffice.
    overhead : DataArray
        k_N k_D - 1, as a share of the optimal compute; infinite where no tokens suffice.
    critical_size : DataArray
        The size below which the overhead exceeds 100 %.
    smallest_size : DataArray
        The size below which no amount of data makes up for the missing parameters.
    """

    size: xr.DataArray
    tokens_factor: xr.DataArray
    overhead: xr.DataArray
    critical_size: xr.DataArray
    smallest_size: xr.DataArray


def overhead(
    source: Curve | Fit | Stack, size: float | xr.DataArray, *, flops: float = _FLOPS
) -> Overhead:
    """Compute overhead of a model of `size` times the compute-optimal parameters.

    Parameters
    ----------
    source : Curve, Fit or Stack
        Of a stack, the draws whose law has a best split.
    size : float or DataArray
        k_N, above 0.
    flops : float
        Budget of the optimum, in FLOP; under Chinchilla's and Kaplan's law any gives the same.

    Raises
    ------
    BayescaleError
        If a number is not positive, or the law has no compute-optimal size.
    """
    k_n = xr.DataArray(size)
    positive(size=float(k_n.min()))
    positive(size=float(k_n.max()))
    whole = as_curve(source)
    curve = whole.with_optimum()
    if curve is None:
        why = "; any size costs the same" if whole.law.compute_only else ""
        raise BayescaleError(
            f"size={float(k_n.min()):g}: under {whole.law.name} there is no compute-optimal size, "
            f"so no overhead over it{why}"
        )
    best = optimum(curve, flops)
    assert best.params is not None
    assert best.tokens is not None
    given = {
        **curve.theta,
        "params": np.log(best.params),
        "tokens": np.log(best.tokens),
        "target": best.loss,
    }

    def missing(size: Any, more: Any, g: Given) -> Any:
        return (
            curve.loss({"params": g["params"] + size, "tokens": g["tokens"] + more}, g)
            - g["target"]
        )

    more = root(
        lambda t, g: missing(g["size"], t, g), -_ENDLESS, _ENDLESS, {**given, "size": np.log(k_n)}
    )
    k_d = exp(more).fillna(np.inf)
    # At the critical size twice the compute buys D = 2 D*/k_N.
    critical = root(lambda t, g: missing(t, np.log(2) - t, g), -_ENDLESS, -1e-9, given)
    smallest = root(lambda t, g: missing(t, _ENDLESS, g), -_ENDLESS, -1e-9, given)
    return Overhead(k_n, k_d, k_n * k_d - 1, exp(critical), exp(smallest))
