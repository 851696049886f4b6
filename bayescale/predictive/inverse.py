"""Invert: the compute, tokens or parameters that reach a target with a stated probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS, check_prob
from bayescale.base.notes import Note
from bayescale.base.settings import PROB
from bayescale.model.design import centred
from bayescale.predictive.distance import distance, extrapolation_note
from bayescale.predictive.groups import Fitted, effects_at, resolve
from bayescale.predictive.predict import Kind, check_kind, responses
from bayescale.runs.table import Runs

# How far from the data's centre a solution is sought, in e-folds of compute.
_SPAN = 12 * np.log(10)


@dataclass(frozen=True, eq=False)
class Inverse:
    """What it takes to reach a target with a stated probability.

    Attributes
    ----------
    target, prob, kind
        As asked.
    params, tokens : float or None
        The smallest that do; None where nothing does, or where the law leaves the split free.
    flops : float or None
        6 N D, in FLOP; None where nothing within 12 decades of the data does.
    most_probable : float
        The largest probability of reaching the target within 12 decades of the data.
    draws : DataArray
        (chain, draw): FLOP at which each draw reaches the target, infinite where it never does.
    notes : list of Note
    """

    target: float
    prob: float
    kind: Kind
    params: float | None
    tokens: float | None
    flops: float | None
    most_probable: float
    draws: xr.DataArray
    notes: list[Note]

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values, without its draws."""
        kept = ("target", "prob", "kind", "params", "tokens", "flops", "most_probable")
        said = {name: getattr(self, name) for name in kept}
        return {**said, "notes": [note.to_dict() for note in self.notes]}


@dataclass(frozen=True)
class _Path:
    """A line in the plane of centred (ln N, ln D), by t = ln N + ln D: ln N = a + b t."""

    a: float
    b: float

    def __call__(self, t: Any) -> dict[str, Any]:
        params = self.a + self.b * t
        # Unique tokens have the centre of tokens: every token is new.
        return {"params": params, "tokens": t - params, "unique_tokens": t - params}


def invert(
    fit: Fitted,
    target: float,
    *,
    params: float | None = None,
    tokens: float | None = None,
    tokens_per_param: float | None = None,
    groups: Mapping[str, str] | None = None,
    corpus: str | None = None,
    prob: float = PROB,
    kind: Kind = "run",
) -> Inverse:
    """The least compute whose response lies at or below `target` with probability `prob`.

    Give one of `params` (then tokens are solved for), `tokens` (then parameters) or
    `tokens_per_param` (then both); a law of compute alone needs none. Every draw is solved
    within 12 decades of compute on either side of the data's centre.

    Parameters
    ----------
    fit : Fit
    target : float
        In the unit of the fit's response.
    params, tokens, tokens_per_param : float, optional
        Parameters as the law sees them, tokens, and their ratio.
    groups : mapping, optional
        Group to label, as for a point of a prediction.
    corpus : str, optional
        Which one must reach the target, for a fit of several.
    prob : float
    kind : {"curve", "run"}

    Raises
    ------
    BayescaleError
        If the question is incomplete or has no answer to give.
    """
    check_kind(kind)
    check_prob(prob)
    path = _path(fit, target, params, tokens, tokens_per_param)
    _check_corpus(fit, corpus)
    point = Runs.from_frame(
        pd.DataFrame([{"run": "answer", "params": 1e9, "tokens": 1e9, **(groups or {})}])
    )
    labels, notes = resolve(fit, point)
    values, index = effects_at(fit, labels)

    def excess(t: xr.DataArray) -> xr.DataArray:
        here = path(t.expand_dims(run=["answer"]))
        response = responses(fit, values, {**here, **index}, kind).isel(run=0, drop=True)
        if corpus is not None:
            response = response.sel(corpus=corpus, drop=True)
        return response - target

    sizes_of = fit.posterior.sizes
    like = xr.DataArray(np.zeros([sizes_of[dim] for dim in SAMPLE_DIMS]), dims=SAMPLE_DIMS)
    t = _solve(excess, like)
    origin = sum(np.log(fit.centre[name]) for name in ("params", "tokens"))
    flops = 6 * np.exp(t + origin)
    sizes = {"params": params, "tokens": tokens, "tokens_per_param": tokens_per_param}
    found = answer(flops, target=target, prob=prob, kind=kind, sizes=sizes, notes=notes)
    if found.params is None or found.tokens is None:
        return found
    logs = {"params": ("run", [np.log(found.params)]), "tokens": ("run", [np.log(found.tokens)])}
    asked = centred(xr.Dataset(logs, coords={"run": ["answer"]}), fit.centre)
    return replace(found, notes=notes + extrapolation_note(fit, distance(fit, asked)))


