"""Compiled densities: made once on a machine for each text of a density, kept on disk.

A program's function takes the data as arguments. Its machine code is kept under a digest of
all that it depends on: the program's text, the modules that it calls, versions, processor. A file
that another user could have written is not read, and a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from numba.core import compiler, registry
from numba.core.codegen import JITCPUCodegen
from numba.core.environment import Environment
from numba.core.runtime import rtsys

from bayescale.base.cache import Cache
from bayescale.model.density.program import Program

_PACKAGES = ("numba", "llvmlite", "numpy", "scipy")

# 1 to 3 MB each.
CACHE = Cache("compiled", 200, "the sampler is made again", "samplers are not kept")

# Functions of this process, by their digest.
_LOADED: dict[str, Native] = {}
_LOADED_MOST = 50
_COMPILING = threading.RLock()


@dataclass(frozen=True)
class _Code:
    """Machine code of one function: object code, the symbol to call, constants it looks up."""

    library: tuple[Any, ...]
    symbol: str
    constants: dict[str, list[Any]]


@dataclass(frozen=True)
class Native:
    """A function in memory, and what must live as long as it does."""

    address: int
    owner: Any


def digest(structure: Sequence[Any]) -> str:
    """Name for what depends on these plain values, on this package and on this machine."""
    text = json.dumps([*structure, *surroundings()])
    return hashlib.sha256(text.encode()).hexdigest()


def functions(program: Program) -> tuple[Native, list[Native]]:
    """A program's function and the kernels that it calls, from disk if they are there.

    Of kernels that are not, another process makes half meanwhile: Numba compiles for one thread.
    """
    missing = [name for name in program.kernels if not CACHE.holds(digest(["kernel", name]))]
    with _helper(missing[::2] if len(missing) > 1 else []):
        native = density(program)
        for name in missing[1::2]:
            kernel(name)
    return native, [kernel(name) for name in program.kernels]


def density(program: Program) -> Native:
    """A program's function; see `compiling.DENSITY`."""
    return _kept(["density", program.text], lambda: _compile_density(program))


def kernel(name: str) -> Native:
    """A kernel of the discrepancy; see `compiling.KERNEL`."""
    return _kept(["kernel", name], lambda: _compile_kernel(name))


@contextmanager
def _helper(names: Sequence[str]) -> Iterator[None]:
    """Meanwhile, these kernels are compiled by another process, which leaves them on disk."""
    if not names:
        yield
        return
    script = "from bayescale.sampling import compiled"
    for name in names:
        script += f"\ncompiled.kernel({name!r})"
    null = subprocess.DEVNULL
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=null, stdout=null, stderr=null) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def copy() -> Native:
    """The function that keeps a draw as it is; see `compiling.EXPAND`."""
    return _kept(["copy"], _compile_copy)


def rotation() -> Native:
    """The function that evaluates a density in other coordinates; see `compiling.rotated`."""
    return _kept(["rotation"], _compile_rotation)


def _kept(structure: Sequence[Any], compile_it: Callable[[], _Code]) -> Native:
    return _kept_as(digest(structure), compile_it)


def _kept_as(name: str, compile_it: Callable[[], _Code]) -> Native:
    with _COMPILING:
        if name not in _LOADED:
            content = CACHE.read(name)
            if content is None:
                content = pickle.dumps(compile_it())
                CACHE.write(name, content)
            if len(_LOADED) == _LOADED_MOST:
                _LOADED.pop(next(iter(_LOADED)))
            _LOADED[name] = _loaded(pickle.loads(content))
        return _LOADED[name]


def _compile_density(program: Program) -> _Code:
    from bayescale.model.density import compiling

    function = compiling.function(program)
    return _compiled(function, compiling.DENSITY)


def _compile_kernel(name: str) -> _Code:
    from bayescale.model.density import compiling

    return _compiled(compiling.kernel(name), compiling.KERNEL)


def _compile_copy() -> _Code:
    from bayescale.model.density import compiling

    return _compiled(compiling.copy, compiling.EXPAND)


def _compile_rotation() -> _Code:
    from bayescale.model.density import compiling

    return _compiled(compiling.rotated, compiling.DENSITY)


def _compiled(function: Callable[..., int], signature: Any) -> _Code:
    from bayescale.model.density.small import IN_ORDER

    results: list[Any] = []

    class Keeping(compiler.Compiler):  # type: ignore[misc]
        """Numba's compiler, whose results are not handed on."""

        def compile_extra(self, func: Any) -> Any:
            results.append(super().compile_extra(func))
            return results[-1]

    options = {"error_model": "numpy", "fastmath": IN_ORDER}
    numba.cfunc(signature, pipeline_class=Keeping, **options)(function)
    return _code(results[-1])


def _code(result: Any) -> _Code:
    environments = [result.environment, *result._find_referenced_environments()]
    return _Code(
        result.library.serialize_using_object_code(),
        result.fndesc.llvm_cfunc_wrapper_name,
        {environment.env_name: list(environment.consts) for environment in environments},
    )


def _loaded(code: _Code) -> Native:
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
    return Native(library.get_pointer_to_function(code.symbol), (library, environments))


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
