"""From which number of rows JAX is worth it: `make bench-backends`.

`compute-only` and `forecast` on simulated tables of 100 to 10,000 runs (`--most` up to 100,000),
through numba and through JAX, on the device that JAX takes by itself: seconds until a sampler is
ready (numba compiles a spec once for all tables; bayescale's cache is empty, PyTensor's perhaps
not), and time per gradient, of one chain and of as many side by side as there are cores. All
within one process. `--json` prints one object.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from rows import SIZES, TRUTH, Density, compiled, seconds, simulated
from threadpoolctl import threadpool_limits

from bayescale import Spec
from bayescale.design import design
from bayescale.inference import Sampler
from bayescale.output import print_json, print_table

CORES = os.cpu_count() or 1


def by_jax(sampler: Sampler) -> Density:
    """The log density and gradient that nutpie calls, through JAX."""
    made = sampler._through_jax(sampler._arrays(sampler.design.data))
    function, data = made._make_logp_func(), made._shared_data
    return lambda x: function(x, **data)


BACKENDS: dict[str, Callable[[Sampler], Density]] = {"numba": compiled, "jax": by_jax}


def side_by_side(density: Density, x: np.ndarray, each: int) -> float:
    """Time of all gradients of chains that run side by side, over their number."""
    with ThreadPoolExecutor(CORES) as pool:
        start = time.perf_counter()
        list(pool.map(lambda _: [density(x) for _ in range(each)], range(CORES)))
        return (time.perf_counter() - start) / (each * CORES)


def measured(name: str, count: int) -> list[dict[str, Any]]:
    spec = Spec.load(name)
    arrays = design(spec, simulated(spec, count))
    rows, values = [], []
    for backend, make in BACKENDS.items():
        start = time.perf_counter()
        density = make(Sampler(spec, arrays))
        ready = time.perf_counter() - start
        x = np.random.default_rng(0).uniform(-0.5, 0.5, Sampler(spec, arrays)._compile().n_dim)
        values.append(density(x))
        with threadpool_limits(1):  # as chains run; by now every library is loaded
            one = seconds(density, x)
            many = min(side_by_side(density, x, max(1, int(0.3 / one))) for _ in range(5))
        rows.append(
            {
                "spec": name,
                "rows": count,
                "backend": backend,
                "ready_seconds": round(ready, 2),
                "one_chain_us": 1e6 * one,
                "side_by_side_us": 1e6 * many,
            }
        )
        took = f"{1e6 * one:.0f} us a gradient, {1e6 * many:.0f} side by side"
        what = f"{name}, {count} rows, {backend}: ready in {ready:.0f} s, {took}"
        print(what, file=sys.stderr, flush=True)
    for numbas, jaxs in zip(*values, strict=True):
        np.testing.assert_allclose(jaxs, numbas, rtol=1e-6, atol=1e-6 * np.abs(numbas).max())
    return rows


def wins(rows: list[dict[str, Any]], name: str) -> int | None:
    """The smallest table from which on JAX's gradients take less time; None if there is none."""
    taken = {(r["rows"], r["backend"]): r["side_by_side_us"] for r in rows if r["spec"] == name}
    found = None
    for count in sorted({count for count, _ in taken}, reverse=True):
        if taken[count, "jax"] >= taken[count, "numba"]:
            break
        found = count
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=10_000, help="leave out larger tables")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    sizes = [size for size in SIZES if size <= asked.most]
    with tempfile.TemporaryDirectory() as empty:
        os.environ["XDG_CACHE_HOME"] = empty
        rows = [row for name in TRUTH for size in sizes for row in measured(name, size)]
    said = {
        "device": ", ".join(f"{d.platform} {d.device_kind}" for d in jax.devices()),
        "cores": CORES,
        "processor": platform.machine(),
        "rows": rows,
        "jax_wins_from_rows": {name: wins(rows, name) for name in TRUTH},
    }
    if asked.json:
        print_json(said)
    else:
        print_table(rows, f"JAX on {said['device']}, numba on {CORES} cores")
        print("JAX wins from rows:", said["jax_wins_from_rows"])
