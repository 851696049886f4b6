"""Kernels: the discrepancy's part of the density and of its gradient, written by hand.

`first` takes the processes' parameters and gives the law's, unwhitened; `second` takes the runs'
residuals around that law and gives their log density, with its derivatives; `first_back` ends the
derivatives of `first`. A test holds the whole density against that of PyMC's model, whose
coordinates are plain.

Arguments of all are parts of one array, the workspace, by the names in `FIELDS`; they are compiled
apart from the density that calls them, once for all specs. A name that begins with `grad_` is the
derivative of the log density by the quantity of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayescale.model.density.gradient import Pullback
from bayescale.model.density.nodes import Node, call, out, stack

# Parts of the workspace: name to shape. n runs, m inducing points, p parameters of the law, k axes.
# What the density gives and what it takes, and between them what one kernel leaves to the next.
FIELDS: dict[str, tuple[str, ...]] = {
    # The processes' parameters as `process.Parameters` has them: three, then two lengths an axis.
    "theta": ("(3 + 2 * k)",),
    "noise": ("1",),  # squared scale of the observation noise in whitening, as a share
    "places": ("k", "n"),
    "depth": ("n",),
    "inducing_places": ("k", "m"),
    "inducing_depth": ("m",),
    "law_residual": ("n",),  # response less the tangent at the middle of the prior, a share
    "slope": ("n", "p"),  # of the tangent, a standard deviation of the prior
    "misfit": ("n",),  # of each run from the law and the long process, typically
    "local_share": ("n",),  # of the local variance that the other runs leave to it, typically
    "tail": ("1",),  # 1 over the noise's degrees of freedom, 0 if it is Normal
    "law_z": ("p",),  # what the sampler moves
    "standardised": ("p",),  # the law's parameters, in standard deviations of the prior
    "log_volume": ("1",),  # of their whitening
    "deviation": ("n",),  # of the local process, before the runs are seen
    "inducing_deviation": ("m",),
    "prior_long": ("m", "m"),  # exponentials of the covariances
    "prior_local": ("m", "m"),
    "cross_long": ("n", "m"),
    "cross_local": ("n", "m"),
    "prior_factor": ("m", "m"),  # Cholesky factor of the inducing points' covariance
    "prior_inverse": ("m", "m"),
    "basis": ("n", "m"),  # value at each run for each weight of 1
    "left": ("n",),  # variance that the weights leave
    "precision": ("n",),
    "factor": ("m", "m"),  # Cholesky factor of the weights' precision
    "inverse": ("m", "m"),
    "known": ("n", "(p + 1)"),  # the tangent's slopes and, last, the residual
    "explained_by": ("m", "(p + 1)"),
    "law_factor": ("p", "p"),
    "law_inverse": ("p", "p"),
    "residual": ("n",),  # response less the law, a share
    "scale": ("1",),  # of the observation noise, a share
    "nu": ("1",),
    "z": ("m",),  # what the sampler moves
    "value": ("1",),  # log density of runs and weights
    "weights": ("m",),
    "grad_residual": ("n",),
    "grad_scale": ("1",),
    "grad_nu": ("1",),
    "grad_z": ("m",),
    "grad_error": ("n",),
    "grad_left": ("n",),
    "grad_scaled": ("n",),  # by precision times residual
    "grad_projected": ("m",),
    "grad_gram": ("m", "m"),
    "grad_standardised": ("p",),
    "grad_theta": ("(3 + 2 * k)",),
    "grad_noise": ("1",),
    "grad_tail": ("1",),
    "grad_law_residual": ("n",),
    "grad_law_z": ("p",),
    "grad_cross": ("n", "m"),
    "grad_deviation": ("n",),
    "grad_places": ("k", "n"),
    "grad_depth": ("n",),
}
# What the density writes before it calls a kernel.
INPUTS = {
    "first": (
        *("theta", "noise", "places", "depth", "inducing_places", "inducing_depth"),
        *("law_residual", "slope", "misfit", "local_share", "tail", "law_z"),
    ),
    "second": ("residual", "scale", "nu", "z"),
    "first_back": ("grad_standardised",),
    "first_places": (),
}


def _first_pullback(made: Node, slopes: Mapping[Any, Any]) -> Sequence[Any]:
    theta, _, places, *_ = made.args
    assert slopes["log_volume", 0].number == 1
    count = sum(field == "standardised" for field, _ in slopes)
    elements = [slopes["standardised", i] for i in range(count)]
    (second,) = slopes["basis", None].args
    back = call("first_back", stack(elements), after=second)
    moved = call("first_places", after=back)
    run = ("run",)
    return [
        [out(back, "grad_theta", i) for i in range(len(theta.args))],
        out(back, "grad_noise", 0),
        [out(moved, "grad_places", axis, run) for axis in range(len(places.args))],
        out(moved, "grad_depth", dims=run),
        *(None, None),
        out(back, "grad_law_residual", dims=run),
        *(None, None, None),
        out(back, "grad_tail", 0),
        out(back, "grad_law_z", dims=("law",)),
    ]


def _second_pullback(made: Node, slopes: Mapping[Any, Any]) -> Sequence[Any]:
    assert slopes["value", 0].number == 1
    return [
        out(made, "grad_residual", dims=("run",)),
        out(made, "grad_scale", 0),
        out(made, "grad_nu", 0),
        out(made, "grad_z", dims=("inducing",)),
        out(made, "grad_gram"),
    ]


PULLBACKS: dict[str, Pullback] = {"first": _first_pullback, "second": _second_pullback}
