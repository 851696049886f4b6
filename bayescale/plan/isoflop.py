"""Hoffmann's first two approaches on IsoFLOP runs, each with a posterior (arXiv 2203.15556).

Envelope: the best run of each budget. IsoFLOP: the vertex of a parabola through ln N and the loss
of each budget's runs. Either way ln N* is then a line in ln C. The third approach, the parametric
one, is a fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note, listed
from bayescale.base.seeds import random
from bayescale.model.design import inputs_of
from bayescale.model.spec import Spec
from bayescale.plan.compute import FLOP_PER_PARAM_TOKEN
from bayescale.plan.regression import (
    least_squares,
    measured_regression_draws,
    regression_draws,
)
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

_DRAWS = 4000
# Runs belong to one budget if no gap between their neighbours exceeds this, in e-folds of C.
_GAP = 0.05
# Sizes that a parabola needs, and budgets that a line needs, to leave residuals.
_SIZES, _BUDGETS = 4, 3
# Runs without noise have vertices without error; no vertex is known better, in e-folds of N.
_LEAST_ERROR = 1e-6


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
        (budget): N* of each, in parameters.
    a_grid, log_params_grid : float
        The most by which the grid of sizes alone can shift `a` and `log_params`. The envelope
        takes the best of the sizes that were run, and its intervals do not fully hold this bias;
        0 for parabolas, which interpolate.
    notes : list of Note
        Budgets that were left out, and why; the bias by the grid.
    """

    name: str
    a: xr.DataArray
    log_params: xr.DataArray
    budgets: xr.DataArray
    params: xr.DataArray
    a_grid: float
    log_params_grid: float
    notes: list[Note]


@dataclass(frozen=True)
class _Budget:
    """Runs of one budget, all in e-folds: ln C, ln N* by either way, and how well it is known."""

    flops: float
    best: float
    half_step: float  # from the best size halfway to its farther neighbour
    vertex: float
    vertex_error: float

    @classmethod
    def of(cls, flops: float, params: np.ndarray, loss: np.ndarray) -> Self | None:
        """From ln N and the loss of runs; None where they do not enclose a least loss."""
        sizes = np.unique(params)
        best = params[loss.argmin()]
        if len(sizes) < _SIZES or best in (sizes[0], sizes[-1]):
            return None
        middle = params.mean()
        x = params - middle
        parabola = least_squares(np.column_stack([np.ones_like(x), x, x**2]), loss)
        _, linear, quadratic = parabola.coefficients
        vertex = -linear / (2 * quadratic)
        if not (quadratic > 0 and x.min() < vertex < x.max()):
            return None
        gradient = np.array([0.0, -1.0, -2 * vertex]) / (2 * quadratic)
        variance = parabola.variance * gradient @ parabola.covariance @ gradient
        at = np.searchsorted(sizes, best)
        return cls(
            flops=flops,
            best=float(best),
            half_step=float(np.diff(sizes)[at - 1 : at + 1].max() / 2),
            vertex=float(middle + vertex),
            vertex_error=max(float(np.sqrt(variance)), _LEAST_ERROR),
        )