def answer(
    flops: xr.DataArray,
    *,
    target: float,
    prob: float,
    kind: Kind,
    sizes: Mapping[str, float | None],
    notes: list[Note],
) -> Inverse:
    """The inverse, from the FLOP at which each draw reaches the target.

    Parameters
    ----------
    flops : DataArray
        (chain, draw): 0 where 12 decades below the data would do, infinite where nothing does.
    target, prob, kind
        As asked.
    sizes : mapping
        The one of `params`, `tokens` and `tokens_per_param` that was given.
    notes : list of Note
    """
    needed = float(flops.quantile(prob, dim=SAMPLE_DIMS, method="inverted_cdf"))
    if needed == 0:
        raise BayescaleError(
            f"target={target:g}: reached even 12 decades below the data; ask for a lower one"
        )
    params, tokens, ratio = (sizes.get(n) for n in ("params", "tokens", "tokens_per_param"))
    reached = np.isfinite(needed)
    if reached and params is not None:
        tokens = needed / 6 / params
    elif reached and tokens is not None:
        params = needed / 6 / tokens
    elif reached and ratio is not None:
        params = float(np.sqrt(needed / 6 / ratio))
        tokens = params * ratio
    return Inverse(
        target=target,
        prob=prob,
        kind=kind,
        params=params if reached else None,
        tokens=tokens if reached else None,
        flops=needed if reached else None,
        most_probable=float(np.isfinite(flops).mean()),
        draws=flops,
        notes=notes,
    )


def _solve(excess: Callable[[xr.DataArray], xr.DataArray], like: xr.DataArray) -> xr.DataArray:
    """The t at which each draw's excess over the target is 0; infinite where it always exceeds,
    minus infinite where it never does."""
    from scipy.optimize import elementwise  # noqa: PLC0415 - half a second, not for predictions

    def at(t: np.ndarray) -> np.ndarray:
        return excess(like.copy(data=t.reshape(like.shape))).to_numpy().ravel()

    low, high = np.full(like.size, -_SPAN), np.full(like.size, _SPAN)
    already, never = at(low) <= 0, at(high) > 0
    draws = np.flatnonzero(~(already | never))
    # SciPy asks for fewer and fewer draws; the rest stay where they are.
    everywhere = np.zeros(like.size)

    def some(t: np.ndarray, which: np.ndarray) -> np.ndarray:
        everywhere[which] = t
        return at(everywhere)[which]

    t = np.where(already, -np.inf, np.inf)
    if len(draws):
        t[draws] = elementwise.find_root(some, (low[draws], high[draws]), args=(draws,)).x
    return like.copy(data=t.reshape(like.shape))


def _path(
    fit: Fitted,
    target: float,
    params: float | None,
    tokens: float | None,
    tokens_per_param: float | None,
) -> _Path:
    given = {"params": params, "tokens": tokens, "tokens_per_param": tokens_per_param}
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, value in {"target": target, **chosen}.items():
        if not (np.isfinite(value) and value > 0):
            raise BayescaleError(f"{name}={value:g}: must be a positive number")
    if len(chosen) > 1:
        raise BayescaleError(f"give one of {', '.join(given)}, not {' and '.join(chosen)}")
    if not chosen and not fit.spec.law.compute_only:
        raise BayescaleError(
            f"the law {fit.spec.law.name} needs the split: give one of {', '.join(given)}"
        )
    origin = {name: np.log(value) for name, value in fit.centre.items()}
    if params is not None:
        return _Path(np.log(params) - origin["params"], 0.0)
    if tokens is not None:
        return _Path(origin["tokens"] - np.log(tokens), 1.0)
    ratio = np.log(tokens_per_param or 1.0)
    return _Path((origin["tokens"] - origin["params"] - ratio) / 2, 0.5)


def _check_corpus(fit: Fitted, corpus: str | None) -> None:
    corpora = fit.spec.corpora
    if corpora and corpus not in corpora:
        raise BayescaleError(f"corpus={corpus!r}: this fit needs one of {', '.join(corpora)}")
    if corpus is not None and not corpora:
        raise BayescaleError(f"corpus={corpus!r}: this fit has no corpora; leave it out")
