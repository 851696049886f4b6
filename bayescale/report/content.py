"""Content of a report: one JSON object with every number that the page shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import holds, interval
from bayescale.base.numbers import plural
from bayescale.base.settings import PROB
from bayescale.evaluation.backtest import calibrate, summary
from bayescale.evaluation.reference import least_squares, reference_runs
from bayescale.fit.fit import Fit
from bayescale.fit.folder import versions
from bayescale.model.design import log_inputs
from bayescale.predictive.decomposition import by_point
from bayescale.predictive.points import as_points
from bayescale.predictive.predictive import COMPONENTS, KINDS
from bayescale.report.checks import checks
from bayescale.report.figures.fit import along_compute, training_compute
from bayescale.report.sentences import say
from bayescale.runs.table import QUANTITIES, Runs
from bayescale.sampling.convergence import ESS_LEAST, R_HAT_MOST

Records = list[dict[str, Any]]
# A table under a curve has every 13th point of what is drawn.
STEP = 13


def content(
    fits: Sequence[Fit],
    *,
    points: Sequence[Mapping[str, Any]] | None = None,
    target: float | None = None,
    command: str,
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything a report says of its fits.

    A fit whose spec is that of another and whose runs are some of the other's is no section of
    its own: it predicts the runs that it did not see.

    Parameters
    ----------
    fits : sequence of Fit
    points : sequence of mapping, optional
        What to predict; by default the largest run again, the same by a new family, and ten
        times its compute.
    target : float, optional
        Response to reach; by default 5 % below the best run.
    command : str
        What a reader types to get the same report.
    known : mapping, optional
        An earlier report, whose history of the same fit is not sampled again.
    """
    if not fits:
        raise BayescaleError("a report needs at least one fit")
    sections = []
    for fit, part in sections_of(fits):
        section = _section(fit, points, target, known)
        section["held_back"] = _held_back(part, fit) if part else None
        sections.append(section)
    return {
        "prob": PROB,
        "kinds": KINDS,
        "components": COMPONENTS,
        "limits": {"r_hat": R_HAT_MOST, "ess": ESS_LEAST},
        "passed": all(fit.convergence.passed for fit in fits),
        "fits": sections,
        "reproduce": {"command": command, "versions": versions()},
    }


def sections_of(fits: Sequence[Fit]) -> list[tuple[Fit, Fit | None]]:
    """The fits with a section of their own, each with the one that predicts its other runs."""
    held_back = {i: j for j, part in enumerate(fits) if (i := _whole_of(part, fits)) is not None}
    return [
        (fit, fits[held_back[i]] if i in held_back else None)
        for i, fit in enumerate(fits)
        if i not in held_back.values()
    ]


def _whole_of(part: Fit, fits: Sequence[Fit]) -> int | None:
    """Position of a fit of the same spec that has all runs of `part` and more."""
    mine = set(part.runs.table["run"])
    for i, fit in enumerate(fits):
        if fit.spec == part.spec and mine < set(fit.runs.table["run"]):
            return i
    return None


def _section(
    fit: Fit,
    points: Sequence[Mapping[str, Any]] | None,
    target: float | None,
    known: Mapping[str, Any] | None,
) -> dict[str, Any]:
    spec, table = fit.spec, fit.runs.table
    usual = default_points(fit)
    predictions = _predictions(fit, points if points is not None else usual)
    history = _known_history(fit, known)
    check = _check(fit)
    return {
        "hashes": hashes(fit),
        "spec": {
            "name": spec.name,
            "title": spec.title,
            "response": spec.response,
            "unit": QUANTITIES[spec.response].unit,
            "corpora": list(spec.corpora),
            "params": spec.params,
            "groups": list(spec.named_groups),
            "noise": {"dist": spec.noise.dist, "on": spec.noise.on},
            "discrepancy": bool(spec.discrepancy),
        },
        "law": {
            "title": spec.law.title,
            "equation": spec.law.equation,
            "citation": spec.law.citation,
            "compute_only": spec.law.compute_only,
        },
        "runs": {
            "name": fit.runs.name,
            "count": len(table),
            "groups": {group: int(table[group].nunique()) for group in spec.named_groups},
            "params": [float(table["params"].min()), float(table["params"].max())],
        },
        "predictions": predictions["rows"],
        "prediction_notes": predictions["notes"],
        "usual_target": target is None,
        "inverse": [] if spec.corpora else _inverse(fit, usual[0], target),
        "parameters": _parameters(fit),
        "reference": None if spec.corpora else _reference(fit),
        "effects": _effects(fit),
        "latent_tokens": _latent(fit),
        "convergence": fit.convergence.to_dict(),
        "notes": [note.to_dict() for note in fit.notes],
        "check": check,
        "checks": checks(fit, predictions["rows"], check["inside"][f"{PROB:g}"], history),
        "history": history,
        "curve": _curve(fit),
        "replicates": _replicates(fit),
        "settings": vars(fit.settings),
        "table": _table(fit),
    }


