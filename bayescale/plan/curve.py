"""Curve: a law whose parameters are known, as draws of a posterior or as published constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.notes import Note
from bayescale.base.seeds import random
from bayescale.laws import Law
from bayescale.laws.base import Values
from bayescale.model.curve import parameters
from bayescale.model.design import Centre, inputs_of
from bayescale.model.discrepancy.process import Conditioned
from bayescale.model.odds import of_law
from bayescale.model.scale import Log, Scale, discrepancy_unit, scale_of
from bayescale.model.spec import Spec
from bayescale.predictive.groups import Fitted, effects_at, resolve
from bayescale.predictive.points import check_groups
from bayescale.predictive.predictive import Predictive
from bayescale.predictive.published import published
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# Draws that a plan works on; more would not move an interval's ends visibly.
# With a discrepancy each evaluation costs a covariance with the inducing points.
_DRAWS, _DRAWS_DISCREPANCY = 2000, 500


@dataclass(frozen=True, eq=False)
class DrawnDiscrepancy:
    """The model discrepancy of a fit as one function of N and D for each draw.

    As in a prediction, what the runs leave open takes one random number for each draw, so the
    function is smooth, and at each place its distribution over draws is that of the prediction.

    Attributes
    ----------
    conditioned : Conditioned
        The processes given the runs, for all draws.
    spec : Spec
    unit, whitened : ndarray (sample)
        What a discrepancy of 1 adds, and the random number.
    """

    conditioned: Conditioned
    spec: Spec
    unit: np.ndarray
    whitened: np.ndarray

    @classmethod
    def of_fit(cls, fit: Fitted, values: Values) -> DrawnDiscrepancy:
        """Of a fit with a discrepancy; `values` are its draws (chain, draw)."""
        like = values[fit.spec.law.parameters[0].name].transpose(*SAMPLE_DIMS)
        unit = np.broadcast_to(discrepancy_unit(fit.spec, values), like.shape)
        whitened = random(fit.seed, "discrepancy").standard_normal(like.shape)
        return cls(fit.conditioned, fit.spec, unit.ravel(), whitened.ravel())

    def added(self, response: Any, x: Mapping[str, Any], draw: Any) -> Any:
        """A response and its discrepancy: arrays of one shape, or with dims.

        Parameters
        ----------
        response : array
            Of the law.
        x : mapping
            Each input of the fit's law, on its scale and centred.
        draw : array of int
            Positions of the draws.
        """
        arrays = (response, draw, *(x[name] for name in self.spec.law.inputs))
        if any(isinstance(array, xr.DataArray) for array in arrays):
            labelled = xr.broadcast(*(xr.DataArray(array) for array in arrays))
            flat = [array.to_numpy().ravel() for array in labelled]
            return labelled[0].copy(data=self._added(*flat).reshape(labelled[0].shape))
        same = np.broadcast_arrays(*arrays)
        return self._added(*(array.ravel() for array in same)).reshape(same[0].shape)

    def _added(self, response: np.ndarray, draw: np.ndarray, *inputs: np.ndarray) -> np.ndarray:
        draw = draw.astype(int)
        inside = np.isfinite(inputs).all(axis=0)
        share = np.zeros(len(draw))
        there = zip(self.spec.law.inputs, inputs, strict=True)
        mean, sd = self.conditioned.at_draws(draw[inside], {n: v[inside] for n, v in there})
        share[inside] = mean + sd * self.whitened[draw[inside]]
        amount = share * self.unit[draw]
        return np.asarray(scale_of(self.spec).add(response, amount))


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True, eq=False)
class Curve:
    """A response surface over N and D, draw by draw: a law and draws of its parameters.

    Plans see the response through `loss`, `at` and `for_new_runs` alone, and what holds for every
    draw through `compute_only`, `has_optimum` and `sees_repeats`. `theta` is opaque to them: the
    solvers broadcast it and hand it back to `loss`.

    Attributes
    ----------
    name : str
        The fit's spec, or the published law.
    law : Law
    theta : mapping
        Sampled parameter of the law to its draws (chain, draw), or to a number without dims.
    centre : mapping
        Origin of the law's inputs: parameters, tokens.
    usual : mapping
        The runs' middle of each other input, on its scale, which all sizes have; and `split`, their
        mean ln(D/N), where the centre does not say it.
    response : str
        `loss` (nats per token), `bpc` (bits per character) or `bpb` (bits per byte).
    noise : DataArray or None
        (chain, draw): observation noise of one new run, the same at every size; None where
        nobody knows it.
    scale : Scale
        On which the noise is added.
    of_law : callable
        The response where the law has a value; see `bayescale.model.odds`.
    discrepancy : DrawnDiscrepancy or None
        What the fit's model discrepancy adds, by the position of each draw, `theta["draw"]`.
    notes : list of Note
        What a reader must know of the groups that were assumed.
    """

    name: str
    law: Law
    theta: Mapping[str, xr.DataArray]
    centre: Centre
    response: str
    usual: Mapping[str, float] = field(default_factory=dict)
    noise: xr.DataArray | None = None
    scale: Scale = field(default_factory=Log)
    of_law: Callable[[Any], Any] = _itself
    discrepancy: DrawnDiscrepancy | None = None
    notes: list[Note] = field(default_factory=list)

    @classmethod
    def of_fit(
        cls, fit: Fitted, groups: Mapping[str, str] | None = None, corpus: str | None = None
    ) -> Curve:
        """The curve of a fit, for given groups; one that is not named is drawn as new.

        Parameters
        ----------
        fit : Fit
        groups : mapping, optional
            Group to label, as in `{"family": "Llama-3"}`.
        corpus : str, optional
            Which one, for a fit of several.

        Raises
        ------
        BayescaleError
            If a group or the corpus is not one of the fit.
        """
        spec = fit.spec
        check_groups(groups or {}, spec.named_groups)
        if corpus not in (spec.corpora or (None,)):
            hint = f"name one of {', '.join(spec.corpora)}" if spec.corpora else "leave it out"
            raise BayescaleError(
                f"corpus={corpus or 'none'}: {spec.name} predicts {', '.join(spec.columns)}; {hint}"
            )
        if not spec.law.takes_compute:
            raise BayescaleError(
                f"law {spec.law.name} takes no parameters and tokens to plan with; choose its "
                "inputs with `plan optimum --over`"
            )
        point = Runs.from_frame(pd.DataFrame([{"run": "plan", **(groups or {})}]))
        labels, notes = resolve(fit, point)
        values, index = effects_at(fit, labels)

        most = _DRAWS_DISCREPANCY if spec.discrepancy else _DRAWS

        def thinned(draws: xr.DataArray) -> xr.DataArray:
            step = -(-draws.sizes["chain"] * draws.sizes["draw"] // most)
            draws = draws.isel(run=0, drop=True, missing_dims="ignore")
            if "corpus" in draws.dims:
                draws = draws.sel(corpus=corpus, drop=True)
            return draws.isel(draw=slice(None, None, step)).reset_coords(drop=True)

        theta = parameters(spec, values, index, np, without=("run",))
        # The noise is the same at every size: read it at the centre.
        origin = {name: xr.DataArray([0.0], dims="run") for name in spec.law.inputs}
        centre = Predictive(spec, values, {**origin, **index}, fit.centre, None, fit.seed)
        curve, run = (centre.draws(kind) for kind in ("curve", "run"))
        noise = centre.scale.difference(run, curve)
        discrepancy = None
        if spec.discrepancy:
            discrepancy = DrawnDiscrepancy.of_fit(fit, values)
            like = values[spec.law.parameters[0].name]
            positions = np.arange(len(discrepancy.whitened)).reshape(like.shape)
            theta["draw"] = like.copy(data=positions)
        return cls(
            name=spec.name,
            law=replace(spec.law, equation=spec.equation),
            theta={name: thinned(draws) for name, draws in theta.items()},
            discrepancy=discrepancy,
            centre=fit.centre,
            response=spec.response,
            usual=_usual(spec, fit.runs),
            noise=thinned(noise),
            scale=centre.scale,
            of_law=partial(of_law, spec),
            notes=notes,
        )

    @classmethod
    def published(cls, name: str) -> Curve:
        """The curve with the constants of a published law, of `data/published_laws.toml`.

        Raises
        ------
        BayescaleError
            If there is none of this name, or it is no law of the loss.
        """
        predictive = published(name)
        theta = {
            key: xr.DataArray(draws.isel(dict.fromkeys(SAMPLE_DIMS, 0), drop=True))
            for key, draws in predictive.values.items()
        }
        spec = predictive.spec
        return cls(name, spec.law, theta, predictive.centre, spec.response)

    @property
    def uncertain(self) -> bool:
        """True for draws of a posterior, False for published constants."""
        return any(SAMPLE_DIMS[0] in value.dims for value in self.theta.values())

    @property
    def count(self) -> int:
        """How many draws."""
        return next(iter(self.theta.values())).size

    @property
    def compute_only(self) -> bool:
        """True if N and D count through their product alone, in every draw."""
        return self.law.compute_only

    @property
    def has_optimum(self) -> bool:
        """True if in some draw some split of a budget between N and D is best."""
        return self.law.has_optimum

    @property
    def sees_repeats(self) -> bool:
        """True if it tells new tokens from repeated ones."""
        return self.law.sees_repeats

    @property
    def origin(self) -> dict[str, str]:
        """Whose answer it is, by the keys of an answer."""
        return {"law": self.name}

    def select_draws(self, positions: np.ndarray) -> Self:
        """The draws at positions (draw), as one chain; published constants as they are."""
        if not self.uncertain:
            return self

        def select(draws: xr.DataArray) -> xr.DataArray:
            values = draws.transpose(*SAMPLE_DIMS).to_numpy().ravel()[positions]
            return xr.DataArray(values[None], dims=SAMPLE_DIMS)

        theta = {name: select(draws) for name, draws in self.theta.items()}
        noise = None if self.noise is None else select(self.noise)
        return replace(self, theta=theta, noise=noise)

    def shares_without_optimum(self) -> dict[str, float]:
        """Laws without a compute-optimal size, and the share of draws that follow each."""
        return {} if self.has_optimum else {self.law.name: 1.0}

    def with_optimum(self) -> Curve | None:
        """The draws whose law has a compute-optimal size; None where none has."""
        return self if self.has_optimum else None

    def with_repeats(self, decay: Mapping[str, xr.DataArray]) -> Curve:
        """The curve where repeated tokens count less, if its law has such an extension.

        Parameters
        ----------
        decay : mapping
            `R_D` and `R_N` (chain, draw): repetitions, and excess of parameters, after which 1/e
            of their worth is left (arXiv 2305.16264).
        """
        law = self.law.with_repeats
        if law is None:
            return self
        constants = self.law.published(self.theta, self.centre) | dict(decay)
        centre = {**self.centre, "unique_tokens": self.centre["tokens"]}
        theta = law.sampled(constants, centre)
        if self.discrepancy is not None:
            theta["draw"] = self.theta["draw"]
        return replace(self, law=law, theta=theta, centre=centre)

    def as_loss(self, response: Any) -> Any:
        """What plans make small: a response, or its negative where higher is better; and back."""
        return COLUMNS[self.response].as_loss(response)

    def loss(self, x: Mapping[str, Any], theta: Mapping[str, Any]) -> Any:
        """The response as what plans make small (see `as_loss`); arguments as for `value`."""
        return self.as_loss(self.value(x, theta))

    def value(self, x: Mapping[str, Any], theta: Mapping[str, Any]) -> Any:
        """The response at natural logarithms of sizes; all arrays of one shape, or with dims.

        Parameters
        ----------
        x : mapping
            ln of `params`, of `tokens`, and of `unique_tokens`; without these all are new.
        theta : mapping
            As `Curve.theta`, or as a solver hands it back; other names in it are ignored.
        """
        full = {"unique_tokens": np.inf, **self.usual, **x}
        centred = {name: full[name] - np.log(self.centre[name]) for name in self.law.inputs}
        response = self.of_law(self.law.mean(centred, theta, np))
        if self.discrepancy is None:
            return response
        full["unique_tokens"] = np.minimum(full["unique_tokens"], full["tokens"])
        inputs = self.discrepancy.spec.law.inputs
        centred = {name: full[name] - np.log(self.centre[name]) for name in inputs}
        return self.discrepancy.added(response, centred, theta["draw"])

    def usual_split(self, pairs: Any) -> dict[str, Any]:
        """ln of N and D of a budget ln(N D), with the data's tokens per parameter.

        Where a law counts compute alone any split would do, but a discrepancy knows this one best.
        """
        centred = np.log(self.centre["tokens"] / self.centre["params"])
        ratio = self.usual.get("split", centred)
        return {"params": (pairs - ratio) / 2, "tokens": (pairs + ratio) / 2}

    def at(self, params: Any, tokens: Any, unique_tokens: Any = np.inf) -> xr.DataArray:
        """The response at counts of parameters, tokens and unique tokens."""
        x = {"params": params, "tokens": tokens, "unique_tokens": unique_tokens}
        logs = {name: np.log(value) for name, value in x.items()}
        return xr.DataArray(self.value(logs, self.theta))

    def for_new_runs(self, target: float | xr.DataArray) -> xr.DataArray:
        """The response that the curve must reach so that one new run reaches `target`."""
        if self.noise is None:
            return xr.DataArray(target)
        return xr.DataArray(self.scale.add(target, -self.noise))


def _usual(spec: Spec, runs: Runs) -> dict[str, float]:
    """See `Curve.usual`."""
    inputs = inputs_of(spec, runs)
    usual = {name: float(inputs[name].median()) for name in spec.other_inputs}
    if not spec.law.centred:
        usual["split"] = float((inputs["tokens"] - inputs["params"]).mean())
    return usual


# Numbers of a question that are counts of a run, and have its plausible range.
_COUNTS = {"as_good_as": "params", "max_tokens": "tokens"}


def positive(**values: float) -> None:
    """Raise a `BayescaleError` for the first value that is not positive, or no plausible count."""
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise BayescaleError(f"{name}={value:g}: must be a positive number")
        column = COLUMNS.get(_COUNTS.get(name, name))
        rule = column.rule(value) if column else None
        if rule is not None:
            raise BayescaleError(f"{name}={value:g}: {rule}")


def check_repeats(curve: Curve, unique_tokens: float | None) -> None:
    """Raise a `BayescaleError` if unique tokens are given to a law that does not see them."""
    if unique_tokens is None:
        return
    positive(unique_tokens=unique_tokens)
    if not curve.sees_repeats:
        raise BayescaleError(
            f"unique_tokens={unique_tokens:g}: the law {curve.law.name} does not know repeated "
            "tokens; use data-constrained, or --published muennighoff-2023"
        )
