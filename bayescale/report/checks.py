"""Checks of a fit: each with what was found, what is wanted, a status and a recommendation."""

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
from bayescale.fit.fit import Fit
from bayescale.model.design import design
from bayescale.model.priors import log_density as log_prior
from bayescale.predictive.predictive import Predictive
from bayescale.report.sentences import sentence
from bayescale.sampling.convergence import ESS_LEAST, R_HAT_MOST

Status = Literal["passed", "attention", "failed", "unknown"]

# Kallioinen et al. 2024 (arXiv 2107.14054): above this a posterior follows a change of the power.
_SENSITIVE = 0.05
_K_MOST = 0.7
# Prior standard deviations by which a posterior mean may move before a reader is told.
_SHIFT_MOST = 2.0
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
    fit: Fit, predictions: Sequence[Mapping[str, Any]], inside: float, history: Mapping[str, Any]
) -> list[dict[str, str]]:
    """All checks of a fit, in the order of a report."""
    weighed = _weighed(fit)
    found = [
        _convergence(fit),
        _shift(fit),
        _sensitivity(weighed),
        _predictive(inside, len(fit.runs)),
        _pareto(weighed),
        _distance(predictions),
        _coverage(history),
    ]
    return [asdict(check) for check in found]


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


def _weighed(fit: Fit) -> xr.DataTree | None:
    """Posterior, log prior and log likelihood of few draws; None with a discrepancy."""
    if fit.spec.discrepancy or fit.spec.corpora:
        return None
    step = max(1, fit.posterior.sizes["draw"] * fit.posterior.sizes["chain"] // _DRAWS)
    posterior = fit.posterior.isel(draw=slice(None, None, step))
    inside = Predictive.of_design(fit.spec, posterior, design(fit.spec, fit.runs), fit.seed)
    priors = fit.spec.all_priors()
    groups = {
        "posterior": posterior[list(priors)],
        "log_likelihood": inside.log_likelihood(inside.observed).to_dataset(name="response"),
        "log_prior": xr.Dataset({n: log_prior(p, posterior[n]) for n, p in priors.items()}),
    }
    return xr.DataTree.from_dict({name: xr.DataTree(data) for name, data in groups.items()})


def _sensitivity(weighed: xr.DataTree | None) -> Check:
    if weighed is None:
        return _check("sensitivity", "unknown", sentence("no_number"), most=_SENSITIVE)
    said = arviz_stats.psense(weighed, group="prior")
    values = {str(name): float(value) for name, value in said.data_vars.items()}
    worst = max(values, key=lambda name: values[name])
    above = sum(value > _SENSITIVE for value in values.values())
    most = f"{values[worst]:.3f}"
    found = _found("sensitivity", most=most, worst=worst, above=above, count=len(values))
    status: Status = "attention" if above else "passed"
    return _check("sensitivity", status, found, most=_SENSITIVE)


def _predictive(inside: float, runs: int) -> Check:
    # In sample more than the nominal share is normal; less than two errors below it is not.
    least = PROB - 2 * np.sqrt(PROB * (1 - PROB) / runs)
    found = _found("predictive", inside=percent(inside), prob=percent(PROB))
    status: Status = "passed" if inside >= least else "attention"
    return _check("predictive", status, found, least=percent(least))


def _pareto(weighed: xr.DataTree | None) -> Check:
    if weighed is None:
        return _check("pareto", "unknown", sentence("no_number"), limit=_K_MOST)
    with catch_warnings():
        # The check itself says what this warning says, and of which run.
        filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        k = arviz_stats.loo(weighed, pointwise=True).pareto_k
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
