"""Checks of a fit: each with what was found, what is wanted, a status and a recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from warnings import catch_warnings, filterwarnings

import arviz_stats
import numpy as np
import xarray as xr

from bayescale.conditioning import inputs_at
from bayescale.convergence import ESS_LEAST, R_HAT_MOST
from bayescale.design import design
from bayescale.fit import Fit
from bayescale.intervals import SAMPLE_DIMS
from bayescale.noise import log_density
from bayescale.numbers import percent
from bayescale.predictor import curve
from bayescale.priors import log_density as log_prior
from bayescale.report.sentences import say
from bayescale.settings import PROB

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


def _check(kind: str, status: Status, found: str, wanted: str) -> Check:
    name = say(f"checks.{kind}.name")
    return Check(kind, name, status, found, wanted, say(f"checks.{kind}.{status}"))


def _convergence(fit: Fit) -> Check:
    c = fit.convergence
    found = (
        f"R-hat {c.r_hat:.4f}; {c.ess_bulk:.0f} effective draws (bulk, worst {c.worst}), "
        f"{c.ess_tail:.0f} (tail); {c.divergences} divergences"
    )
    wanted = f"R-hat at most {R_HAT_MOST}; at least {ESS_LEAST} effective draws; 0 divergences"
    return _check("convergence", "passed" if c.passed else "failed", found, wanted)


def _shift(fit: Fit) -> Check:
    """How far the data moved each parameter's mean, in standard deviations of its prior."""
    moved = {
        name: float(
            np.abs(fit.posterior[name].mean(SAMPLE_DIMS) - fit.prior[name].mean(SAMPLE_DIMS)).max()
            / fit.prior[name].std(SAMPLE_DIMS).max()
        )
        for name in fit.spec.all_priors()
    }
    worst = max(moved, key=lambda name: moved[name])
    status: Status = "passed" if moved[worst] <= _SHIFT_MOST else "attention"
    found = f"{moved[worst]:.1f} prior standard deviations ({worst})"
    return _check("shift", status, found, f"at most {_SHIFT_MOST:g}")


def _weighed(fit: Fit) -> xr.DataTree | None:
    """Posterior, log prior and log likelihood of few draws; None with a discrepancy."""
    if fit.spec.discrepancy or fit.spec.corpora:
        return None
    step = max(1, fit.posterior.sizes["draw"] * fit.posterior.sizes["chain"] // _DRAWS)
    posterior = fit.posterior.isel(draw=slice(None, None, step))
    x = inputs_at(design(fit.spec, fit.runs).data, posterior)
    mean = curve(fit.spec, posterior, x, np).transpose(*SAMPLE_DIMS, "run")
    priors = fit.spec.all_priors()
    groups = {
        "posterior": posterior[list(priors)],
        "log_likelihood": log_density(fit.spec, posterior, mean, x["response"])
        .transpose(*SAMPLE_DIMS, "run")
        .to_dataset(name="response"),
        "log_prior": xr.Dataset({n: log_prior(p, posterior[n]) for n, p in priors.items()}),
    }
    return xr.DataTree.from_dict({name: xr.DataTree(data) for name, data in groups.items()})


def _sensitivity(weighed: xr.DataTree | None) -> Check:
    wanted = f"psense at most {_SENSITIVE} to the prior"
    if weighed is None:
        return _check("sensitivity", "unknown", say("no_number"), wanted)
    said = arviz_stats.psense(weighed, group="prior")
    values = {str(name): float(value) for name, value in said.data_vars.items()}
    worst = max(values, key=lambda name: values[name])
    value, count = values[worst], sum(one > _SENSITIVE for one in values.values())
    found = f"{value:.3f} to the prior ({worst}); {count} of {len(values)} above"
    return _check("sensitivity", "passed" if value <= _SENSITIVE else "attention", found, wanted)


def _predictive(inside: float, runs: int) -> Check:
    # In sample more than the nominal share is normal; less than two errors below it is not.
    least = PROB - 2 * np.sqrt(PROB * (1 - PROB) / runs)
    found = f"{percent(inside)} of runs inside their own {percent(PROB)} interval"
    status: Status = "passed" if inside >= least else "attention"
    return _check("predictive", status, found, f"at least {percent(least)}")


def _pareto(weighed: xr.DataTree | None) -> Check:
    wanted = f"every run at most {_K_MOST}"
    if weighed is None:
        return _check("pareto", "unknown", say("no_number"), wanted)
    with catch_warnings():
        # The check itself says what this warning says, and of which run.
        filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        k = arviz_stats.loo(weighed, pointwise=True).pareto_k
    worst = str(k["run"].to_numpy()[int(np.argmax(k.to_numpy()))])
    above = int((k > _K_MOST).sum())
    found = f"largest {float(k.max()):.2f} ({worst}); {above} of {k.size} above {_K_MOST}"
    return _check("pareto", "passed" if above == 0 else "attention", found, wanted)


def _distance(predictions: Sequence[Mapping[str, Any]]) -> Check:
    far = max(predictions, key=lambda row: row["decades_outside"])
    found = f"{far['decades_outside']:.2f} decades outside the data ({far['run']})"
    status: Status = "passed" if far["decades_outside"] == 0 else "attention"
    return _check("distance", status, found, "0")


def _coverage(history: Mapping[str, Any]) -> Check:
    wanted = f"about {percent(PROB)}"
    if history["refused"]:
        return _check("coverage", "unknown", history["refused"], wanted)
    held = history["pooled_coverage"]["90"]
    found = f"{percent(held)} of {history['predictions']} predictions ({history['runs']} runs)"
    trusted = history["passed"] and not history["notes"]
    return _check("coverage", "passed" if trusted else "attention", found, wanted)
