"""Compiling: the text of a density as functions that nutpie can call, by Numba."""

from __future__ import annotations

import inspect
import math
from textwrap import indent
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bayescale.model.density import covariances, kernels, whitening, whitening_back
from bayescale.model.density.program import Program
from bayescale.model.density.small import digamma

# First entries of the table that a function is handed: where the floats, the indices and the extras
# are and how long each. The kernels' addresses follow, and the lengths of the dims.
_ADDRESSES = 6

_POINTER = types.CPointer(types.double)
DENSITY = types.int64(types.uint64, _POINTER, _POINTER, _POINTER, types.voidptr)
EXPAND = types.int64(types.uint64, types.uint64, _POINTER, _POINTER, types.voidptr)
KERNEL = types.int64(*5 * [types.int64])

_KERNELS = {
    "first": whitening.first,
    "second_normal": whitening.second_normal,
    "second_student_t": whitening.second_student_t,
    "first_back": whitening_back.first_back,
    "first_places": covariances.first_places,
}


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing_context: Any, address: Any) -> Any:
    """A pointer to an address."""

    def made(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), made


# What the texts of functions call.
_NAMES = {
    "carray": numba.carray,
    "float64": np.float64,
    "int64": np.int64,
    "pointer": _pointer,
}


@intrinsic  # type: ignore[untyped-decorator]
def invoke(
    typing_context: Any, address: Any, workspace: Any, n: Any, m: Any, p: Any, k: Any
) -> Any:
    """Call a kernel by its address, on the workspace at another."""

    def made(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = ir.IntType(64)
        kind = ir.FunctionType(whole, [whole] * 5)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.int64(types.int64, types.uintp, *4 * [types.int64]), made


@intrinsic  # type: ignore[untyped-decorator]
def evaluate(
    typing_context: Any, address: Any, count: Any, x: Any, out: Any, value: Any, table: Any
) -> Any:
    """Call a function with the signature `DENSITY` by its address; places are addresses too."""

    def made(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole, place = ir.IntType(64), cgutils.voidptr_t
        kind = ir.FunctionType(whole, [whole, *4 * [place]])
        places = [builder.inttoptr(arg, place) for arg in args[2:]]
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], *places])

    places = 3 * [types.uintp]
    return types.int64(types.int64, types.uint64, *places, types.int64), made


def kernel(name: str) -> Any:
    """A kernel with the signature `KERNEL`: its arguments are parts of the workspace."""
    function = _KERNELS[name]
    lines, start, parts = [], "0", []
    wanted = inspect.signature(function.py_func).parameters
    for field, shape in kernels.FIELDS.items():
        lines.append(f"q_{field} = {start}")
        start = f"q_{field} + {' * '.join(shape)}"
        if field in wanted:
            parts.append(f"carray(pointer(q + 8 * q_{field}), ({', '.join(shape)},), float64)")
    lines += [f"kernel({', '.join(parts)})", "return 0"]
    names = {**_NAMES, "kernel": function}
    exec("def c_kernel(q, n, m, p, k):\n" + "\n".join("    " + line for line in lines), names)
    return names["c_kernel"]


_START = """
table = carray(table_, ({entries},), int64)
x, g = carray(x_, (count,)), carray(out_, (count,))
d = carray(pointer(table[0]), (table[1],), float64)
k = carray(pointer(table[2]), (table[3],), int64)
e = carray(pointer(table[4]), (table[5],), float64)
kernels, sizes = table[{addresses}:{sizes}], table[{sizes}:]
"""
_END = """
carray(value_, (1,))[0] = value
if not math.isfinite(value):
    return 4
for slope in g:
    if not math.isfinite(slope):
        return 3
return 0
"""


def function(program: Program) -> Any:
    """A program's function, with the signature `DENSITY`.

    One function: what Numba compiles as a function of its own it makes machine code of twice.
    """
    sizes = _ADDRESSES + len(program.kernels)
    entries = sizes + len(program.sizes)
    start = _START.format(addresses=_ADDRESSES, sizes=sizes, entries=entries)
    text = indent(start + program.text + _END, "    ")
    names = {**_NAMES, "np": np, "math": math, "digamma": digamma, "invoke": invoke}
    exec(f"def density(count, x_, out_, value_, table_):{text}", names)
    return names["density"]


def rotated(count: Any, u_: Any, out_: Any, value_: Any, table_: Any) -> int:
    """A density in coordinates u, x = centre + root' u, with a sparse root; as `DENSITY`.

    The table holds the addresses of the density, its table and the centre, and of the root by rows:
    its values, their columns, and where each row starts (count + 1).
    """
    table = numba.carray(table_, (6,), np.int64)
    u, out = numba.carray(u_, (count,)), numba.carray(out_, (count,))
    starts = numba.carray(_pointer(table[5]), (count + 1,), np.int64)
    root = numba.carray(_pointer(table[3]), (starts[count],), np.float64)
    columns = numba.carray(_pointer(table[4]), (starts[count],), np.int64)
    x = numba.carray(_pointer(table[2]), (count,), np.float64).copy()
    for i in range(count):
        for k in range(starts[i], starts[i + 1]):
            x[columns[k]] += u[i] * root[k]
    slope, value = np.empty(count), np.empty(1)
    failed = evaluate(
        table[0], count, x.ctypes.data, slope.ctypes.data, value.ctypes.data, table[1]
    )
    numba.carray(value_, (1,))[0] = value[0]
    for i in range(count):
        total = 0.0
        for k in range(starts[i], starts[i + 1]):
            total += root[k] * slope[columns[k]]
        out[i] = total
    return failed


def copy(count: Any, expanded: Any, x_: Any, out_: Any, table_: Any) -> int:
    """What nutpie keeps of a draw: the sampled vector as it is. To be compiled as `EXPAND`."""
    x, out = numba.carray(x_, (count,)), numba.carray(out_, (expanded,))
    for i in range(count):
        out[i] = x[i]
    return 0
