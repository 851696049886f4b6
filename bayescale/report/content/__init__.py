"""Content of a report: one JSON object with every number that the page shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.settings import PROB
from bayescale.fit.fit import Fit
from bayescale.fit.folder import versions
from bayescale.model.odds import bounds_of
from bayescale.predictive.predictive import COMPONENTS, KINDS
from bayescale.report.checks import checks
from bayescale.report.content import asked, forecasts, observed, posterior
from bayescale.report.content.records import Records, records
from bayescale.report.sentences import sentence
from bayescale.runs.columns import COLUMNS
from bayescale.sampling.convergence import ESS_LEAST, R_HAT_MOST


def content(
    fits: Sequence[Fit],
    *,
    points: Sequence[Mapping[str, Any]] | None = None,
    target: float | None = None,
    budget: float | None = None,
    command: str,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every number that a report shows of its fits.

    A fit of another's spec to some of its runs gets no section of its own: it predicts the
    holdout runs in the other's.

    Parameters
    ----------
    fits : sequence of Fit
    points : sequence of mapping, optional
        What to predict; by default the largest run again, the same by a new family, and ten
        times its compute.
    target : float, optional
        Response to reach; by default 5 % better than the best run.
    budget : float, optional
        FLOP to spend: what they buy.
    command : str
        What a reader types to get the same report.
    earlier : mapping, optional
        An earlier report; the backtest of the same fit is taken from it, not sampled again.

    Raises
    ------
    BayescaleError
        If there is no fit.
    """
    if not fits:
        raise BayescaleError("a report needs at least one fit")
    sections = []
    for fit, part in sections_of(fits):
        section = _section(fit, points, target, earlier)
        section["budget"] = None if budget is None else asked.bought(fit, budget, target)
        section["holdout"] = observed.holdout(part, fit) if part else None
        sections.append(section)
    return {
        "prob": PROB,
        "kinds": KINDS,
        "components": COMPONENTS,
        "limits": {"r_hat": R_HAT_MOST, "ess": ESS_LEAST},
        "passed": all(fit.convergence.passed for fit in fits),
        "asked": not (points is None and target is None and budget is None),
        "fits": sections,
        "reproduce": {"command": command, "versions": versions()},
    }


def sections_of(fits: Sequence[Fit]) -> list[tuple[Fit, Fit | None]]:
    """The fits with a section of their own, each with the one that predicts its holdout runs."""
    parts = {whole: i for i, fit in enumerate(fits) if (whole := _whole_of(fit, fits)) is not None}
    return [
        (fit, fits[parts[i]] if i in parts else None)
        for i, fit in enumerate(fits)
        if i not in parts.values()
    ]


def _whole_of(part: Fit, fits: Sequence[Fit]) -> int | None:
    """Position of a fit of the same spec that has all runs of `part` and more."""
    runs = set(part.runs.table["run"])
    for i, fit in enumerate(fits):
        if fit.spec == part.spec and runs < set(fit.runs.table["run"]):
            return i
    return None


def _section(
    fit: Fit,
    points: Sequence[Mapping[str, Any]] | None,
    target: float | None,
    earlier: Mapping[str, Any] | None,
) -> dict[str, Any]:
    spec, table = fit.spec, fit.runs.table
    default_points = forecasts.default_points(fit)
    chosen = default_points if points is None else points
    predictions = forecasts.predictions(fit, chosen)
    if target is not None and not spec.corpora:
        shares = asked.probabilities(fit, list(chosen), target)
        for row, share in zip(predictions["rows"], shares, strict=True):
            row["probability"] = share
    history = _history(fit, earlier)
    check = observed.predictive_check(fit)
    return {
        "hashes": hashes(fit),
        "spec": {
            "name": spec.name,
            "title": spec.title,
            "response": spec.response,
            "unit": COLUMNS[spec.response].unit,
            "corpora": list(spec.corpora),
            "params": spec.params,
            "groups": list(spec.named_groups),
            "scale": COLUMNS[spec.response].scale,
            "better": COLUMNS[spec.response].better,
            "noise": {"dist": spec.noise.dist, "on": spec.noise.on},
            "bounds": bounds_of(spec) if spec.is_bounded else None,
            "discrepancy": bool(spec.discrepancy),
        },
        "law": {
            "title": spec.law.title,
            "equation": spec.equation,
            "citation": spec.law.citation,
            "compute_only": spec.law.compute_only,
            "of": spec.law_of,
            "at_centre": [p.name for p in spec.law.parameters if p.name not in spec.law.units],
        },
        "runs": {
            "name": fit.runs.name,
            "count": len(table),
            "groups": {group: int(table[group].nunique()) for group in spec.named_groups},
            "params": [float(table["params"].min()), float(table["params"].max())],
        },
        "predictions": predictions["rows"],
        "prediction_notes": predictions["notes"],
        "default_target": target is None,
        "inverse": [] if spec.corpora else forecasts.inverse(fit, chosen[0], target),
        "parameters": posterior.parameters(fit),
        "reference": None if spec.corpora else posterior.reference(fit),
        "effects": posterior.effects(fit),
        "latent_tokens": posterior.latent_tokens(fit),
        "convergence": fit.convergence.to_dict(),
        "notes": [note.to_dict() for note in fit.notes],
        "check": check,
        "checks": checks(fit, predictions["rows"], history),
        "history": history,
        "curve": forecasts.curve_rows(fit),
        "replicates": observed.replicates(fit),
        "settings": vars(fit.settings),
        "table": _table(fit),
    }


def _history(fit: Fit, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backtest; from an earlier report of the same fit by the same versions if there is one."""
    if fit.spec.corpora:
        return {"refused": sentence("several_corpora")}
    if earlier is not None and earlier.get("reproduce", {}).get("versions") == versions():
        for section in earlier.get("fits", ()):
            history = section.get("history", {"refused": ""})
            if section.get("hashes") == hashes(fit) and "refused" not in history:
                return dict(history)
    return observed.history(fit)


def hashes(fit: Fit) -> dict[str, str]:
    """SHA-256 of the spec, the runs and the posterior of a fit."""
    draws = b"".join(np.ascontiguousarray(v).tobytes() for v in fit.posterior.values())
    parts = {
        "spec": fit.spec.model_dump_json().encode(),
        "runs": fit.runs.table.to_json(orient="records").encode(),
        "posterior": draws,
    }
    return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def _table(fit: Fit) -> Records:
    """The runs, in the columns that the spec and a reader need."""
    wanted = ["run", *fit.spec.groups, "params", "params_active", "tokens", "tokens_low"]
    wanted += ["tokens_high", "tokens_status", *fit.spec.columns]
    table = fit.runs.table
    return records(table[[name for name in dict.fromkeys(wanted) if name in table]])
