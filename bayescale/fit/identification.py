"""Identification: what a table of runs cannot tell about a law, said before anything is sampled."""

from __future__ import annotations

import numpy as np
import scipy  # its parts load when first used
import xarray as xr

from bayescale.base.notes import Note
from bayescale.base.numbers import human
from bayescale.model.design import Design
from bayescale.model.odds import of_law
from bayescale.model.priors import quantile
from bayescale.model.spec import Spec
from bayescale.runs.columns import COLUMNS

# Spread of a logarithm, in e-folds, below which its runs have one value.
_ONE_VALUE = 0.02
# Share of the response's mean below which its spread is none.
_EQUAL = 1e-6
# Of the slope over its standard error, from which on a response rises or falls.
_TREND = 2.0
_FROM_PRIOR = "read what depends on it as the prior's, or add runs that vary in it"


def identification_notes(spec: Spec, design: Design) -> list[Note]:
    """What the inputs and responses of these runs leave open, whatever the sampler finds.

    Returns
    -------
    list of Note
        `few-runs`, `unidentified`, `constant-response`, `rising-response`, `falling-response`,
        `falling-law`.
    """
    notes = [*_few(spec, design), *_inputs(spec, design)]
    response = design.data["response"]
    for column in response.transpose("run", ...).to_numpy().reshape(len(response), -1).T:
        notes += _responses(spec, design, column)
    return list({str(note): note for note in notes}.values())


def _few(spec: Spec, design: Design) -> list[Note]:
    runs, parameters = design.data.sizes["run"], len(spec.law.parameters)
    if runs > parameters:
        return []
    return [
        Note(
            "few-runs",
            "warning",
            f"{runs} {'run' if runs == 1 else 'runs'} for the {parameters} parameters of "
            f"{spec.law.title}: what they do not fix comes from the priors",
            "add runs, or use a law with fewer parameters",
        )
    ]


def _inputs(spec: Spec, design: Design) -> list[Note]:
    """Inputs that do not vary, or vary along one line only: the first that holds is said."""
    if design.data.sizes["run"] == 1:
        return []
    if not spec.law.takes_compute:
        return _single_values(spec, design)
    params, tokens = (design.data[name].to_numpy() for name in ("params", "tokens"))
    size, length = design.centre["params"], design.centre["tokens"]
    if spec.law.compute_only:
        one_budget = np.ptp(params + tokens) < _ONE_VALUE
        what = f"all runs took {human(6 * size * length)} FLOP: what compute does"
        return [_unidentified(what)] if one_budget else []
    one_size, one_length = (np.ptp(values) < _ONE_VALUE for values in (params, tokens))
    cases = {
        "all runs have one size and one token count: what either does": one_size and one_length,
        f"all runs have {human(size)} parameters: what their number does": one_size,
        f"all runs have {human(length)} tokens: what their number does": one_length,
        _one_line(f"all runs have {human(length / size)} tokens per parameter"): (
            np.ptp(tokens - params) < _ONE_VALUE
        ),
        _one_line("parameters and tokens grow together in all runs"): (
            not (one_size or one_length) and _collinear(params, tokens)
        ),
    }
    return [_unidentified(what) for what, holds in cases.items() if holds][:1]


def _single_values(spec: Spec, design: Design) -> list[Note]:
    """Inputs that do not vary."""
    notes = []
    for name, column in spec.inputs.items():
        values = design.data[name].to_numpy()
        if np.ptp(values) < (1e-12 if column.scale == "linear" else _ONE_VALUE):
            value = human(float(column.unscaled(values[0]) * design.centre[name]))
            notes.append(_unidentified(f"all runs have {name} {value}: what it does"))
    return notes


def _collinear(params: np.ndarray, tokens: np.ndarray) -> bool:
    return bool(np.abs(np.corrcoef(params, tokens)[0, 1]) > 1 - _ONE_VALUE**2)


def _one_line(what: str) -> str:
    text = f"{what}: only their effect together, along that line, is learnt; how it splits between"
    return f"{text} parameters and tokens"


def _unidentified(what: str) -> Note:
    return Note("unidentified", "warning", f"{what} comes from the prior", _FROM_PRIOR)


def _responses(spec: Spec, design: Design, response: np.ndarray) -> list[Note]:
    if len(response) < 2:
        return []
    if np.ptp(response) < _EQUAL * np.abs(response.mean()):
        return [
            Note(
                "constant-response",
                "warning",
                f"all {spec.response} are {response[0]:.6g}: the runs show no effect of scale",
                "check the column",
            )
        ]
    if not spec.law.takes_compute:
        return []
    compute = (design.data["params"] + design.data["tokens"]).to_numpy()
    enough = len(response) > 2 and np.ptp(compute) >= _ONE_VALUE
    return _trend(spec, design, compute, response) if enough else []


def _trend(spec: Spec, design: Design, compute: np.ndarray, response: np.ndarray) -> list[Note]:
    """A response that gets worse with compute, or better where the law cannot."""
    line = scipy.stats.linregress(compute, response)
    if abs(line.slope) < _TREND * line.stderr or line.slope == 0:
        return []
    rises, column = line.slope > 0, COLUMNS[spec.response]
    change = f"by {abs(line.slope) * np.log(10):.2g} a decade"
    if rises and column.better == "lower":
        return [
            Note(
                "rising-response",
                "warning",
                f"{spec.response} rises with compute ({change}), which no shipped law can follow: "
                "its exponents are positive",
                "is it an accuracy, or were the largest runs trained badly? check the column",
            )
        ]
    if not rises and column.better == "higher":
        return [
            Note(
                "falling-response",
                "warning",
                f"{spec.response} falls with compute ({change}), and higher is better",
                "is it an error, or were the largest runs trained badly? check the column",
            )
        ]
    ends = design.data.isel(run=[int(compute.argmin()), int(compute.argmax())])
    return _falling_law(spec, ends) if rises else []


def _falling_law(spec: Spec, ends: xr.Dataset) -> list[Note]:
    """That a law falls with compute where the response rises, as all do that were made for losses.

    It is judged at the medians of the priors, between the runs of least and of most compute.
    """
    theta = {p.name: quantile(spec.priors[p.name], [0.5])[0] for p in spec.law.parameters}
    x = {name: ends[name].to_numpy() for name in spec.law.inputs}
    few, many = of_law(spec, spec.law.mean(x, theta, np))
    if not many < few:
        return []
    bounds = "" if COLUMNS[spec.response].scale == "logit" else " and bounds = [FLOOR, CEILING]"
    return [
        Note(
            "falling-law",
            "warning",
            f"{spec.response} rises with compute, and {spec.law.name} falls",
            f'let it be the law of the odds: law_of = "odds"{bounds} in the spec, and noise.on = '
            '"logit"',
        )
    ]
