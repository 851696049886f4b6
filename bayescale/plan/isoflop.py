"""Hoffmann's first two approaches on IsoFLOP runs, each with a posterior (arXiv 2203.15556).

Envelope: the best run of each budget. IsoFLOP: the vertex of a parabola through ln N and the loss
of each budget's runs. Either way ln N* is then a line in ln C. The third approach, the parametric
one, is a fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note, listed
from bayescale.base.seeds import random
from bayescale.model.design import log_inputs
from bayescale.model.spec import Spec
from bayescale.plan.allocation import FLOP_PER_PARAM_TOKEN
from bayescale.plan.regression import regression_draws
from bayescale.runs.table import Runs

_DRAWS = 4000
# Runs belong to one budget if no gap between their neighbours exceeds this, in e-folds of C.
_GAP = 0.05
# Sizes that a parabola needs, and budgets that a line needs, to leave a scatter to estimate.
_SIZES, _BUDGETS = 4, 3


@dataclass(frozen=True, eq=False)
class Approach:
    """Compute-optimal size as a power of the budget, N* = k C^a.

    Attributes
    ----------
    name : {"envelope", "isoflop"}
    a : DataArray
        (chain, draw): exponent of N*; that of D* is 1 - a.
    log_params : DataArray
        (chain, draw): ln N* at `flops`.
    budgets : DataArray
        (budget): FLOP, 6 N D, of the budgets used.
    params : DataArray
        (budget) for the envelope, (chain, draw, budget) for parabolas: N* of each.
    notes : list of Note
        Budgets that were left out, and why.
    """

    name: str
    a: xr.DataArray
    log_params: xr.DataArray
    budgets: xr.DataArray
    params: xr.DataArray
    notes: list[Note]


def power_law(
    flops: np.ndarray, params: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a and of ln N at the geometric mean of C, for N = k C^a.

    Parameters
    ----------
    flops : array (budget)
    params : array (budget) or (draw, budget)
        Several draws of the sizes carry their own uncertainty into the line.
    rng : Generator
    """
    x = np.log(flops) - np.log(flops).mean()
    predictors = np.column_stack([np.ones_like(x), x])
    y = np.log(params)
    if y.ndim == 1:
        draws = regression_draws(predictors, y, rng, _DRAWS)
    else:
        draws = np.concatenate([regression_draws(predictors, row, rng, 1) for row in y])
    return draws[:, 1], draws[:, 0]


def approaches(
    runs: Runs, spec: Spec, flops: float, seed: int
) -> tuple[list[Approach], list[Note]]:
    """Envelope and IsoFLOP parabolas of runs at a few budgets, where there are such runs.

    Parameters
    ----------
    runs : Runs
    spec : Spec
        Says which N and which response.
    flops : float
        Budget in FLOP at which N* is asked for.
    seed : int

    Returns
    -------
    approaches : list of Approach
        Empty where the runs are no IsoFLOP runs.
    notes : list of Note
        Why an approach is missing.
    """
    kept = runs.known_tokens
    if "unique_tokens" in spec.law.inputs:  # these approaches know no repeats
        kept &= runs.table["unique_tokens"] >= runs.table["tokens"]
    stated = Runs(runs.table[kept], runs.name)
    inputs = log_inputs(spec, stated)
    params = inputs["params"].to_numpy()
    compute = np.log(FLOP_PER_PARAM_TOKEN) + params + inputs["tokens"].to_numpy()
    loss = stated.table[spec.columns[0]].to_numpy(float)
    found: list[tuple[float, float, np.ndarray]] = []
    left_out = []
    for rows in _budgets(compute):
        vertices = _vertices(params[rows], loss[rows], random(seed, "isoflop", str(rows[0])))
        mean = float(compute[rows].mean())
        if vertices is None:
            left_out.append(f"{np.exp(mean):.2g} FLOP ({len(rows)} runs)")
        else:
            found.append((mean, float(params[rows][loss[rows].argmin()]), vertices))
    if len(found) < _BUDGETS:
        return [], [
            Note(
                "no-isoflops",
                "info",
                f"{len(found)} budgets hold {_SIZES} sizes around a least loss",
                f"envelope and parabolas need {_BUDGETS}; only the parametric answer is given",
            )
        ]
    notes = []
    if left_out:
        text = f"left out of envelope and parabolas: {listed(left_out)}"
        notes = [Note("budgets-left-out", "info", text, "too few sizes, or no least loss inside")]
    budgets = np.exp([mean for mean, _, _ in found])
    sizes = {
        "envelope": np.exp([size for _, size, _ in found]),
        "isoflop": np.exp(np.column_stack([vertices for _, _, vertices in found])),
    }
    made = []
    for name, value in sizes.items():
        a, middle = power_law(budgets, value, random(seed, name))
        at = middle + a * (np.log(flops) - np.log(budgets).mean())
        dims = ("budget",) if value.ndim == 1 else (*SAMPLE_DIMS, "budget")
        made.append(
            Approach(
                name,
                a=_drawn(a),
                log_params=_drawn(at),
                budgets=xr.DataArray(budgets, dims="budget"),
                params=xr.DataArray(value if value.ndim == 1 else value[None], dims=dims),
                notes=notes,
            )
        )
    return made, notes


def _drawn(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values[None], dims=SAMPLE_DIMS)


def _budgets(compute: np.ndarray) -> list[np.ndarray]:
    """Rows of each cluster of ln C."""
    order = np.argsort(compute, kind="stable")
    breaks = np.flatnonzero(np.diff(compute[order]) > _GAP) + 1
    return [rows for rows in np.split(order, breaks) if len(rows) >= _SIZES]


def _vertices(params: np.ndarray, loss: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Draws of the vertex, ln N, of a parabola; None where the runs do not enclose one."""
    best = params[loss.argmin()]
    if not params.min() < best < params.max() or len(np.unique(params)) < _SIZES:
        return None
    middle = params.mean()
    x = params - middle
    predictors = np.column_stack([np.ones_like(x), x, x**2])
    draws = regression_draws(predictors, loss, rng, _DRAWS)
    # The posterior given that there is a least loss, and inside the sizes that were run.
    vertex = -draws[:, 1] / (2 * draws[:, 2])
    inside = (draws[:, 2] > 0) & (vertex > x.min()) & (vertex < x.max())
    if inside.mean() < 0.5:
        return None
    return middle + rng.choice(vertex[inside], _DRAWS)
