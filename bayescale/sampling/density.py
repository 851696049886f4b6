"""Density: a spec's compiled log density with the arrays of some runs, ready to be sampled."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import xarray as xr

from bayescale.model.density import formulas
from bayescale.model.density.nodes import Dims, ordered
from bayescale.model.density.program import Program
from bayescale.model.design import collapsed
from bayescale.model.linearised import tangent
from bayescale.model.priors import quantile
from bayescale.model.spec import Spec
from bayescale.sampling import compiled

_PLACE, _COUNT = ctypes.c_void_p, ctypes.c_uint64
_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, _COUNT, _PLACE, _PLACE, _PLACE, _PLACE)


class Density:
    """Log density and gradient over a vector without bounds, and what a draw of it stands for.

    Parameters
    ----------
    spec : Spec
    program : Program
        Of the spec.
    data : Dataset
        The arrays of a design, as `arrays` returns them.

    Attributes
    ----------
    count : int
        Length of the vector.
    table : ndarray
        What the compiled function is handed: addresses and lengths of the arrays. They live as long
        as this object.
    """

    def __init__(self, spec: Spec, program: Program, data: xr.Dataset) -> None:
        self.spec, self.program = spec, program
        self._sizes = {str(dim): size for dim, size in data.sizes.items()}
        self._labels = {str(dim): index.to_numpy() for dim, index in data.indexes.items()}
        known = {str(n): v.transpose(*ordered(map(str, v.dims))).values for n, v in data.items()}
        floats, indices = program.arrays(known, self._sizes)
        self._arrays = floats, indices
        self._group_runs = {name.removesuffix("_runs"): v for name, v in known.items()}
        self.native, self._kernels = compiled.functions(program)
        self.count = sum(map(self._length, program.params.values()))
        self.table = np.array(
            [
                *(floats.ctypes.data, len(floats), indices.ctypes.data, len(indices), 0, 0),
                *(kernel.address for kernel in self._kernels),
                *(self._sizes[dim] for dim in program.sizes),
            ],
            np.int64,
        )

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density and gradient at a vector; not a number where there is none."""
        value, gradient = np.empty(1), np.empty_like(x)
        self._function(len(x), *(a.ctypes.data for a in (x, gradient, value, self.table)))
        return float(value[0]), gradient

    def start(self, seed: int) -> np.ndarray:
        """Where a chain of this seed starts: within 1 of the centre of the prior, each value."""
        return self._centre + np.random.default_rng(seed).uniform(-1, 1, self.count)

    def posterior(self, draws: np.ndarray) -> xr.Dataset:
        """What draws of the vector stand for.

        Parameters
        ----------
        draws : ndarray (chain, draw, vector)

        Returns
        -------
        Dataset
            (chain, draw, ...): parameters of the law, the noise and the discrepancy, standard
            deviations between groups and the groups' effects, weights of the discrepancy, and
            standardised latent counts as `tokens_z`.
        """
        blocks = self._named(draws, self.program.params)
        priors = self.spec.all_priors()
        found = {
            name: value.copy(data=formulas.constrained(priors[name].support, value.values, np))
            for name, value in blocks.items()
            if name in priors
        }
        for effect in self.spec.effect_list():
            sd, z = found[effect.sd_name], blocks[f"{effect.name}_z"]
            runs = xr.DataArray(self._group_runs[effect.group], dims=effect.group)
            found[effect.name] = (z * sd ** (1 - formulas.centring(runs))).transpose(*z.dims)
        if "tokens_z" in blocks:
            found["tokens_z"] = blocks["tokens_z"]
        return xr.Dataset(found | self._extras(draws))

    @cached_property
    def _function(self) -> Callable[..., int]:
        return _SIGNATURE(self.native.address)

    @cached_property
    def _centre(self) -> np.ndarray:
        priors, parts = self.spec.all_priors(), []
        for name, dims in self.program.params.items():
            middle = 0.0
            if name in priors:
                prior = priors[name]
                middle = float(formulas.unconstrained(prior.support, quantile(prior, [0.5]))[0])
            parts.append(np.full(self._length(dims), middle))
        return np.concatenate(parts)

    def _length(self, dims: Dims) -> int:
        return int(np.prod([self._sizes[dim] for dim in dims]))

    def _named(self, draws: np.ndarray, names: Mapping[str, Dims]) -> dict[str, xr.DataArray]:
        """Parts of the vector, or of what else a draw holds, by name."""
        found, start = {}, 0
        for name, dims in names.items():
            stop = start + self._length(dims)
            shape = (*draws.shape[:2], *(self._sizes[dim] for dim in dims))
            coords = {dim: self._labels[dim] for dim in dims if dim in self._labels}
            found[name] = xr.DataArray(
                draws[..., start:stop].reshape(shape),
                dims=("chain", "draw", *dims),
                coords={"chain": range(shape[0]), "draw": range(shape[1]), **coords},
            )
            start = stop
        return found

    def _extras(self, draws: np.ndarray) -> dict[str, xr.DataArray]:
        """What the compiled function adds to a draw: the law's parameters and the weights."""
        extras = self.program.extras
        if not extras:
            return {}
        length = sum(map(self._length, extras.values()))
        found = np.empty((*draws.shape[:2], length))

        def fill(chain: int) -> None:
            value, gradient, table = np.empty(1), np.empty(self.count), self.table.copy()
            table[5] = length
            for row, kept in zip(np.ascontiguousarray(draws[chain]), found[chain], strict=True):
                table[4] = kept.ctypes.data
                places = (array.ctypes.data for array in (row, gradient, value, table))
                self._function(self.count, *places)

        with ThreadPoolExecutor() as threads:  # Python is let go while the function runs
            list(threads.map(fill, range(len(draws))))
        return self._named(found, extras)


def arrays(spec: Spec, data: xr.Dataset) -> xr.Dataset:
    """A design's arrays as a density takes them; none that are empty."""
    data = tangent(spec, collapsed(spec, data))
    return data[[name for name in data.data_vars if data[name].size]]