def default_points(fit: Fit) -> Records:
    """The largest run again, the same by a new group, and ten times its compute."""
    table = fit.runs.table
    inputs = np.exp(log_inputs(fit.spec, fit.runs)[["params", "tokens"]].to_dataframe())
    inputs = inputs.set_axis(table.index)
    stated = fit.runs.known_tokens if fit.runs.known_tokens.any() else table["params"].notna()
    row = inputs[stated].prod(axis="columns").idxmax()
    size = {name: float(inputs.at[row, name]) for name in ("params", "tokens")}
    named = {str(group): str(table.at[row, group]) for group in fit.spec.named_groups}
    bigger = {name: value * np.sqrt(10) for name, value in size.items()}
    points: Records = [{"run": say("points.again", run=table.at[row, "run"]), **size, **named}]
    if named:
        points.append({"run": say("points.new_group", group=next(iter(named))), **size})
    return [*points, {"run": say("points.bigger"), **bigger, **named}]


def _predictions(fit: Fit, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    asked = as_points(list(points))
    curve, run = fit.predict(asked, "curve"), fit.predict(asked, "run")
    rows = _records(curve.table().drop(columns=["kind", "prob", "mean"]))
    shares = by_point(fit.variance_shares(asked))
    for row, new, made_of in zip(rows, _records(run.table()), shares, strict=True):
        row["variance_shares"] = made_of
        row["curve"] = {end: row.pop(end) for end in ("lower", "upper")}
        row["new_run"] = {end: new[end] for end in ("lower", "upper")}
        row["median"] = new["median"]  # of one new run, as `predict` and the page's explorer say
    return {"rows": rows, "notes": [note.to_dict() for note in run.notes]}


def _inverse(fit: Fit, largest: Mapping[str, Any], target: float | None) -> Records:
    """Tokens to reach the target at the size of the largest run, by a known and a new family."""
    best = float(fit.runs.table[fit.spec.response].min())
    goal = target if target is not None else round(0.95 * best, 3)
    groups = {str(group): largest[group] for group in fit.spec.named_groups}
    answers = []
    for named in [groups, {}] if groups else [{}]:
        for prob in (0.5, PROB):
            answer = fit.invert(goal, params=largest["params"], groups=named, prob=prob)
            answers.append({"groups": named, **answer.to_dict()})
    return answers


def _parameters(fit: Fit) -> Records:
    meaning = {p.name: p.meaning for p in fit.spec.law.parameters} | dict(fit.spec.law.units)
    meaning |= {name: say(f"priors.{name}") for name in ("sigma", "nu")}
    for effect in fit.spec.effect_list():
        between = {"parameter": effect.parameter, "groups": plural(effect.group)}
        meaning[effect.sd_name] = say("priors.spread", **between)
    priors = {name: str(prior) for name, prior in fit.spec.all_priors().items()}
    rows = _records(fit.summary().reset_index(names="name"))
    for row in rows:
        plain = row["name"].partition("[")[0]
        row["meaning"], row["prior"] = meaning[plain], priors.get(plain)
    return rows


def _reference(fit: Fit) -> dict[str, Any] | None:
    runs = reference_runs(fit.runs)
    if (runs.table["params"] * runs.table["tokens"]).nunique() < 3:
        return None
    return asdict(least_squares(runs, fit.spec.response))


def _effects(fit: Fit) -> dict[str, Records]:
    said = {}
    for effect in fit.spec.effect_list():
        if effect.group != "run":
            table = interval(fit.posterior[effect.name]).to_dataframe().reset_index()
            said[effect.name] = _records(table)
    return said


def _latent(fit: Fit) -> Records:
    if "tokens" not in fit.posterior:
        return []
    said = interval(fit.posterior["tokens"]).to_dataframe()
    table = fit.runs.table.set_index("run").loc[said.index, ["tokens_low", "tokens_high"]]
    return _records(table.join(said).reset_index(names="run"))


def _check(fit: Fit) -> dict[str, Any]:
    replicated = fit.replicates()
    observed = fit.observed

    def inside(prob: float) -> float:
        return float(holds(interval(replicated, prob), observed).mean())

    expected = fit.replicates("prior").quantile([(1 - PROB) / 2, (1 + PROB) / 2])
    lower, upper = (float(end) for end in expected)
    prior = {"lower": lower, "upper": upper}
    prior["inside"] = float(((observed >= lower) & (observed <= upper)).mean())
    return {
        "prior_predictive": prior,
        "inside": {f"{prob:g}": inside(prob) for prob in (0.5, PROB)},
    }


def hashes(fit: Fit) -> dict[str, str]:
    """SHA-256 of the spec, the runs and the posterior of a fit."""
    draws = b"".join(np.ascontiguousarray(v).tobytes() for v in fit.posterior.values())
    parts = {
        "spec": fit.spec.model_dump_json().encode(),
        "runs": fit.runs.table.to_json(orient="records").encode(),
        "posterior": draws,
    }
    return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def _known_history(fit: Fit, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The history, from an earlier report of the same fit by the same versions if there is one."""
    if fit.spec.corpora:
        return {"refused": say("several_corpora")}
    if known is not None and known.get("reproduce", {}).get("versions") == versions():
        for section in known.get("fits", ()):
            if section.get("hashes") == hashes(fit) and "history" in section:
                return dict(section["history"])
    return _history(fit)


def _replicates(fit: Fit) -> Records:
    """Each run's response beside the interval of its replicates."""
    said = interval(fit.replicates())
    said["observed"], said["inside"] = fit.observed, holds(said, fit.observed)
    return _records(said.to_dataframe().reset_index())


def _curve(fit: Fit) -> Records:
    """The bands of the first figure at a few budgets, as `predict` gives them."""
    _, grid = along_compute(fit, training_compute(fit)["tokens"])
    asked = as_points(grid.iloc[::STEP])
    mean, run = (fit.predict(asked, kind).table() for kind in KINDS)  # type: ignore[arg-type]
    rows = _records(
        mean[[c for c in ("params", "tokens", "flops", "corpus", "median") if c in mean]]
    )
    for row, one, other in zip(rows, _records(mean), _records(run), strict=True):
        row["curve"] = {end: one[end] for end in ("lower", "upper")}
        row["new_run"] = {end: other[end] for end in ("lower", "upper")}
    return rows


def _history(fit: Fit) -> dict[str, Any]:
    """How often intervals beyond a frontier held on the fit's own runs, or why none can tell."""
    try:
        results, notes = calibrate(fit.spec, fit.runs, seed=fit.seed)
    except BayescaleError as error:  # the law predicts what has no logarithm
        return {"refused": str(error)}
    if not results:
        return {"refused": say("checks.no_history")}
    said = summary(results)
    return {
        "refused": None,
        "frontiers": [
            {
                key: value
                for key, value in one.to_dict().items()
                if key not in ("points", "pit", "seconds")
            }
            for one in results
        ],
        "pooled_coverage": said["pooled_coverage"],
        "predictions": sum(len(one.points) for one in results),
        "runs": int(pd.concat([one.points for one in results])["run"].nunique()),
        "passed": said["passed"],
        "notes": [note.to_dict() for note in notes],
    }


def _held_back(part: Fit, whole: Fit) -> dict[str, Any]:
    """Predictions of the runs that `part` did not see, with what they reached."""
    table = whole.runs.table
    unseen = table[~table["run"].isin(part.runs.table["run"]) & whole.runs.known_tokens]
    columns = list(part.spec.columns)
    prediction = part.predict(Runs(unseen, whole.runs.name), "run")
    draws = prediction.draws
    observed = xr.DataArray(
        unseen[columns].to_numpy(float).reshape(draws.isel(chain=0, draw=0).shape),
        dims=draws.dims[2:],
    )
    said = interval(draws)
    said["observed"] = observed
    said["inside"] = holds(said, observed)
    sizes = prediction.points[["params", "tokens"]]
    law = part.spec.law
    names = [*(parameter.name for parameter in law.parameters), *law.units]
    summary = None
    if not part.spec.corpora:
        summary = _records(part.summary().loc[list(dict.fromkeys(names))].reset_index(names="name"))
    return {
        "runs": len(part.runs),
        "convergence": part.convergence.to_dict(),
        "rows": _records(said.to_dataframe().reset_index().join(sizes, on="run")),
        "parameters": summary,
    }


def _table(fit: Fit) -> Records:
    wanted = ["run", *fit.spec.groups, "params", "params_active", "tokens", "tokens_low"]
    wanted += ["tokens_high", "tokens_status", *fit.spec.columns]
    table = fit.runs.table
    return _records(table[[c for c in dict.fromkeys(wanted) if c in table]])


def _records(table: pd.DataFrame) -> Records:
    """Rows as plain values, a blank as None."""
    return [
        {str(key): _plain(value) for key, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
