"""Splits: runs to fit and runs to predict, by a condition, from a suite, or of a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from bayescale.base.bundled import read_input, unknown
from bayescale.base.errors import BayescaleError
from bayescale.base.toml import parse_toml
from bayescale.model.spec import Spec
from bayescale.runs.columns import responses
from bayescale.runs.table import Runs

# Runs below a frontier of a history, at least.
_FEWEST = 6


@dataclass(frozen=True, eq=False)
class Split:
    """Runs to fit and runs to predict.

    Attributes
    ----------
    name : str
    train, test : Runs
    response : str, optional
        The split's own, in place of the spec's.
    """

    name: str
    train: Runs
    test: Runs
    response: str | None = None

    def of(self, spec: Spec) -> Spec:
        """The spec with the split's own response, if it has one."""
        return spec if self.response is None else spec.replace(response=self.response)


def split(runs: Runs, train: str, name: str = "backtest") -> Split:
    """The runs that fulfil the condition `train` are fitted, all others predicted.

    Raises
    ------
    BayescaleError
        If nothing is left on either side, or a run to predict does not state its token count.
    """
    kept = runs.keep(train)
    rest = runs.table.drop(index=kept.table.index)
    if rest.empty:
        raise BayescaleError(f"{name}: train={train!r} keeps all {len(runs)} runs; predict some")
    latent = rest["run"][~Runs(rest, name).known_tokens]
    if len(latent):
        raise BayescaleError(
            f"{name}: run {latent.iloc[0]} does not state its token count, so it cannot be "
            "predicted; leave it out with --where"
        )
    return Split(name, kept, Runs(rest, runs.name))


def read_suite(source: str | Path) -> list[Split]:
    """Splits from a TOML file: `[[backtest]]` with `name`, `file` or `table`, `train`, `where`.

    `train` and `where` (which may be left out) are conditions over the columns
    (`bayescale.base.expression`). A split may name its `response`, in place of the spec's. Files
    are looked for beside the suite; a table is one that has a name.

    Parameters
    ----------
    source : str or Path
        A file, or the name of a shipped suite: `published`.

    Raises
    ------
    BayescaleError
        If the file or one of its splits cannot be read, or a table was not fetched.
    """
    path = Path(source)
    entries = parse_toml(read_input("suites", source), path).get("backtest")
    tables = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not (entries and tables):
        raise BayescaleError(f"{path}: no [[backtest]] tables, each with name, file and train")
    splits = []
    for number, entry in enumerate(entries, start=1):
        place = "table" if "table" in entry else "file"
        for key in ("name", place, "train", "where", "response"):
            if not isinstance(entry.get(key, "" if key in ("where", "response") else None), str):
                raise BayescaleError(
                    f"{path}: [[backtest]] {number}: {key} must be text; a split has name, file "
                    "or table, train, and perhaps where and response"
                )
        response = entry.get("response")
        if response is not None and response not in responses():
            raise unknown(f"{path}: response", response, list(responses()))
        where = entry["table"] if place == "table" else path.parent / entry["file"]
        runs = Runs.read(where, where=entry.get("where"))
        splits.append(replace(split(runs, entry["train"], entry["name"]), response=response))
    return splits


def rolling(runs: Runs, shares: Sequence[float] = (1 / 2, 1 / 4, 1 / 8)) -> list[Split]:
    """The user's own history: fit below a share of the largest compute, predict the rest.

    Compute is 6 N D of active parameters. Splits with fewer than 6 runs to fit are left out.
    """
    return [history for history, _ in frontiers(runs, shares)]


def frontiers(
    runs: Runs, shares: Sequence[float] = (1 / 2, 1 / 4, 1 / 8)
) -> list[tuple[Split, xr.Dataset]]:
    """Each split of a history, and masks `below` and `above` over all runs.

    A run that does not state its token count is on neither side.
    """
    if not (runs.has_compute and runs.known_tokens.any()):
        return []
    flops = (runs.seen_params("active") * runs.table["tokens"]).to_numpy()
    splits = []
    for share in shares:
        below, above = flops <= share * np.nanmax(flops), flops > share * np.nanmax(flops)
        if below.sum() >= _FEWEST:
            train, test = (Runs(runs.table[mask], runs.name) for mask in (below, above))
            masks = xr.Dataset({"below": ("run", below), "above": ("run", above)})
            splits.append((Split(f"below {share:g} of the most compute", train, test), masks))
    return splits


def find_splits(runs: Runs | None, train: str | None, suite: Path | None) -> list[Split]:
    """The splits of a suite, the one that `train` makes of the runs, or their rolling history.

    Raises
    ------
    BayescaleError
        If both or neither of runs and suite are given, or the runs are too few for a history.
    """
    if (runs is None) == (suite is None):
        raise BayescaleError("name a table of runs, or a suite with --suite FILE: one of the two")
    if suite is not None:
        return read_suite(suite)
    assert runs is not None
    if train is not None:
        return [split(runs, train, runs.name)]
    splits = rolling(runs)
    if not splits:
        raise BayescaleError(f"{runs.name}: too few runs for a history; name a split with --train")
    return splits
