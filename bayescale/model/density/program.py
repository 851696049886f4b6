"""Program: a spec's log density as nodes, and the text of the functions that a sampler calls.

The density is that of PyMC's model (`model/graph.py`), in coordinates that suit a sampler: effects
are partly centred, and a law with a discrepancy and the discrepancy itself are whitened by what the
runs say of them. Tests hold it against PyMC's, value by value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayescale.base.errors import LawError
from bayescale.laws.base import Parameter
from bayescale.model.curve import centred_tokens, curve
from bayescale.model.density import formulas, kernels
from bayescale.model.density.evaluate import evaluated
from bayescale.model.density.gradient import gradient
from bayescale.model.density.nodes import (
    Dims,
    Node,
    Recorder,
    call,
    const,
    data,
    out,
    param,
    stack,
    topological,
    widened,
)
from bayescale.model.density.source import Layout, Store, length, safe, written
from bayescale.model.discrepancy.process import (
    PREFIX,
    WEIGHTS,
    Coordinates,
    Parameters,
    coordinates,
)
from bayescale.model.linearised import constrained
from bayescale.model.noise import NOISES
from bayescale.model.parts import Effect, Prior
from bayescale.model.priors import local_lengths
from bayescale.model.scale import discrepancy_unit, noise_scale, scale_of
from bayescale.model.spec import Spec

XP = Recorder()
# What of a node's kinds is known before sampling.
_KNOWN = ("const", "data", "size", "element")


@dataclass(frozen=True, eq=False)
class Program:
    """A density to be compiled.

    Attributes
    ----------
    text : str
        Of a function `density`; see `source.written`.
    params, extras : mapping
        Name of each block of the sampled vector, and of what else a draw holds, to its dims.
    floats, indices : mapping
        Name of each array that it takes to its node, in order.
    sizes : list of str
        The dims whose lengths it takes.
    kernels : tuple of str
        Those that it calls, in the order of `kernels.INPUTS`.
    axes : int
        Of the discrepancy; 0 without one.
    """

    text: str
    params: Mapping[str, Dims]
    extras: Mapping[str, Dims]
    floats: Mapping[str, Node]
    indices: Mapping[str, Node]
    sizes: list[str]
    kernels: tuple[str, ...]
    axes: int

    def arrays(
        self, known: Mapping[str, np.ndarray], sizes: Mapping[str, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The design's numbers, and its indices, each as one vector."""
        floats = [evaluated(node, known, sizes).ravel() for node in self.floats.values()]
        indices = [np.ravel(known[name]).astype(np.int64) for name in self.indices]
        return (
            np.concatenate([*floats, np.zeros(1)]),
            np.concatenate([*indices, np.zeros(1, np.int64)]),
        )


def program(spec: Spec, dims: Mapping[str, Dims]) -> Program:
    """The density of a spec.

    Parameters
    ----------
    spec : Spec
    dims : mapping
        Name of each array of the design that is not empty to its dims.
    """
    made = _Density(spec, {name: data(name, along) for name, along in dims.items()})
    total = made.total()
    axes = len(spec.axes) if spec.discrepancy else 0
    return assembled(total, made.params, made.extras, made.kernels, axes)


def assembled(
    total: Node,
    params: Mapping[str, Dims],
    extras: Mapping[str, Node] | None = None,
    kernels_called: tuple[str, ...] = (),
    axes: int = 0,
) -> Program:
    """The program of a log density.

    Parameters
    ----------
    total : Node
        The density, without dims.
    params : mapping
        Blocks of the sampled vector.
    extras : mapping, optional
        What else a draw holds.
    kernels_called : tuple of str
    axes : int
        Of the discrepancy.
    """
    extras = extras or {}
    by = [param(name, along) for name, along in params.items()]
    slopes = gradient(total, by, kernels.PULLBACKS)
    known = _hoisted([total, *slopes, *extras.values()])
    floats = {f"known{i}": node for i, node in enumerate(known)}
    instead = {node: Node("data", (), name, node.dims) for name, node in floats.items()}
    total, *rest = _replaced([total, *slopes, *extras.values()], instead)
    slopes, kept = rest[: len(slopes)], rest[len(slopes) :]
    indices = {
        node.args[1].detail: node.args[1]
        for node in topological([total, *slopes, *kept])
        if node.op in ("gather", "scatter")
    }
    layout = Layout(
        params,
        {name: node.dims for name, node in floats.items()},
        {name: node.dims for name, node in indices.items()},
        axes,
    )
    stores = [
        Store("g", f"x_{safe(name)}", widened(slope, along))
        for (name, along), slope in zip(params.items(), slopes, strict=True)
    ]
    start = "0"
    for node in kept:
        stores.append(Store("e", start, node))
        start += " + " + length(node.dims)
    return Program(
        text=written(layout, stores, total),
        params=params,
        extras={name: node.dims for name, node in extras.items()},
        floats=floats,
        indices=indices,
        sizes=layout.sizes,
        kernels=kernels_called,
        axes=axes,
    )


