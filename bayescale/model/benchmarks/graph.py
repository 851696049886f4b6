"""Graph: a model of benchmark scores as `pm.Model`, and its log density to be compiled.

The graph says what the posterior is; fits sample the same density compiled as one function, as
those of specs do. Tests hold the two together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pymc.dims as pmd

from bayescale.model.benchmarks import formulas
from bayescale.model.benchmarks.design import Design
from bayescale.model.density.nodes import Recorder, const, ordered, param
from bayescale.model.density.nodes import data as array
from bayescale.model.density.program import Program, assembled

XP = Recorder()


def build(design: Design) -> pm.Model:
    """The joint distribution of parameters and scores."""
    with pm.Model(coords=design.coords) as model:
        x = {
            str(name): pmd.Data(str(name), values.values, dims=values.dims)
            for name, values in design.data.items()
            if values.size and values.dtype != bool
        }
        z = {name: pmd.Normal(name, 0, 1, dims=dims) for name, dims in design.blocks.items()}
        for i, density in enumerate(formulas.log_density(z, x, pmd.math)):
            pm.Potential(f"density_{i}", density.values.sum())
    return model


def program(design: Design) -> Program:
    """The log density, to be compiled once for all tables with the same blocks."""
    x: dict[str, Any] = {
        str(name): array(str(name), map(str, values.dims))
        for name, values in design.data.items()
        if values.size and values.dtype != bool
    }
    z = {name: param(name, dims) for name, dims in design.blocks.items()}
    total: Any = const(0)
    for each in z.values():
        total = total + const(-0.5 * each * each).sum()
    for density in formulas.log_density(z, x, XP):
        total = total + const(density).sum()
    return assembled(total, design.blocks)


def arrays(design: Design) -> dict[str, np.ndarray]:
    """The design's arrays as the program takes them."""
    return {
        str(name): values.transpose(*ordered(map(str, values.dims))).values
        for name, values in design.data.items()
        if values.size and values.dtype != bool
    }
