"""Readers: results that other tools wrote, as rows of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError
from bayescale.runs.readers import (
    chinchilla,
    epoch,
    lm_eval,
    mlflow,
    simple_scaling_laws,
    trainer,
    wandb,
)
from bayescale.runs.readers.found import Found, Stated, finished

# A format's name, and what reads one path of it; columns are the user's own names in the file.
READERS: dict[str, Callable[[Path, Mapping[str, str]], Found]] = {
    "chinchilla": chinchilla.read,
    "epoch": epoch.read,
    "lm-eval": lm_eval.read,
    "mlflow": mlflow.read,
    "simple-scaling-laws": simple_scaling_laws.read,
    "trainer": trainer.read,
    "wandb": wandb.read,
}


def read_results(kind: str, paths: Sequence[Path], stated: Stated) -> Found:
    """Rows of runs from files of another tool, each checked as a runs table would.

    Parameters
    ----------
    kind : str
        One of `READERS`.
    paths : sequence of Path
    stated : Stated
        What the files cannot know.

    Raises
    ------
    BayescaleError
        If a file cannot be read as this kind, or no row is left.
    """
    if kind not in READERS:
        raise unknown("format", kind, list(READERS))
    found = Found()
    for path in paths:
        if not path.exists():
            raise BayescaleError(f"{path}: no such file")
        one = READERS[kind](path, stated.columns)
        found.rows += one.rows
        found.left_out.update(one.left_out)
    found = finished(found, stated)
    if not found.rows:
        why = "; ".join(found.reasons()) or "the file holds none"
        raise BayescaleError(f"{paths[0]}: no run to read: {why}")
    return found
