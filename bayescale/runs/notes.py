"""Notes of a table of runs: what in it is perhaps not what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayescale.base.notes import Note, listed
from bayescale.base.numbers import human
from bayescale.runs.checkpoints import checkpoints_note
from bayescale.runs.columns import COLUMNS, named_otherwise, responses
from bayescale.runs.table import Runs

# Conventions of FLOP differ by less where models are not tiny.
_FLOPS_FACTOR = 1.5
# Repeats up to so many are worth nearly as much as new tokens (arXiv 2305.16264).
_WORTH_AS_NEW = 4.0
_PERPLEXITY = re.compile(r"ppl|perplex", re.I)
_LOGARITHM = re.compile(r"(?<![a-z])(?:log|ln|nll|nats)(?:(?![a-z])|(?=ppl|perp))", re.I)
# A loss in nats per token that models rarely end above: a vocabulary of 1,100 at random.
_HIGH_LOSS = 7.0


def table_notes(
    runs: Runs,
    *,
    columns: Mapping[str, str] | None = None,
    inputs: Sequence[str] | None = None,
) -> list[Note]:
    """What in a table looks like a slip, for `data check`, readers and every fit.

    Parameters
    ----------
    runs : Runs
    columns : mapping, optional
        Canonical name to the header that the user gave for it; by default as the runs have it.
    inputs : sequence of str, optional
        What the law takes in; by default no law is known.

    Returns
    -------
    list of Note
        `perplexity-as-loss`, `flops-not-6nd`, `repeats-as-new`, `checkpoints-as-runs`.
    """
    notes = (
        perplexity_note(runs, runs.headers if columns is None else columns),
        flops_note(runs),
        repeats_note(runs, inputs),
        checkpoints_note(runs),
    )
    return [note for note in notes if note is not None]


def headers_note(runs: Runs) -> Note | None:
    """Headers that seem to mean a column that the table lacks, or that none is a response."""
    names = [str(name) for name in runs.table]
    free = [name for name in names if name not in COLUMNS]
    meant = {name: named_otherwise(name, free) for name in COLUMNS if name not in names}
    if options := [f"--column {n}={shlex.quote(o)}" for n, o in meant.items() if o]:
        text = f"headers that are not read: {listed([o for o in meant.values() if o])}"
        return Note("unmapped-headers", "warning", text, f"map them with {' '.join(options)}")
    known = responses()
    if any(name in known or name.split("_")[0] in known for name in names):
        return None
    return Note(
        "no-response",
        "info",
        f"no column is a response ({', '.join(known)}): the table holds nothing to fit",
        f"map one with --column {known[0]}=HEADER",
    )


def perplexity_note(runs: Runs, columns: Mapping[str, str]) -> Note | None:
    """Whether the losses look like perplexities, by header, by another column or by size."""
    if "loss" not in runs.table:
        return None
    losses = runs.table["loss"].dropna()
    if losses.empty:
        return None
    evidence = []
    header = columns.get("loss", "loss")
    if names_perplexity(header):
        evidence.append(f"its column is called {header!r}")
    evidence += [f"{name} is its logarithm" for name in _logarithms(runs.table, losses)]
    if losses.median() >= _HIGH_LOSS:
        evidence.append(f"half of the values lie above {losses.median():.3g} nats per token")
    if not evidence:
        return None
    value = float(losses.median())
    return Note(
        "perplexity-as-loss",
        "warning",
        f"loss looks like a perplexity: {'; '.join(evidence)}",
        f"give its logarithm: a perplexity of {value:.3g} is a loss of {np.log(value):.3g} nats "
        "(`measure read` takes --column perplexity=NAME); or name the column perplexity, the "
        "response that it is",
    )


def names_perplexity(header: str) -> bool:
    """Whether a header speaks of a perplexity, and not of its logarithm."""
    return bool(_PERPLEXITY.search(header)) and not _LOGARITHM.search(header)


def _logarithms(table: pd.DataFrame, losses: pd.Series) -> list[str]:
    """Other numeric columns that hold the logarithm of the losses, natural or binary."""
    names = []
    for name in table.select_dtypes("number").columns.drop("loss"):
        both = table.loc[losses.index, name].dropna()
        if both.nunique() < 2:
            continue
        logs = np.log(losses[both.index])
        if any(np.allclose(both, logs / base, rtol=2e-3, atol=0) for base in (1.0, np.log(2))):
            names.append(str(name))
    return names


def flops_note(runs: Runs) -> Note | None:
    """Runs whose stated FLOP are far from 6 N D, N being the parameters active per token."""
    table = runs.table
    if "flops" not in table or not runs.has_compute:
        return None
    ratio = 6 * runs.seen_params("active") * table["tokens"] / table["flops"]
    ratio = ratio.dropna()
    apart = np.abs(np.log(ratio)).sort_values(ascending=False)
    apart = apart[apart > np.log(_FLOPS_FACTOR)]
    if apart.empty:
        return None
    worst = [f"{table.at[row, 'run']} {ratio[row]:.2g}" for row in apart.index]
    return Note(
        "flops-not-6nd",
        "warning",
        f"6 N D is {ratio[apart.index].min():.2g} to {ratio[apart.index].max():.2g} times the "
        f"FLOP stated in {len(apart)} of {len(ratio)} runs: {listed(worst, most=4)}",
        "check params (those active per token, of a mixture of experts), tokens (trained on, not "
        "unique ones or words) and how flops were counted (`bayescale measure flops`)",
    )


def repeats_note(runs: Runs, inputs: Sequence[str] | None) -> Note | None:
    """Whether tokens are repeated and the law, if any is known, takes them all as new."""
    if inputs is not None and "unique_tokens" in inputs:
        return None
    epochs = _epochs(runs.table).dropna()
    epochs = epochs[epochs > 1]
    if epochs.empty or epochs.max() < 1.1:
        return None
    many = epochs.max() > _WORTH_AS_NEW
    law = "a law that does not take unique_tokens" if inputs is None else "the law"
    return Note(
        "repeats-as-new",
        "warning" if many else "info",
        f"up to {human(epochs.max())} epochs ({len(epochs)} of {len(runs)} runs repeat tokens), "
        f"and {law} counts every token as new",
        "fit data-constrained, which takes unique_tokens"
        if many
        else "up to 4 epochs are worth nearly as much as new tokens (arXiv 2305.16264)",
    )


def _epochs(table: pd.DataFrame) -> pd.Series:
    """Passes over the data: tokens over unique ones, or as stated."""
    epochs = table.get("epochs", pd.Series(np.nan, table.index))
    if {"tokens", "unique_tokens"} <= set(table.columns):
        epochs = (table["tokens"] / table["unique_tokens"]).fillna(epochs)
    return epochs
