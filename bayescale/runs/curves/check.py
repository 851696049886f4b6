"""Checks of a curve's rows: what is wrong with them, each in one line."""

from __future__ import annotations

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note
from bayescale.base.numbers import human

LEAST = 5
# A run that was resumed this often is rather two runs whose rows alternate.
_RESUMED_MOST = 5
# Seconds since 1970, as from 2001 to 2033.
_CLOCK = (1e9, 2e9)


def in_order(
    run: str, position: np.ndarray, loss: np.ndarray, unit: str
) -> tuple[np.ndarray, list[Note]]:
    """Indices of the rows of a run in the order of training, those of lost attempts left out.

    A run that was resumed logs some positions again: the later rows count. Rows that
    say the same twice, or are only in another order, are put right without a word.

    Raises
    ------
    BayescaleError
        If the rows are those of several runs.
    """
    back = np.flatnonzero(np.diff(position) <= 0)
    if not len(back):
        return np.arange(len(position)), []
    order = np.argsort(position, kind="stable")
    new = np.append(True, (np.diff(position[order]) > 0) | (np.diff(loss[order]) != 0))
    if len(np.unique(position)) == new.sum():
        return order[new], []
    again = np.flatnonzero(np.diff(position[order]) == 0)
    differs = loss[order][again] != loss[order][again + 1]
    if len(back) > _RESUMED_MOST and differs.sum() > _RESUMED_MOST:
        at = human(float(position[back[0] + 1]))
        raise BayescaleError(
            f"run {run!r}: {unit} goes back {len(back)} times (first to {at}) and "
            f"{differs.sum()} values of {unit} have two losses: two runs under one name; "
            "give each its own"
        )
    keep = np.ones(len(position), bool)
    lowest = np.inf
    for i in range(len(position) - 1, -1, -1):  # a row counts if no later one comes before it
        if position[i] >= lowest:
            keep[i] = False
        lowest = min(lowest, position[i])
    at = human(float(position[back[0] + 1]))
    note = Note(
        "curve-resumed",
        "info",
        f"run {run!r}: {unit} goes back {len(back)} times (first to {at}); "
        f"{int((~keep).sum())} rows of lost attempts are not used",
        "where it was not resumed, look for two runs under one name",
    )
    return np.flatnonzero(keep), [note]


def check_positions(run: str, position: np.ndarray, unit: str) -> None:
    """Refuse what is no position.

    Raises
    ------
    BayescaleError
        If a position is missing or negative, or a time.
    """
    if not np.isfinite(position).all():
        row = int(np.flatnonzero(~np.isfinite(position))[0]) + 1
        raise BayescaleError(f"run {run!r}: row {row} has no {unit}; give it, or leave it out")
    if (position < 0).any():
        raise BayescaleError(f"run {run!r}: {unit}={position.min():g}: must not be negative")
    if unit != "step":
        return
    if (position != position.round()).any():
        value = position[position != position.round()][0]
        raise BayescaleError(
            f"run {run!r}: step={value:g}: a step is a whole number; seconds or epochs are none, "
            "so name the column of steps: --column step=NAME"
        )
    if len(position) > 1 and _CLOCK[0] < position.min() and position.max() < _CLOCK[1]:
        raise BayescaleError(
            f"run {run!r}: step={position[0]:.0f}: looks like a time in seconds since 1970; "
            "name the column of steps: --column step=NAME"
        )


def check_losses(run: str, loss: np.ndarray) -> None:
    """Refuse losses that have no logarithm, and a run that has too few of them.

    Raises
    ------
    BayescaleError
    """
    finite = loss[np.isfinite(loss)]
    if (finite <= 0).any():
        raise BayescaleError(
            f"run {run!r}: loss={finite.min():g}: must be positive; "
            "of an accuracy take the error, 1 minus it"
        )
    if len(finite) < LEAST:
        points = "1 point" if len(finite) == 1 else f"{len(finite)} points"
        raise BayescaleError(
            f"run {run!r}: {points} with a loss; a curve needs {LEAST}, so log more often"
        )


def check_rates(run: str, rates: np.ndarray) -> None:
    """Refuse a column of learning rates with gaps, or without a positive one.

    Raises
    ------
    BayescaleError
    """
    missing = np.flatnonzero(~np.isfinite(rates))
    if len(missing):
        raise BayescaleError(
            f"run {run!r}: row {missing[0] + 1} has no learning rate ({len(missing)} of "
            f"{len(rates)} rows have none); fill them, or declare it: --schedule cosine"
        )
    if (rates < 0).any() or rates.max() <= 0:
        raise BayescaleError(
            f"run {run!r}: lr={rates.min():g}: a learning rate is not negative, "
            "and somewhere above 0"
        )
