"""Prior: what a spec expects before any data, and priors made from what an expert expects.

Every law is centred on its data, so what its priors say of the centre's surroundings does not
depend on where that centre is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when first used
import xarray as xr
from scipy.special import expit

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import check_prob
from bayescale.base.need import need
from bayescale.base.numbers import percent
from bayescale.base.seeds import random
from bayescale.base.settings import PROB
from bayescale.model import priors
from bayescale.model.design import design
from bayescale.model.odds import of_law
from bayescale.model.parts import DISTRIBUTIONS, Prior
from bayescale.model.spec import Spec
from bayescale.predictive.predictive import Predictive
from bayescale.runs.table import Runs

_DRAWS = 2000
_FACTOR = 10
# Where a table's centre may be; what follows is relative to it.
_CENTRE = {"params": 1e9, "tokens": 2e10}
# A prior of PreliZ holds this much more or less than what was asked for, at most.
_TOLERANCE = 0.02
# Ends between which a parameter is looked for, by its support, from a number of any size.
_ENDS = {"real": 12.0, "positive": 14.0, "unit": 14.0}
_FROM_ANY = {"real": np.sinh, "positive": np.exp, "unit": expit}


def changes(spec: Spec, seed: int = 0) -> xr.Dataset:
    """Change of the curve where one input grows tenfold, all else at the data's centre.

    Returns
    -------
    Dataset
        A variable for each input of the law, as shares of the response: (draw[, corpus]). More
        tokens are new ones.
    """
    theta = {
        parameter.name: _drawn(parameter.name, spec.priors[parameter.name], spec, seed)
        for parameter in spec.law.parameters
    }
    return xr.Dataset({name: _change(spec, theta, name) for name in asked(spec)})


def asked(spec: Spec) -> list[str]:
    """The inputs of a spec's law that can grow by themselves."""
    return [
        name
        for name, column in spec.inputs.items()
        if name != "unique_tokens" and column.scale == "log"
    ]


def _middle(spec: Spec) -> dict[str, float]:
    """A value of each input of a spec's law in the middle of what is plausible."""
    usual = {**_CENTRE, "unique_tokens": _CENTRE["tokens"]}
    return {name: usual.get(name, column.middle) for name, column in spec.inputs.items()}


def _drawn(name: str, prior: Prior, spec: Spec, seed: int) -> xr.DataArray:
    shape = {"draw": _DRAWS} | ({"corpus": len(spec.corpora)} if prior.by == "corpus" else {})
    shares = random(seed, "expected", name).uniform(size=int(np.prod(list(shape.values()))))
    values = priors.quantile(prior, shares.tolist()).reshape(tuple(shape.values()))
    return xr.DataArray(values, dims=tuple(shape))


def _change(spec: Spec, theta: Mapping[str, Any], name: str) -> Any:
    grown = {name, "unique_tokens"} if name == "tokens" else {name}
    more = {each: np.log(_FACTOR) * (each in grown) for each in spec.law.inputs}
    centre = dict.fromkeys(spec.law.inputs, 0.0)
    if not spec.law.centred:
        centre = {name: float(spec.inputs[name].scaled(at)) for name, at in _middle(spec).items()}
    grown_to = {each: centre[each] + more[each] for each in centre}
    after, before = (of_law(spec, spec.law.mean(x, theta, np)) for x in (grown_to, centre))
    return after / before - 1


def along_compute(spec: Spec, seed: int = 0) -> tuple[np.ndarray, Predictive]:
    """The predictive distribution under the prior, for runs of new groups.

    Returns
    -------
    compute : ndarray (run)
        Compute relative to the data's centre, from 1/1000 to 1000 times, N and D growing alike; of
        a law that takes none, its first input on a log scale.
    Predictive
        At these points.
    """
    compute = np.geomspace(1e-3, 1e3, 49)
    frame = pd.DataFrame(_middle(spec), index=range(len(compute)))
    if spec.law.takes_compute:
        for name in ("params", "tokens"):
            frame[name] *= compute**0.5
        frame["unique_tokens"] = frame["tokens"]
    else:
        first = asked(spec)[0]
        low, high = spec.inputs[first].low, spec.inputs[first].high
        frame[first] = (frame[first] * compute).clip(low, high)
    runs = Runs.from_frame(
        frame.assign(**dict.fromkeys(spec.columns, 1.0), **dict.fromkeys(spec.named_groups, "new"))
    )
    arrays = design(spec, runs)
    draws = priors.draws(spec, arrays, _DRAWS, seed)
    return compute, Predictive.of_prior(spec, draws, arrays, seed)


def elicited(
    spec: Spec, parameter: str, name: str, change: tuple[float, float], prob: float = PROB
) -> Prior:
    """The prior of a parameter for which a tenfold input changes the response as expected.

    The ends of the expected change are put down to this parameter alone, the others at the
    medians of their priors. Of all priors of the same kind that hold `prob` between what follows,
    PreliZ takes the one of maximum entropy.

    Parameters
    ----------
    spec : Spec
    parameter : str
        Of the law.
    name : str
        An input of the law.
    change : tuple of float
        Two changes, as shares of the response: (-0.09, -0.03) where it falls by 3 to 9 %.
    prob : float

    Raises
    ------
    BayescaleError
        If no value of the parameter, or no prior of its kind, does that.
    """
    preliz = need("preliz", extra="priors", purpose="a prior from what is expected")
    check_prob(prob)
    low, high = sorted(_solved(spec, parameter, name, each) for each in change)
    old = spec.priors[parameter]
    fixed = {"nu": old.arguments["nu"]} if "nu" in old.arguments else {}
    distribution = getattr(preliz, old.dist)(**fixed)
    with np.errstate(all="ignore"):
        preliz.maxent(distribution, low, high, prob, plot=False)
    arguments = {key: float(getattr(distribution, key)) for key in DISTRIBUTIONS[old.dist][0]}
    prior = Prior.model_validate({"dist": old.dist, "by": old.by, **arguments})
    held = float(distribution.cdf(high) - distribution.cdf(low))
    if abs(held - prob) > _TOLERANCE:
        raise BayescaleError(
            f"{parameter} from {low:.3g} to {high:.3g}: no {old.dist} holds {percent(prob)} there, "
            f"the closest {percent(held)}; give it a prior with two parameters in the spec"
        )
    return prior


def _solved(spec: Spec, parameter: str, name: str, change: float) -> float:
    """The value of a parameter that makes a change, the others at their priors' medians."""
    middle = {
        each.name: float(priors.quantile(spec.priors[each.name], [0.5])[0])
        for each in spec.law.parameters
    }
    support = spec.law.parameter(parameter).support
    end, from_any = _ENDS[support], _FROM_ANY[support]

    def excess(any_number: float) -> float:
        value = float(from_any(any_number))
        return float(_change(spec, middle | {parameter: value}, name)) - change

    with np.errstate(all="ignore"):
        ends = [excess(-end), excess(end)]
        if not (np.isfinite(ends).all() and min(ends) < 0 < max(ends)):
            possible = sorted(each + change for each in ends)
            raise BayescaleError(
                f"{parameter}: no value makes a tenfold {name} change {spec.response} by "
                f"{percent(change)} where the other parameters are at the medians of their "
                f"priors; it can do {percent(possible[0])} to {percent(possible[1])}"
            )
        return float(from_any(scipy.optimize.brentq(excess, -end, end)))
