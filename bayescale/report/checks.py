"""Checks of a fit: each with its finding, what is wanted, a status and a recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from warnings import catch_warnings, filterwarnings

import arviz_stats
import numpy as np
import xarray as xr

from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.evaluation.uniformity import Smooth, smooth_test
from bayescale.fit.fit import Fit
from bayescale.model.design import design
from bayescale.predictive.predictive import Predictive
from bayescale.report.sensitivity import PRECISION_MOST, WIDTHS_MOST, sensitivities
from bayescale.report.sentences import sentence
from bayescale.sampling.convergence import ESS_LEAST, R_HAT_MOST

Status = Literal["passed", "attention", "failed", "unknown"]

_K_MOST = 0.7
# Prior standard deviations by which a posterior mean may shift before a reader is told.
_SHIFT_MOST = 2.0
# How often the leave-one-out predictions of a model that is right may be called uneven.
_UNEVEN = 0.05
# Component of the test of leave-one-out predictions, and whether it is positive, to a sentence.
_MISFITS = {
    ("bias", True): "too_low",
    ("bias", False): "too_high",
    ("dispersion", True): "too_narrow",
    ("dispersion", False): "too_wide",
}
# Draws for importance weights: more change no decimal that is shown.
_DRAWS = 1000


@dataclass(frozen=True)
class Check:
    """A check; `kind` is stable, for programs."""

    kind: str
    name: str
    status: Status
    found: str
    wanted: str
    recommendation: str


def checks(
    fit: Fit, predictions: Sequence[Mapping[str, Any]], history: Mapping[str, Any]
) -> list[dict[str, str]]:
    """All checks of a fit, in the order of a report.

    Parameters
    ----------
    fit : Fit
    predictions : sequence of mapping
        The forecasts of the report, with `run`, `decades_outside` and `priors`.
    history : mapping
        The backtest on the fit's own runs, as the report has it.
    """
    tree = _tree(fit)
    results = [
        _convergence(fit),
        _shift(fit),
        _sensitivity(fit),
        _of_forecasts(predictions),
        *_leave_one_out(tree),
        _distance(predictions),
        _coverage(history),
    ]
    return [asdict(check) for check in results]


def _check(kind: str, status: Status, found: str, **wanted: Any) -> Check:
    return Check(
        kind,
        sentence(f"checks.{kind}.name"),
        status,
        found,
        sentence(f"checks.{kind}.wanted", **wanted),
        sentence(f"checks.{kind}.{status}"),
    )


def _found(kind: str, **values: Any) -> str:
    return sentence(f"checks.{kind}.found", **values)


def _convergence(fit: Fit) -> Check:
    c = fit.convergence
    found = _found(
        "convergence",
        r_hat=f"{c.r_hat:.4f}",
        bulk=f"{c.ess_bulk:.0f}",
        tail=f"{c.ess_tail:.0f}",
        worst=c.worst,
        divergences=c.divergences,
    )
    status: Status = "passed" if c.passed else "failed"
    return _check("convergence", status, found, r_hat=R_HAT_MOST, ess=ESS_LEAST)


def _shift(fit: Fit) -> Check:
    """Largest distance of a posterior mean from its prior mean, in prior standard deviations."""
    shifts = {
        name: float(
            np.abs(fit.posterior[name].mean(SAMPLE_DIMS) - fit.prior[name].mean(SAMPLE_DIMS)).max()
            / fit.prior[name].std(SAMPLE_DIMS).max()
        )
        for name in fit.spec.all_priors()
    }
    worst = max(shifts, key=lambda name: shifts[name])
    status: Status = "passed" if shifts[worst] <= _SHIFT_MOST else "attention"
    found = _found("shift", most=f"{shifts[worst]:.1f}", worst=worst)
    return _check("shift", status, found, most=f"{_SHIFT_MOST:g}")


def _tree(fit: Fit) -> xr.DataTree | None:
    """Groups of some draws, as ArviZ takes them for leave-one-out.

    `posterior` of the parameters with a prior (chain, draw), `log_likelihood` and
    `posterior_predictive` (chain, draw, run), `observed_data` (run); None with several corpora.
    """
    if fit.spec.corpora:
        return None
    step = max(1, fit.posterior.sizes["draw"] * fit.posterior.sizes["chain"] // _DRAWS)
    posterior = fit.posterior.isel(draw=slice(None, None, step))
    runs = Predictive.of_design(fit.spec, posterior, design(fit.spec, fit.runs), fit.seed)
    groups = {
        "posterior": posterior[list(fit.spec.all_priors())],
        "log_likelihood": runs.log_likelihood(runs.observed).to_dataset(name="response"),
        "posterior_predictive": runs.replicates().to_dataset(name="response"),
        "observed_data": runs.observed.to_dataset(name="response"),
    }
    return xr.DataTree.from_dict({name: xr.DataTree(data) for name, data in groups.items()})


def _sensitivity(fit: Fit) -> Check:
    """Whether the priors decide a published constant more than the runs do."""
    every = sensitivities(fit)
    worst, high = every[0], [one.name for one in every if one.high]
    found = _found(
        "sensitivity",
        worst=worst.name,
        precision=percent(min(max(worst.precision, 0), 1)),
        shift=f"{worst.shift:.2f}",
        above=len(high),
        count=len(every),
    )
    wanted = {"precision": percent(PRECISION_MOST), "shift": WIDTHS_MOST}
    return _check("sensitivity", "attention" if high else "passed", found, **wanted)


def _of_forecasts(predictions: Sequence[Mapping[str, Any]]) -> Check:
    """Whether the priors move a forecast; far from the data they decide much of its width."""
    worst = max(predictions, key=lambda row: row["priors"]["shift"])
    shift = worst["priors"]["shift"]
    found = _found(
        "forecasts",
        worst=worst["run"],
        precision=percent(min(max(worst["priors"]["precision"], 0), 1)),
        shift=f"{shift:.2f}",
    )
    status: Status = "passed" if shift <= WIDTHS_MOST else "attention"
    return _check("forecasts", status, found, shift=WIDTHS_MOST)


def _leave_one_out(tree: xr.DataTree | None) -> list[Check]:
    """Two checks: whether runs are predicted well by the others, and whether PSIS can tell."""
    if tree is None:
        return [
            _check("predictive", "unknown", sentence("no_number"), least=_UNEVEN),
            _check("pareto", "unknown", sentence("no_number"), limit=_K_MOST),
        ]
    with catch_warnings():
        # The check of Pareto k says what this warning says, and of which run.
        filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        loo = arviz_stats.loo(tree, pointwise=True)
    weights = {"log_weights": loo.log_weights, "pareto_k": loo.pareto_k}
    named = {name: values.to_dataset(name="response") for name, values in weights.items()}
    pit = arviz_stats.loo_pit(tree, **named)["response"]
    return [_predictive(smooth_test(pit.to_numpy()), pit.size), _pareto(loo.pareto_k)]


def _predictive(test: Smooth, count: int) -> Check:
    even = test.p_value >= _UNEVEN
    misfit = "even" if even else _MISFITS.get((test.component, test.positive), "shape")
    verdict = sentence(f"checks.predictive.{misfit}")
    found = _found("predictive", verdict=verdict, p=f"{test.p_value:.2g}", count=count)
    status: Status = "passed" if even else "attention"
    return _check("predictive", status, found, least=_UNEVEN)


def _pareto(k: xr.DataArray) -> Check:
    worst = str(k["run"].to_numpy()[int(np.argmax(k.to_numpy()))])
    above = int((k > _K_MOST).sum())
    most = f"{float(k.max()):.2f}"
    found = _found("pareto", most=most, worst=worst, above=above, count=k.size, limit=_K_MOST)
    return _check("pareto", "attention" if above else "passed", found, limit=_K_MOST)


def _distance(predictions: Sequence[Mapping[str, Any]]) -> Check:
    far = max(predictions, key=lambda row: row["decades_outside"])
    found = _found("distance", most=f"{far['decades_outside']:.2f}", worst=far["run"])
    return _check("distance", "attention" if far["decades_outside"] else "passed", found)


def _coverage(history: Mapping[str, Any]) -> Check:
    prob = percent(PROB)
    if history["refused"]:
        return _check("coverage", "unknown", history["refused"], prob=prob)
    found = _found(
        "coverage",
        held=percent(history["pooled_coverage"]["90"]),
        predictions=history["predictions"],
        runs=history["runs"],
    )
    trusted = history["passed"] and not history["notes"]
    return _check("coverage", "passed" if trusted else "attention", found, prob=prob)
