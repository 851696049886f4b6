"""Posterior of a report: parameters, group effects, latent token counts, the reference line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bayescale.base.intervals import interval
from bayescale.base.numbers import plural
from bayescale.evaluation.reference import least_squares, reference_runs
from bayescale.fit.fit import Fit
from bayescale.model.discrepancy import process
from bayescale.report.content.records import Records, records
from bayescale.report.sentences import sentence


def parameters(fit: Fit) -> Records:
    """Summary of each parameter with its meaning and its prior."""
    meaning = {p.name: p.meaning for p in fit.spec.law.parameters} | dict(fit.spec.law.units)
    if fit.spec.law_of == "odds":
        odds = sentence("priors.odds")
        meaning = {name: text.replace("response", odds) for name, text in meaning.items()}
    meaning |= {name: sentence(f"priors.{name}") for name in ("sigma", "nu")}
    of_processes = process.parameters(fit.spec.axes)
    meaning |= {process.PREFIX + name: text for name, (_, text) in of_processes.items()}
    for effect in fit.spec.effect_list():
        gaps = {"parameter": effect.parameter, "groups": plural(effect.group)}
        meaning[effect.sd_name] = sentence("priors.group_sd", **gaps)
    priors = {name: str(prior) for name, prior in fit.spec.all_priors().items()}
    rows = records(fit.summary().reset_index(names="name"))
    for row in rows:
        name = row["name"].partition("[")[0]
        row["meaning"], row["prior"] = meaning[name], priors.get(name)
    return rows


def effects(fit: Fit) -> dict[str, Records]:
    """Intervals of each group effect, by its name."""
    return {
        effect.name: records(interval(fit.posterior[effect.name]).to_dataframe().reset_index())
        for effect in fit.spec.effect_list()
        if effect.group != "run"
    }


def latent_tokens(fit: Fit) -> Records:
    """Each latent token count: the range assumed, and its interval."""
    if "tokens" not in fit.posterior:
        return []
    inferred = interval(fit.posterior["tokens"]).to_dataframe()
    assumed = fit.runs.table.set_index("run").loc[inferred.index, ["tokens_low", "tokens_high"]]
    return records(assumed.join(inferred).reset_index(names="run"))


def reference(fit: Fit) -> dict[str, Any] | None:
    """Least squares on the reference runs; None where they are too few."""
    runs = reference_runs(fit.runs)
    if (runs.table["params"] * runs.table["tokens"]).nunique() < 3:
        return None
    return asdict(least_squares(runs, fit.spec.response))
