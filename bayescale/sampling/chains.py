"""Chains: nutpie's NUTS over a density, until their draws are enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescale.base.lazy import imported_lazily
from bayescale.sampling import compiled
from bayescale.sampling.density import Density

with imported_lazily("arviz"):  # nutpie converts its trace with it, which is not asked for here
    import nutpie
    from nutpie.compile_pymc import CompiledPyMCModel

# Draws of each chain before they are judged for the first time.
_FIRST = 200
# Between two judgements a chain draws at least so many, and always a multiple.
_STEP = 50
# Seconds between two looks at how far the chains are.
_LOOK = 0.02


# Densities of samplers that were broken off: a chain may still run, and reads their arrays.
_LEFT_RUNNING: list[Density] = []


@dataclass(frozen=True)
class Plan:
    """How the chains run.

    Attributes
    ----------
    chains, tune, draws : int
        `draws` of each chain at most.
    seed : int
    enough : callable, optional
        From the draws (chain, draw, vector) so far, how many of each chain would be enough; None
        takes all. It is asked at numbers of draws that depend on its answers alone, so the same
        seed gives the same draws however fast the chains run.
    options : mapping
        Further settings of nutpie.
    """

    chains: int
    tune: int
    draws: int
    seed: int
    enough: Callable[[np.ndarray], float] | None
    options: Mapping[str, Any]


def run(
    density: Density, plan: Plan, on_progress: Callable[[list[Any]], None] | None = None
) -> tuple[np.ndarray, xr.Dataset]:
    """Draws and their statistics.

    Returns
    -------
    draws : ndarray (chain, draw, vector)
    stats : Dataset
        (chain, draw): what nutpie tells of each draw, such as `diverging` and `energy`.

    Raises
    ------
    RuntimeError
        If no starting point has a finite density.
    """
    until = _FIRST if plan.enough is not None else plan.draws
    wanted, reached = [min(until, plan.draws)], threading.Event()

    def look(chains: list[Any]) -> None:
        if on_progress is not None:
            on_progress(chains)
        if min(chain.finished_draws for chain in chains) >= plan.tune + wanted[0]:
            reached.set()

    running = nutpie.sample(
        _model(density),
        draws=plan.draws,
        tune=plan.tune,
        chains=plan.chains,
        cores=plan.chains,  # all at once, on as many cores as there are: they are judged together
        seed=plan.seed,
        save_warmup=False,
        progress_bar=False,
        progress_callback=look,
        progress_rate=int(1000 * _LOOK),
        return_raw_trace=True,
        blocking=False,
        **plan.options,
    )
    settled = False
    try:
        # BLAS threads would get in the chains' way, and sum in another order.
        with threadpool_limits(1):
            while (trace := _finished(running)) is None:
                if plan.enough is None or not reached.is_set():
                    continue
                needed = _needed(_read(running.inspect())[0], wanted[0], plan)
                if needed <= wanted[0]:
                    trace, settled = running.abort(), True
                    break
                wanted[0] = needed
                reached.clear()
    except BaseException:
        _LEFT_RUNNING.append(density)
        running.cancel()
        raise
    draws, stats = _read(trace)
    # Chains that ended before they were looked at count no more draws than others would.
    while not settled and (needed := _needed(draws, wanted[0], plan)) > wanted[0]:
        wanted[0] = needed
    return draws[:, : wanted[0]], stats.isel(draw=slice(wanted[0]))


def _finished(running: Any) -> Any:
    """The trace, if all chains have ended within a moment."""
    try:
        return running.wait(timeout=_LOOK)
    except TimeoutError:
        return None


def _needed(draws: np.ndarray, judged: int, plan: Plan) -> int:
    """How many draws of each chain are enough, judged by so many; those where they are."""
    if judged >= plan.draws or plan.enough is None:
        return judged
    needed = plan.enough(draws[:, :judged])
    return min(plan.draws, max(judged, int(-(-needed // _STEP) * _STEP)))


def _model(density: Density) -> CompiledPyMCModel:
    """What nutpie takes: one variable, the vector as it is."""
    dims: dict[str, tuple[str, ...]] = {}
    return CompiledPyMCModel(
        dims=dims,
        reparameterized_names=[],
        compiled_logp_func=density.native,
        compiled_expand_func=compiled.copy(),
        initial_point_func=density.start,
        shared_data={"density": density},  # kept alive
        shared_var_keys={},
        user_data=density.table,
        n_expanded=density.count,
        shape_info=(["x"], [slice(0, density.count)], [(density.count,)]),
        logp_func=None,
        expand_func=None,
        _n_dim=density.count,
        _shapes={"x": (density.count,)},
        _coords={},
    )


def _read(trace: Any) -> tuple[np.ndarray, xr.Dataset]:
    """The draws after tuning that all chains have made, and their statistics."""
    batches, stats = trace.get_arrow_trace()
    kept, found = [], []
    for batch, stat in zip(batches, stats, strict=True):
        columns = {name: pyarrow.array(stat.column(name)) for name in stat.column_names}
        rows = np.flatnonzero(~columns.pop("tuning").to_numpy(False))
        flat = pyarrow.array(batch.column("x")).flatten().to_numpy(False)
        kept.append(flat.reshape(batch.num_rows, -1)[rows])
        found.append(
            {
                name: column.to_numpy(False)[rows]
                for name, column in columns.items()
                if _is_number(column.type) and not column.null_count
            }
        )
    least = min(map(len, kept))
    kept = [draws[:least] for draws in kept]
    found = [{name: values[:least] for name, values in each.items()} for each in found]
    names = [n for n in found[0] if n not in ("chain", "draw") and all(n in f for f in found)]
    return np.stack(kept), xr.Dataset(
        {name: (("chain", "draw"), np.stack([each[name] for each in found])) for name in names},
        coords={"chain": range(len(kept)), "draw": range(kept[0].shape[0])},
    )


def _is_number(kind: Any) -> bool:
    types = pyarrow.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))
