"""Scores of predictions on a split.

Scores are of ln(response), so that tables and responses can be averaged: an interval score of 0.05
is that of an interval 5 % wide that always holds. An accuracy or an error, a share itself, and a
score or a reward, which has no logarithm, are scored as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError
from bayescale.base.intervals import SAMPLE_DIMS
from bayescale.base.settings import PROB
from bayescale.evaluation.scores import averaged, scores
from bayescale.evaluation.splits import Split
from bayescale.model.spec import Spec
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import ParamsSeen

PROBS = (0.5, 0.8, PROB)
_PIT_BINS = 10
# Share of a run's draws that may lie at or below 0 where responses are scored by their logarithms.
_BELOW_MOST = 0.002


def on_log(response: str) -> bool:
    """Whether predictions of a response are scored by its logarithm."""
    return COLUMNS[response].scale == "log"


def as_scored(spec: Spec, split: Split, predicted: xr.DataArray) -> xr.DataArray:
    """Draws of what is scored: of ln(response), refused where more than a few have none.

    The tail of Student's t around a straight line reaches below 0 in single draws. So few decide no
    quantile that is scored; they count as the run's smallest draw above 0.
    """
    if not on_log(spec.response):
        return predicted
    if spec.noise.on == "log":  # heavy tails may leave the range of floating point numbers
        limits = np.finfo(float)
        predicted = predicted.clip(limits.tiny, limits.max)
    below = predicted <= 0
    if float(below.mean(SAMPLE_DIMS).max()) > _BELOW_MOST:
        raise BayescaleError(
            f"{split.name}: {spec.name} predicts responses at or below 0, which have no logarithm; "
            "use a law with a floor"
        )
    above = predicted.where(~below)
    return xr.DataArray(np.log(above.fillna(above.min(SAMPLE_DIMS))))


def scored(
    split: Split, response: str, draws: xr.DataArray, params: ParamsSeen = "active"
) -> pd.DataFrame:
    """Scores of draws of the test runs' ln(response), or response (`on_log`), whoever made them.

    Parameters
    ----------
    split : Split
    response : str
    draws : DataArray (chain, draw, run)
        The runs as the split has them.
    params : {"active", "total"}
        Which parameters of a mixture of experts the table shows: those that the law sees.

    Returns
    -------
    DataFrame
        A row for each run (and corpus): as `scores.scores`, with `params` and `tokens` where the
        runs have them, and the response as given: `reached`, and `predicted`, its median.
    """
    test = split.test
    corpora = draws["corpus"].to_numpy() if "corpus" in draws.dims else None
    columns = [response] if corpora is None else [f"{response}_{corpus}" for corpus in corpora]
    reached = test.table[columns].to_numpy(float)
    values = np.log(reached) if on_log(response) else reached
    observed = xr.DataArray(values, dims=("run", "corpus"), coords={"run": draws["run"]})
    if corpora is None:
        observed = observed.isel(corpus=0)
    else:
        observed = observed.assign_coords(corpus=corpora)
    points = scores(draws, observed, PROBS)
    back = np.exp if on_log(response) else np.asarray
    points = points.assign(reached=back(points["observed"]), predicted=back(points["median"]))
    sizes = {name: test.table[name] for name in ("params", "tokens") if name in test.table}
    if test.has_compute:
        sizes["params"] = test.seen_params(params)
    each = {name: values.set_axis(test.table["run"]) for name, values in sizes.items()}
    return points.assign(**{name: points["run"].map(values) for name, values in each.items()})


def determination(points: pd.DataFrame) -> float | None:
    """R squared of the medians, of the response as given: 1 less the share of its variance that
    they leave; all runs and corpora together, at least -1.

    None for responses that are all equal, as that of one run is.
    """
    spread = ((points["reached"] - points["reached"].mean()) ** 2).sum()
    left = ((points["reached"] - points["predicted"]) ** 2).sum()
    return max(-1.0, 1 - float(left / spread)) if spread > 0 else None


def described(split: Split, points: pd.DataFrame) -> dict[str, Any]:
    """A split and the means of its runs' scores, as plain values."""
    averages = averaged(points, PROBS)
    coverage = {f"{prob * 100:.0f}": averages.pop(f"coverage_{prob * 100:.0f}") for prob in PROBS}
    pit, _ = np.histogram(points["pit"], _PIT_BINS, (0, 1))
    return {
        "name": split.name,
        "n_train": len(split.train),
        "n_test": len(split.test),
        "coverage": coverage,
        **averages,
        "r2": determination(points),
        "pit": pit.tolist(),
    }


def means(splits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over described splits (geometric for `interval_score`, `crps`), pooled coverage."""
    points = pd.DataFrame([point for split in splits for point in split["points"]])
    pooled = averaged(points, PROBS)

    def mean(name: str) -> float | None:
        values = [split[name] for split in splits if split[name] is not None]
        return float(np.mean(values)) if values else None

    def geometric(name: str) -> float:
        return float(np.exp(np.mean(np.log([split[name] for split in splits]))))

    levels = [f"{prob * 100:.0f}" for prob in PROBS]
    known = [split["r2"] for split in splits if split["r2"] is not None]
    return {
        "coverage": {k: float(np.mean([split["coverage"][k] for split in splits])) for k in levels},
        "pooled_coverage": {k: pooled[f"coverage_{k}"] for k in levels},
        "interval_score": geometric("interval_score"),
        "crps": geometric("crps"),
        **{name: mean(name) for name in ("rmse", "bias", "width", "seconds")},
        "r2": float(np.mean(known)) if known else None,
    }
