"""JAX: the same model's sampler, compiled by JAX for what it runs on, be it a GPU.

Imported only where it is asked for: it loads JAX, and PyTensor then has JAX compute in double
precision, for the whole process.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import numpy as np
from nutpie.compile_pymc import compile_pymc_model
from nutpie.compiled_pyfunc import PyFuncModel

from bayescale import discrepancy_ops, tangent_ops
from bayescale.compiled import Start, centre

if TYPE_CHECKING:
    import pymc as pm


def sampler(model: pm.Model) -> PyFuncModel:
    """A sampler of a model, which takes other data through `with_data`.

    Chains start where numba's do. The gradient is JAX's own: PyTensor's has arrays whose size
    depends on the data, which JAX does not compile.
    """
    discrepancy_ops.register_with_jax()
    tangent_ops.register_with_jax()
    with warnings.catch_warnings():
        # Of checks that shapes agree, which JAX does as well.
        warnings.filterwarnings("ignore", "Skipping Assert", UserWarning)
        made = compile_pymc_model(model, backend="jax", gradient_backend="jax", freeze_model=False)
    return replace(made, _make_initial_points=Start(centre(model)))


def with_data(made: PyFuncModel, data: Mapping[str, np.ndarray]) -> PyFuncModel:
    """The sampler for other data, which are brought to the device once and not at each step.

    Compiled here for their shapes, not by each chain.
    """
    jax.config.update("jax_enable_x64", True)  # whoever may have switched it off since
    ready = made.with_data(**{name: jax.numpy.asarray(values) for name, values in data.items()})
    point = np.zeros(ready.n_dim)
    ready._make_logp_func()(point, **ready._shared_data)
    ready._make_expand_func(0, 0, 0)(point, **ready._shared_data)
    return ready