# What is known before sampling


def _hoisted(roots: list[Node]) -> list[Node]:
    """The largest parts that depend on the design alone, each once."""
    order = topological(roots)
    known: set[Node] = set()
    for node in order:
        if node.op in _KNOWN or (node.args and all(arg in known for arg in node.args)):
            known.add(node)
    parts: dict[Node, None] = {}

    def taken(node: Node) -> bool:
        leaf = node.op in ("const", "size", "stack")
        return node in known and not leaf and not _is_index(node)

    for node in order:
        if node not in known or node.op == "stack":
            parts |= dict.fromkeys(arg for arg in node.args if taken(arg))
    parts |= dict.fromkeys(root for root in roots if taken(root))
    return list(parts)


def _is_index(node: Node) -> bool:
    return node.op == "data" and str(node.detail).endswith("_index")


def _replaced(roots: list[Node], instead: Mapping[Node, Node]) -> list[Node]:
    done: dict[Node, Node] = dict(instead)
    for node in topological(roots):
        if node not in done:
            args = tuple(done[arg] for arg in node.args)
            done[node] = node if args == node.args else Node(node.op, args, node.detail, node.dims)
    return [done[root] for root in roots]


# The density


class _Density:
    def __init__(self, spec: Spec, x: Mapping[str, Node]) -> None:
        self.spec = spec
        self.x: dict[str, Any] = dict(x)
        self.params: dict[str, Dims] = {}
        self.extras: dict[str, Node] = {}
        self.values: dict[str, Any] = {}
        self.parts: list[Any] = []
        self.kernels: tuple[str, ...] = ()

    def total(self) -> Node:
        spec = self.spec
        law = [parameter.name for parameter in spec.law.parameters] if spec.follows_runs else []
        for name, prior in spec.priors.items():
            if name not in law:
                self._prior(name, prior)
        effects = list(spec.effect_list())
        for effect in effects:
            self._prior(effect.sd_name, effect.sd)
        for name, prior in spec.discrepancy.items():
            self._prior(PREFIX + name, prior)
        for effect in effects:
            self._effect(effect)
        if "tokens_sd" in self.x:
            z = self._block("tokens_z", ("latent",))
            self.values["tokens_z"] = z
            self._add(formulas.normal(z, 0, 1, XP))
            self.x["tokens"] = centred_tokens(self.values, self.x)
        if spec.discrepancy:
            self._with_discrepancy()
        else:
            if spec.follows_runs:
                self._law_that_follows_runs()
            self._responses()
        total: Any = const(0)
        for part in self.parts:
            total = total + part
        return const(total)

    def _block(self, name: str, dims: Dims) -> Node:
        self.params[name] = dims
        return param(name, dims)

    def _add(self, density: Any) -> None:
        self.parts.append(const(density).sum())

    def _prior(self, name: str, prior: Prior) -> None:
        free = self._block(name, (prior.by,) if prior.by else ())
        value = formulas.constrained(prior.support, free, XP)
        self._add(formulas.log_density(prior.dist, prior.arguments, value, XP))
        self._add(formulas.log_jacobian(prior.support, free, XP))
        self.values[name] = value

    def _effect(self, effect: Effect) -> None:
        """A group's effects, partly centred: see `formulas.centring`."""
        sd, runs = self.values[effect.sd_name], self.x[f"{effect.group}_runs"]
        dims = (effect.group, effect.sd.by) if effect.sd.by else (effect.group,)
        weight = formulas.centring(runs)
        z = self._block(f"{effect.name}_z", dims)
        self._add(formulas.normal(z, 0, sd**weight, XP))
        self.values[effect.name] = sd ** (1 - weight) * z

    def _curve(self, values: Mapping[str, Any]) -> Any:
        try:
            mean = curve(self.spec, values, self.x, XP)
        except TypeError as error:  # such as np.exp in place of xp.exp, or a comparison
            raise LawError(
                f"law {self.spec.law.name}: its equation cannot be compiled: {error}; write it "
                "with arithmetic and the functions of xp"
            ) from error
        return scale_of(self.spec).forward(mean, XP)

    def _observed(self) -> Any:
        return scale_of(self.spec).forward(self.x["response"], XP)

    def _responses(self) -> None:
        spec = self.spec
        scale = noise_scale(spec, self.values)
        error = self._observed() - self._curve(self.values)
        if spec.collapses:
            repeats, within = self.x["repeats"], self.x["within"]
            squares = repeats * (error * error) + within
            self._add(-repeats * XP.log(scale * np.sqrt(2 * np.pi)))
            self._add(-squares / (2 * (scale * scale)))
        else:
            self._add(NOISES[spec.noise.dist].formula(self.values, error, scale, XP))

    def _law_that_follows_runs(self) -> None:
        """The law's parameters, centred and scaled by what the runs say of them."""
        z = self._block("law_z", ("law_other",))
        free = self.x["law_point"] + (self.x["law_spread"] * z).sum("law_other")
        for p in self.spec.law.parameters:
            self._law_parameter(p, free.isel({"law": self.x[f"{p.name}_index"]}))

    def _law_parameter(self, parameter: Parameter, free: Any) -> None:
        """A parameter of the law from its value without bounds, with its prior."""
        prior, support = self.spec.priors[parameter.name], parameter.support
        value = formulas.constrained(support, free, XP)
        self._add(formulas.log_density(prior.dist, prior.arguments, value, XP))
        self._add(formulas.log_jacobian(support, free, XP))
        self.values[parameter.name] = value
        self.extras[parameter.name] = value

    def _with_discrepancy(self) -> None:
        spec, x, values = self.spec, self.x, self.values
        named = {name: values[PREFIX + name] for name in spec.discrepancy}
        processes = Parameters.named(spec.axes, named, local_lengths(spec))
        scalars = (processes.amplitude, processes.local_amplitude, processes.local_growth)
        theta = stack(
            value if isinstance(value, Node) else float(value[0])
            for value in (*scalars, *processes.lengths, *processes.local_lengths)
        )
        at_inducing = {name: x[f"inducing_{name}"] for name in spec.law.inputs}
        places = [
            part
            for at in (x, at_inducing)
            for part in _stacked(coordinates(spec.axes, at, x["frontier"], XP))
        ]
        # Where the tangent touches the law.
        point = constrained(spec, x["law_point"], XP)
        unit = discrepancy_unit(spec, {**values, **point})
        residual = (self._observed() - self._curve({**values, **point})) / unit
        residual = residual - (x["law_slope"] * x["law_offset"]).sum("law")
        law_z = self._block("law_z", ("law",))
        z = self._block(PREFIX + "z", ("inducing",))
        share = noise_scale(spec, values) / unit
        noise = NOISES[spec.noise.dist]
        nu = const(noise.degrees_of_freedom(values))
        first = call(
            "first",
            *(theta, share * share, *places),
            *(residual, x["law_slope"], x["run_misfit"], x["run_share"], 1 / nu, law_z),
        )
        names = [p.name for p in spec.law.parameters]
        moved = {n: x["law_offset"][i] + out(first, "standardised", i) for i, n in enumerate(names)}
        free = {n: x["law_point"][i] + x["law_prior_sd"][i] * moved[n] for i, n in enumerate(names)}
        multiplier = spec.law.multiplier
        if multiplier is not None and "law_height" in x:
            at_point = {multiplier: point[multiplier]}
            free[multiplier] = free[multiplier] - self._above_tangent(free, moved, at_point)
        for p in spec.law.parameters:
            self._law_parameter(p, free[p.name])
        self._add(out(first, "log_volume", 0))  # log volume of the law's whitening
        unit = const(discrepancy_unit(spec, values))
        scale = noise_scale(spec, values) / unit
        residual = (self._observed() - self._curve(values)) / unit
        self.kernels = ("first", noise.kernel, "first_back", "first_places")
        second = call("second", residual, scale, nu, z, out(first, "basis"))
        self._add(out(second, "value", 0))
        each = noise.height(values, scale, XP) - XP.log(unit)
        self._add(each * Node("size", (), "run", ()))
        self.extras[WEIGHTS] = out(second, "weights", dims=("inducing",))

    def _above_tangent(
        self, free: Mapping[Any, Any], moved: Mapping[Any, Any], at_point: Mapping[str, Any]
    ) -> Any:
        """Mean over the runs of the log of the curve, less that of its tangent.

        With the law's multiplier `at_point`, so that it does not depend on it: taking it from that
        parameter's logarithm changes no volume.
        """
        spec = self.spec
        values = constrained(spec, [free[p.name] for p in spec.law.parameters], XP)
        height = self._curve({**self.values, **values, **at_point}).sum("run")
        above = height / Node("size", (), "run", ()) - self.x["law_height"]
        for i, p in enumerate(spec.law.parameters):
            if p.name not in at_point:
                above = above - self.x["law_tilt"][i] * moved[p.name]
        return above


def _stacked(points: Coordinates) -> tuple[Node, Any]:
    """Places and depth, as a kernel takes them."""
    return stack(points.places), points.depth
