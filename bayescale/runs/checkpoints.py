"""Checkpoints: rows of a table that come from one run, and which of them tell their own story."""

from __future__ import annotations

import re

import numpy as np

from bayescale.base.notes import Note, listed
from bayescale.base.numbers import human
from bayescale.runs.table import Runs

_NAMED = re.compile(
    r"[-_.@/ ]*(?:@|(?:global[-_]?)?step|iter(?:ation)?|ckpt|checkpoint)[-_= ]?\d+[kmb]?$", re.I
)
# Fewer runs of one size are a grid, whatever their spacing.
_MANY = 8
# Of two checkpoints of one run within such a factor of tokens, the later one counts.
_FACTOR = 2.0


def trajectories(runs: Runs) -> list[tuple[str, list[int]]]:
    """Rows that look like checkpoints of one run: by their names, or by evenly spaced tokens.

    Returns
    -------
    list of (str, list of int)
        A run's name, or its size, and the labels of its rows.
    """
    table = runs.table
    if not runs.has_compute:
        return []
    design = [
        table[column].astype(object).where(table[column].notna(), "")
        for column in ("family", "tokenizer", "dataset", "unique_tokens", "params")
        if column in table
    ]
    stems = table["run"].map(lambda run: _NAMED.sub("", run))
    named = stems.where(stems != table["run"])
    found: list[tuple[str, list[int]]] = []
    rows: set[int] = set()
    for _, group in table.groupby([named.fillna(""), *design]):
        stem = str(stems[group.index[0]])
        if named[group.index[0]] == stem and group["tokens"].nunique() > 2:
            found.append((stem, list(group.index)))
            rows |= set(group.index)
    for _, group in table.drop(index=list(rows)).groupby(design):
        if _evenly_spaced(group["tokens"].dropna().to_numpy(dtype=float)):
            name = f"{human(group['params'].iloc[0])} parameters"
            found.append((name, list(group.index)))
    return found


def checkpoints_note(runs: Runs) -> Note | None:
    """Whether rows look like checkpoints of one run."""
    suspects: dict[str, int] = {}
    for name, rows in trajectories(runs):
        suspects[name] = suspects.get(name, 0) + len(rows)
    if not suspects:
        return None
    names = [f"{name} ({count} rows)" for name, count in suspects.items()]
    return Note(
        "checkpoints-as-runs",
        "warning",
        f"rows look like checkpoints of one run: {listed(names, most=4)}",
        "fit the last one of each run: the learning rate of earlier ones had not come down, and "
        "their errors are shared",
    )


def without_neighbours(runs: Runs) -> tuple[Runs, list[Note]]:
    """The runs without checkpoints within a factor of two of tokens of a later one of their run.

    Neighbours share an error, so that many of them would count one error many times. What is left
    are each run's last checkpoint and those at about a half, a quarter, ... of its tokens.
    """
    table = runs.table
    dropped: list[int] = []
    for _, rows in trajectories(runs):
        tokens = table.loc[rows, "tokens"].dropna().sort_values(ascending=False)
        kept = np.inf
        for row, count in tokens.items():
            if count > kept / _FACTOR:
                dropped.append(int(row))
            else:
                kept = count
    if not dropped:
        return runs, []
    left = Runs(table.drop(index=dropped).reset_index(drop=True), runs.name)
    note = Note(
        "checkpoints-left-out",
        "warning",
        f"{len(dropped)} of {len(runs)} rows are not fitted: checkpoints within a factor of two "
        "of tokens of a later one of the same run, whose error they share",
        "fit the last one of each run; `bayescale curve` fits whole curves",
    )
    return left, [note]


def _evenly_spaced(tokens: np.ndarray) -> bool:
    """Whether many counts (run) are spaced by amounts, as checkpoints are, and not by factors."""
    counts = np.unique(tokens)
    if len(counts) < _MANY:
        return False
    steps, factors = np.diff(counts), np.diff(np.log(counts))
    evenness = steps.std() / steps.mean()
    return bool(evenness < 0.75 and evenness < factors.std() / factors.mean())
