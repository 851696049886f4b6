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
from bayescale.base.notes import Note
from bayescale.base.numbers import percent
from bayescale.fit.fit import Fit
from bayescale.fit.stack import Stack
from bayescale.plan.allocation import no_optimum, optimum
from bayescale.plan.answer import Answer, rows, shared
from bayescale.plan.curve import Curve, positive
from bayescale.plan.mixture import as_curve
from bayescale.plan.solve import Arguments, exp, root

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
        why = "; any size costs the same" if whole.compute_only else ""
        raise BayescaleError(
            f"size={float(k_n.min()):g}: under {whole.law.name} there is no compute-optimal size, "
            f"so no overhead over it{why}"
        )
    best = optimum(curve, flops)
    assert best.params is not None
    assert best.tokens is not None
    at_optimum = {
        **curve.theta,
        "params": np.log(best.params),
        "tokens": np.log(best.tokens),
        "target": curve.as_loss(best.loss),
    }

    def missing(size: Any, more: Any, g: Arguments) -> Any:
        return (
            curve.loss({"params": g["params"] + size, "tokens": g["tokens"] + more}, g)
            - g["target"]
        )

    more = root(
        lambda t, g: missing(g["size"], t, g),
        -_ENDLESS,
        _ENDLESS,
        {**at_optimum, "size": np.log(k_n)},
    )
    k_d = exp(more).fillna(np.inf)
    # At the critical size twice the compute buys D = 2 D*/k_N.
    critical = root(lambda t, g: missing(t, np.log(2) - t, g), -_ENDLESS, -1e-9, at_optimum)
    smallest = root(lambda t, g: missing(t, _ENDLESS, g), -_ENDLESS, -1e-9, at_optimum)
    return Overhead(k_n, k_d, k_n * k_d - 1, exp(critical), exp(smallest))


def answer(curve: Curve, size: float, prob: float) -> Answer:
    """What a model of `size` times the compute-optimal parameters costs, and its limits.

    Content: `overhead`, `tokens_factor`, `critical_size` and `smallest_size`, numbers or objects
    of mean and interval, and `feasible`, the probability that some amount of data suffices.
    """
    costs = overhead(curve, size)
    feasible = float(np.isfinite(costs.overhead).mean())
    quantities = [
        *shared(**curve.origin),
        ("size", "size: parameters over the compute-optimal ones", size),
        ("overhead", f"extra compute for the same {curve.response}, as a share", costs.overhead),
        ("tokens_factor", "training tokens over the compute-optimal ones", costs.tokens_factor),
        ("critical_size", "size at which the compute doubles", costs.critical_size),
        ("smallest_size", "size below which no amount of data suffices", costs.smallest_size),
        ("feasible", "probability that some amount of data suffices", feasible),
        *(shared(prob=prob) if curve.uncertain else []),
    ]
    notes = [*curve.notes, *no_optimum(curve)]
    if feasible < 1:
        notes.append(
            Note(
                "infeasible-size",
                "warning",
                f"with probability {percent(1 - feasible)} no amount of data makes up for "
                f"{size:g} of the optimal size",
                "ask for a larger size",
            )
        )
    return Answer.of(rows(prob, quantities), notes)
