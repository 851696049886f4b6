"""Sampler of benchmark scores: a form's density, compiled once and sampled as often as needed."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import xarray as xr

from bayescale.base.progress import SamplingProgress
from bayescale.base.settings import Settings
from bayescale.model.benchmarks.design import Design, as_x
from bayescale.model.benchmarks.formulas import standardised
from bayescale.model.benchmarks.graph import arrays, program
from bayescale.sampling import chains, compiled
from bayescale.sampling.convergence import draws_needed, effective, judge
from bayescale.sampling.retry import Sampled, until_converged
from bayescale.sampling.rotation import rotated

_ATTEMPTS = 2
# Draws of each chain that are standardised at once: all would take a gigabyte.
_AT_ONCE = 100
# How far below the usual the standard deviations between families are where chains start.
_ALIKE = 4.0


class ScoreDensity:
    """Log density of a design, as nutpie's chains take it; see `sampling.density.Density`.

    Parameters
    ----------
    design : Design
    """

    def __init__(self, design: Design) -> None:
        self._design = design
        self._program = program(design)
        known = arrays(design)
        sizes = {str(dim): size for dim, size in design.data.sizes.items()}
        self._floats, self._indices = self._program.arrays(known, sizes)
        self.native, _ = compiled.functions(self._program)
        self._shapes = {
            name: tuple(sizes[dim] for dim in dims) for name, dims in self._program.params.items()
        }
        stops = np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])
        starts = [0, *stops[:-1]]
        self._places = dict(zip(self._shapes, map(slice, starts, stops), strict=True))
        self.count = int(stops[-1])
        places = (self._floats, self._indices)
        found = [part for each in places for part in (each.ctypes.data, len(each))]
        lengths = [sizes[dim] for dim in self._program.sizes]
        self.table = np.array([*found, 0, 0, *lengths], np.int64)

    def start(self, seed: int) -> np.ndarray:
        """Where a chain of this seed starts."""
        x = np.random.default_rng(seed).uniform(-1, 1, self.count)
        # Where families hardly differ, so that sizes and losses explain what they can: started
        # among large differences, the weights of losses stay where those explain them.
        if "bias_sd_z" in self._places:
            x[self._places["bias_sd_z"]] -= _ALIKE
        return x

    def values(self, draws: np.ndarray) -> dict[str, xr.DataArray]:
        """Draws of the blocks as they are sampled, (chain, draw, ...)."""
        found = {}
        for name, shape in self._shapes.items():
            values = draws[..., self._places[name]].reshape(*draws.shape[:2], *shape)
            found[name] = xr.DataArray(values, dims=("chain", "draw", *self._program.params[name]))
        return found

    def posterior(self, draws: np.ndarray) -> xr.Dataset:
        """Draws of the blocks as standard normal values, (chain, draw, ...)."""
        dims = {dim for along in self._program.params.values() for dim in along}
        labels = {dim: self._design.coords[dim] for dim in dims if dim in self._design.coords}
        starts = range(0, draws.shape[1], _AT_ONCE)
        parts = [self._standardised(draws[:, start : start + _AT_ONCE]) for start in starts]
        return xr.concat(parts, "draw").assign_coords(labels)

    def _standardised(self, draws: np.ndarray) -> xr.Dataset:
        free = self.values(draws)
        z, _ = standardised(free, as_x(self._design.data), np)
        return xr.Dataset({name: value.transpose(*free[name].dims) for name, value in z.items()})


def sample_scores(design: Design, settings: Settings, *, show_progress: bool = False) -> Sampled:
    """Draws of a design's blocks, until they converge; see `bayescale.sampling.retry`."""
    with SamplingProgress(settings, enabled=show_progress) as progress:
        density = rotated(ScoreDensity(design), settings.seed)

        def sample(current: Settings) -> tuple[xr.Dataset, xr.Dataset]:
            def enough(draws: np.ndarray) -> float:
                if current.ess is None:
                    return current.draws
                found, agree = effective(density.posterior(draws))
                progress.found(found, agree=agree)
                return draws_needed(draws.shape[1], found, agree=agree, ess=current.ess)

            plan = chains.Plan(
                chains=current.chains,
                tune=current.tune,
                draws=current.draws,
                seed=current.seed,
                enough=enough,
                options={"adaptation": "diag", "target_accept": current.target_accept or 0.97},
            )
            draws, stats = chains.run(cast("Any", density), plan, progress.update)
            return density.posterior(draws), stats

        return until_converged(sample, judge, settings, _ATTEMPTS)