def power_law(
    flops: np.ndarray,
    params: np.ndarray,
    rng: np.random.Generator,
    errors: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a and of ln N at the geometric mean of C, for N = k C^a.

    Parameters
    ----------
    flops, params : array (budget)
    rng : Generator
    errors : array (budget), optional
        Standard errors of ln N, where the sizes are estimates.
    """
    x = np.log(flops) - np.log(flops).mean()
    predictors = np.column_stack([np.ones_like(x), x])
    if errors is None:
        draws = regression_draws(predictors, np.log(params), rng, _DRAWS)
    else:
        draws = measured_regression_draws(predictors, np.log(params), errors, rng, _DRAWS)
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
        Why an approach is missing, and what holds for those that are there.
    """
    kept = runs.known_tokens
    if spec.law.sees_repeats:  # these approaches know no repeats
        kept &= runs.table["unique_tokens"] >= runs.table["tokens"]
    stated = Runs(runs.table[kept], runs.name)
    inputs = inputs_of(spec, stated)
    params = inputs["params"].to_numpy()
    compute = np.log(FLOP_PER_PARAM_TOKEN) + params + inputs["tokens"].to_numpy()
    loss = COLUMNS[spec.response].as_loss(stated.table[spec.columns[0]].to_numpy(float))
    used: list[_Budget] = []
    left_out = []
    for rows in _clusters(compute):
        middle = float(compute[rows].mean())
        budget = _Budget.of(middle, params[rows], loss[rows])
        if budget is None:
            left_out.append(f"{np.exp(middle):.2g} FLOP ({len(rows)} runs)")
        else:
            used.append(budget)
    if len(used) < _BUDGETS:
        return [], [
            Note(
                "no-isoflops",
                "info",
                f"{len(used)} budgets hold {_SIZES} sizes around the best {spec.response}",
                f"envelope and parabolas need {_BUDGETS}; only the parametric answer is given",
            )
        ]
    notes = []
    if left_out:
        text = f"left out of envelope and parabolas: {listed(left_out)}"
        notes = [Note("budgets-left-out", "info", text, "too few sizes, or the best at an end")]
    log_flops = np.array([budget.flops for budget in used])
    distance = np.log(flops) - log_flops.mean()
    half_steps = np.array([budget.half_step for budget in used])
    a_grid, log_params_grid = _shift_by_grid(log_flops, half_steps, distance)
    notes.append(_grid_note(half_steps, a_grid, log_params_grid))
    best = np.exp([budget.best for budget in used])
    vertices = np.exp([budget.vertex for budget in used])
    errors = np.array([budget.vertex_error for budget in used])
    budgets = np.exp(log_flops)

    def approach(
        name: str, sizes: np.ndarray, errors: np.ndarray | None, grid: tuple[float, float]
    ) -> Approach:
        a, middle = power_law(budgets, sizes, random(seed, name), errors)
        return Approach(
            name,
            a=xr.DataArray(a[None], dims=SAMPLE_DIMS),
            log_params=xr.DataArray((middle + a * distance)[None], dims=SAMPLE_DIMS),
            budgets=xr.DataArray(budgets, dims="budget"),
            params=xr.DataArray(sizes, dims="budget"),
            a_grid=grid[0],
            log_params_grid=grid[1],
            notes=notes,
        )

    envelope = approach("envelope", best, None, (a_grid, log_params_grid))
    return [envelope, approach("isoflop", vertices, errors, (0.0, 0.0))], notes


def _clusters(compute: np.ndarray) -> list[np.ndarray]:
    """Rows of each cluster of ln C."""
    order = np.argsort(compute, kind="stable")
    breaks = np.flatnonzero(np.diff(compute[order]) > _GAP) + 1
    return [rows for rows in np.split(order, breaks) if len(rows) >= _SIZES]


def _shift_by_grid(
    log_flops: np.ndarray, half_steps: np.ndarray, distance: float
) -> tuple[float, float]:
    """How far a and ln N* can shift if each best size is off by half a step of its grid.

    Parameters
    ----------
    log_flops, half_steps : array (budget)
        ln C, and half the step in ln N.
    distance : float
        ln of the budget that is asked for, minus the mean of `log_flops`.
    """
    x = log_flops - log_flops.mean()
    slope = x / (x @ x)
    line = 1 / len(x) + slope * distance
    return float(np.abs(slope) @ half_steps), float(np.abs(line) @ half_steps)


def _grid_note(half_steps: np.ndarray, a_grid: float, log_params_grid: float) -> Note:
    step = np.exp(np.median(half_steps))
    return Note(
        "envelope-grid",
        "info",
        "the envelope takes the best of the sizes that were run, which is known within a factor "
        f"of {step:.2f}: this alone can shift its a by {a_grid:.2f} and its N* by a factor of "
        f"{np.exp(log_params_grid):.2f}, which its intervals do not fully hold",
        "use the isoflop row, whose parabolas interpolate, or run sizes closer together",
    )
