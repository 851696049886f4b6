"""Compiled samplers: made once on a machine for each structure of a model, kept on disk.

nutpie compiles two functions of a model, its log density with the gradient and what follows from
a draw; both take the data as arguments. Their machine code is kept under a digest of all that it
depends on: spec, sizes of what is sampled, this package's source, versions, processor. A file
that another user could have written is not read, and a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numba.core import compiler, registry
from numba.core.codegen import JITCPUCodegen
from numba.core.environment import Environment
from numba.core.runtime import rtsys
from nutpie.compile_pymc import (
    CompiledPyMCModel,
    compile_pymc_model,
    make_user_data,
)

from bayescale.base.cache import Cache

if TYPE_CHECKING:
    import pymc as pm

type Labels = Mapping[str, Any]

_PACKAGES = ("numba", "llvmlite", "nutpie", "numpy", "pymc", "pytensor", "scipy")
_UNCONSTRAINED = "unconstrained_parameter"

# 1 to 10 MB each.
CACHE = Cache("compiled", 200, "the sampler is made again", "samplers are not kept")


@dataclass(frozen=True)
class _Code:
    """Machine code of one function: object code, the symbol to call, constants it looks up."""

    library: tuple[Any, ...]
    symbol: str
    constants: dict[str, list[Any]]


@dataclass(frozen=True)
class _Shared:
    """An array that the functions are handed at each call; what nutpie asks of its variable."""

    name: str
    dtype: np.dtype
    ndim: int


@dataclass(frozen=True)
class _Kept:
    """What a file holds."""

    log_density: _Code
    expand: _Code
    start: np.ndarray
    shared: list[_Shared]
    shape_info: tuple[list[str], list[slice], list[tuple[int, ...]]]
    dims: dict[str, tuple[str, ...]]
    unconstrained: list[str]
    reparameterized: list[str]


@dataclass(frozen=True)
class _Native:
    """A function in memory, and what must live as long as it does."""

    address: int
    owner: Any


class Start:
    """Where chains start: each unconstrained value within 1 of its prior's central one."""

    def __init__(self, centre: np.ndarray) -> None:
        self._centre = centre

    def __call__(self, seed: int) -> np.ndarray:
        """Where a chain of this seed starts."""
        return self._centre + np.random.default_rng(seed).uniform(-1, 1, self._centre.shape)


def digest(structure: Sequence[Any]) -> str:
    """Name of a structure's sampler, given as plain values, in this version on this machine."""
    text = json.dumps([*structure, *surroundings()])
    return hashlib.sha256(text.encode()).hexdigest()


def sampler(name: str, build: Callable[[], pm.Model]) -> CompiledPyMCModel:
    """A compiled sampler, from disk if it is there; `relabelled` gives it labels.

    Parameters
    ----------
    name : str
        Digest of the structure.
    build : callable
        Makes the model, if it must be compiled.
    """
    content = CACHE.read(name)
    if content is not None:
        return _assembled(pickle.loads(content))
    kept = _compile(build())
    CACHE.write(name, pickle.dumps(kept))
    return _assembled(kept)


def centre(model: pm.Model) -> np.ndarray:
    """Central value of each unconstrained parameter's prior."""
    from pymc.initial_point import make_initial_point_fn  # noqa: PLC0415 - seconds, only here

    point = make_initial_point_fn(model=model, jitter_rvs=set(), return_transformed=True)(0)
    values = [np.ravel(point[model.rvs_to_values[v].name]) for v in model.free_RVs]
    return np.concatenate(values).astype(float)


def _compile(model: pm.Model) -> _Kept:
    results: list[Any] = []

    class Keeping(compiler.Compiler):  # type: ignore[misc]
        """Numba's compiler, whose results nutpie does not hand on."""

        def compile_extra(self, func: Any) -> Any:
            results.append(super().compile_extra(func))
            return results[-1]

    made = compile_pymc_model(model, pipeline_class=Keeping)
    log_density, expand = map(_code, results)
    return _Kept(
        log_density=log_density,
        expand=expand,
        start=centre(model),
        shared=[
            _Shared(var.name, made.shared_data[key].dtype, made.shared_data[key].ndim)
            for var, key in made.shared_var_keys.items()
        ],
        shape_info=made.shape_info,
        dims=dict(made.dims),
        unconstrained=[str(label) for label in made.coords[_UNCONSTRAINED]],
        reparameterized=list(made.reparameterized_names),
    )


def _code(result: Any) -> _Code:
    environments = [result.environment, *result._find_referenced_environments()]
    return _Code(
        result.library.serialize_using_object_code(),
        result.fndesc.llvm_cfunc_wrapper_name,
        {environment.env_name: list(environment.consts) for environment in environments},
    )


def _loaded(code: _Code) -> _Native:
    """A function in an engine of its own.

    In the engine of all that Numba compiles, where it was made, some of its symbols would be
    those of other functions, whose last digits differ.
    """
    rtsys.initialize(registry.cpu_target.target_context)
    library = JITCPUCodegen("bayescale").unserialize_library(code.library)
    environments = []
    for name, constants in code.constants.items():
        environments.append(Environment({}))
        environments[-1].consts.extend(constants)
        library.codegen.set_env(name, environments[-1])
    return _Native(library.get_pointer_to_function(code.symbol), (library, environments))


def _assembled(kept: _Kept) -> CompiledPyMCModel:
    """nutpie's model, with empty arrays for the data to come."""
    names, slices, shapes = kept.shape_info
    keys = {shared: f"shared_{number}" for number, shared in enumerate(kept.shared)}
    data = {key: np.empty((0,) * shared.ndim, shared.dtype) for shared, key in keys.items()}
    return CompiledPyMCModel(
        dims=kept.dims,
        reparameterized_names=kept.reparameterized,
        compiled_logp_func=_loaded(kept.log_density),
        compiled_expand_func=_loaded(kept.expand),
        initial_point_func=Start(kept.start),
        shared_data=data,
        shared_var_keys=keys,
        user_data=make_user_data(keys, data),
        n_expanded=slices[-1].stop,
        shape_info=kept.shape_info,
        logp_func=None,
        expand_func=None,
        _n_dim=len(kept.start),
        _shapes={name: tuple(shape) for name, shape in zip(names, shapes, strict=True)},
        _coords={_UNCONSTRAINED: pd.Index(kept.unconstrained)},
    )


def relabelled(made: CompiledPyMCModel, labels: Labels) -> CompiledPyMCModel:
    """The same sampler for groups and runs of these names."""
    coords = {dim: pd.Index(names) for dim, names in labels.items()}
    return replace(made, _coords=made.coords | coords)


@cache
def surroundings() -> list[str]:
    """What compiled code depends on, apart from the structure of the model."""
    return [
        source_digest(Path(__file__).parents[1]),
        sys.version,
        *(f"{name} {version(name)}" for name in _PACKAGES),
        *map(str, registry.cpu_target.target_context.codegen().magic_tuple()),
    ]


def source_digest(package: Path) -> str:
    """Of a package's modules, by name and content.

    All of them, though a model needs few: none that moves can be forgotten, and the source of an
    installed package does not change. What is not a module, such as specs, is not in it: a
    structure holds its spec.
    """
    source = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        source.update(str(file.relative_to(package)).encode())
        source.update(hashlib.sha256(file.read_bytes()).digest())
    return source.hexdigest()
