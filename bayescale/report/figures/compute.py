"""Training compute of runs, and points along it: the horizontal axis of most figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.base.intervals import interval
from bayescale.fit.fit import Fit
from bayescale.model.design import inputs_of
from bayescale.runs.columns import COLUMNS

COMPUTE_LABEL = f"{COLUMNS['flops'].label} (FLOP, 6 N D)"
_GRID = 80
_ROUNDING = 1e-9


def token_intervals(fit: Fit) -> pd.DataFrame:
    """Training tokens of every run, with their interval where the count is latent.

    Returns
    -------
    DataFrame
        A row a run: `tokens` (the count, or its posterior median), `lower` and `upper` (the 90 %
        interval, or the count twice).
    """
    table = fit.runs.table.set_index("run")
    counts = pd.DataFrame({name: table["tokens"] for name in ("tokens", "lower", "upper")})
    if "tokens" in fit.posterior:
        latent = interval(fit.posterior["tokens"]).to_dataframe()
        names = fit.runs.latent_counts[~fit.runs.known_tokens]
        runs = fit.runs.table.loc[names.index, "run"]
        counts.loc[runs] = latent.loc[names, ["median", "lower", "upper"]].to_numpy()
    return counts


def training_compute(fit: Fit) -> dict[str, np.ndarray]:
    """Training FLOP (6 N D) of every run.

    Returns
    -------
    dict of str to array
        (run,) each: `tokens` at the tokens of `token_intervals`, `lower` and `upper` at their ends.
    """
    counts = token_intervals(fit)
    params = fit.runs.seen_params(fit.spec.params).to_numpy()
    return {str(name): 6 * params * counts[name].to_numpy() for name in counts}


def along_compute(
    fit: Fit, flops: np.ndarray, beyond: float = 10
) -> tuple[np.ndarray, pd.DataFrame]:
    """Points at the runs' mean of tokens per parameter, other inputs in the middle of the runs.

    Parameters
    ----------
    fit : Fit
    flops : array
        (run,) training FLOP of the runs.
    beyond : float
        How far to go past the most compute, as a factor; below, it is half the least. Neither
        goes past what a table of runs may hold.

    Returns
    -------
    flops : array
        (point,) evenly spaced in logs.
    points : DataFrame
        A row a point: `params`, `tokens`, and each other input of the law.
    """
    ratio = tokens_per_param(fit)
    params, tokens = COLUMNS["params"], COLUMNS["tokens"]
    least = 6 * max(ratio * params.low**2, tokens.low**2 / ratio) * (1 + _ROUNDING)
    most = 6 * min(ratio * params.high**2, tokens.high**2 / ratio) * (1 - _ROUNDING)
    ends = max(flops.min() / 2, least), min(flops.max() * beyond, most)
    span = np.geomspace(*ends, _GRID)
    points = pd.DataFrame(
        {"params": np.sqrt(span / 6 / ratio), "tokens": np.sqrt(span / 6 * ratio)}
    )
    return span, points.assign(**fit.usual_inputs)


def tokens_per_param(fit: Fit) -> float:
    """Tokens per parameter of the runs, as the law sees them: their geometric mean."""
    inputs = inputs_of(fit.spec, fit.runs)
    return float(np.exp((inputs["tokens"] - inputs["params"]).mean()))
