"""Folds: which runs are left out together, to be predicted by the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.base.errors import BayescaleError
from bayescale.runs.columns import groups
from bayescale.runs.table import Runs

By = str  # a group of `bayescale.runs.columns`, or "frontier"


@dataclass(frozen=True, eq=False)
class Fold:
    """Runs that are left out together.

    Attributes
    ----------
    name : str
        The run, the group's label, or `frontier`.
    out : ndarray of bool (run)
        Which runs are left out.
    """

    name: str
    out: np.ndarray


def folds(runs: Runs, by: By, share: float = 0.25, above: float | None = None) -> Sequence[Fold]:
    """The folds of a table of runs.

    Parameters
    ----------
    runs : Runs
    by : str
        A group, such as "run" or "family", or "frontier".
    share : float
        By frontier: the share of runs, those with the most compute, that is left out.
    above : float, optional
        By frontier: leave out runs of more compute than this, in FLOP, instead of a share.

    Returns
    -------
    sequence of Fold
        One for each run or group, or the one of the frontier.

    Raises
    ------
    BayescaleError
        If the runs cannot be split that way.
    """
    known = (*groups(), "frontier")
    if by not in known:
        raise BayescaleError(f"by={by!r}: use one of {', '.join(known)}")
    if by == "run":
        return [
            Fold(str(run), np.arange(len(runs)) == i) for i, run in enumerate(runs.table["run"])
        ]
    if by == "frontier":
        return [Fold("frontier", _frontier(runs, share, above))]
    if by not in runs.table:
        raise BayescaleError(f"{runs.name}: no column {by}; leave out something else with --by")
    labels = runs.table[by]
    if labels.isna().any():
        row = labels.index[labels.isna()][0]
        raise BayescaleError(f"{runs.name}: row {row}: {by} is blank; fill it in")
    if labels.nunique() < 2:
        raise BayescaleError(f"{runs.name}: one {by} only, {labels.iloc[0]}: nothing would be left")
    return [Fold(str(label), (labels == label).to_numpy()) for label in pd.unique(labels)]


def training_flops(runs: Runs) -> pd.Series:
    """Training compute of each run, FLOP: as stated, else 6 N D of active parameters.

    A latent token count is taken at the geometric middle of its range.
    """
    table = runs.table
    middle = table["tokens"]
    if not runs.known_tokens.all():
        middle = middle.fillna(np.sqrt(table["tokens_low"] * table["tokens_high"]))
    flops = 6 * runs.seen_params("active") * middle
    return table["flops"].fillna(flops) if "flops" in table else flops


def _frontier(runs: Runs, share: float, above: float | None) -> np.ndarray:
    flops = training_flops(runs)
    if above is None:
        if not 0 < share < 1:
            raise BayescaleError(f"share={share:g}: a share lies between 0 and 1, such as 0.25")
        above = float(np.sort(flops)[-1 - max(1, round(share * len(flops)))])
    out = (flops > above).to_numpy()
    if not 0 < out.sum() < len(out) - 1:
        raise BayescaleError(
            f"above={above:g}: {out.sum()} of {len(out)} runs took more compute (from "
            f"{flops.min():.3g} to {flops.max():.3g} FLOP); leave some on either side"
        )
    return out
