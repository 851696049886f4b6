"""Predictions of a report beside what was observed: replicates, backtest, holdout runs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import holds, interval
from bayescale.base.settings import PROB
from bayescale.evaluation.backtest import summary
from bayescale.evaluation.history import calibrate
from bayescale.fit.fit import Fit
from bayescale.report.content.records import Records, records
from bayescale.report.sentences import sentence
from bayescale.runs.table import Runs


def predictive_check(fit: Fit) -> dict[str, Any]:
    """Prior predictive interval, and the share of runs inside it and inside the posterior's."""
    replicates = fit.replicates()
    observed = fit.observed
    ends = fit.replicates("prior").quantile([(1 - PROB) / 2, (1 + PROB) / 2])
    lower, upper = (float(end) for end in ends)
    return {
        "prior_predictive": {
            "lower": lower,
            "upper": upper,
            "inside": float(((observed >= lower) & (observed <= upper)).mean()),
        },
        "inside": {
            f"{prob:g}": float(holds(interval(replicates, prob), observed).mean())
            for prob in (0.5, PROB)
        },
    }


def replicates(fit: Fit) -> Records:
    """Each run's response beside the interval of its replicates."""
    table = interval(fit.replicates())
    table["inside"] = holds(table, fit.observed)
    table["observed"] = fit.observed
    return records(table.to_dataframe().reset_index())


def history(fit: Fit) -> dict[str, Any]:
    """Coverage of intervals beyond a frontier on the fit's own runs, or why there is none."""
    try:
        results, notes = calibrate(fit.spec, fit.runs, seed=fit.seed)
    except BayescaleError as error:  # the law predicts what has no logarithm
        return {"refused": str(error)}
    if not results:
        return {"refused": sentence("checks.no_history")}
    pooled = summary(results)
    dropped = ("points", "pit", "seconds")
    return {
        "refused": None,
        "frontiers": [
            {key: value for key, value in result.to_dict().items() if key not in dropped}
            for result in results
        ],
        "pooled_coverage": pooled["pooled_coverage"],
        "predictions": sum(len(result.points) for result in results),
        "runs": int(pd.concat([result.points for result in results])["run"].nunique()),
        "passed": pooled["passed"],
        "notes": [note.to_dict() for note in notes],
    }


def holdout(part: Fit, whole: Fit) -> dict[str, Any]:
    """Predictions by `part` of the runs that only `whole` was fitted to."""
    table = whole.runs.table
    held_out = table[~table["run"].isin(part.runs.table["run"]) & whole.runs.known_tokens]
    prediction = part.predict(Runs(held_out, whole.runs.name), "run")
    draws = prediction.draws
    responses = held_out[list(part.spec.columns)].to_numpy(float)
    observed = xr.DataArray(
        responses.reshape(draws.isel(chain=0, draw=0).shape), dims=draws.dims[2:]
    )
    rows = interval(draws)
    rows["inside"] = holds(rows, observed)
    rows["observed"] = observed
    sizes = prediction.points[["params", "tokens"]]
    law = part.spec.law
    names = dict.fromkeys([*(parameter.name for parameter in law.parameters), *law.units])
    parameters = None
    if not part.spec.corpora:
        parameters = records(part.summary().loc[list(names)].reset_index(names="name"))
    return {
        "runs": len(part.runs),
        "convergence": part.convergence.to_dict(),
        "rows": records(rows.to_dataframe().reset_index().join(sizes, on="run")),
        "parameters": parameters,
    }
