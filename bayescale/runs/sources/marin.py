"""Marin's IsoFLOP sweep on the Comma data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

_VOCAB = 128256
_NAMES = {
    "Name": "run",
    "parameter_count": "params",
    "throughput/total_tokens": "tokens",
    "eval/paloma/macro_loss": "loss",
    "model.hidden_dim": "width",
    "model.num_layers": "depth",
    "trainer.train_batch_size": "batch_seqs",
    "trainer.num_train_steps": "steps",
    "optimizer.learning_rate": "learning_rate",
}


def isoflops(files: Mapping[str, Path]) -> pd.DataFrame:
    """92 runs; `loss` is Paloma's macro average, `flops` 6ND, `flops_logged` the trainer's."""
    (file,) = files.values()
    raw = pd.read_csv(file)
    table = raw[list(_NAMES)].rename(columns=_NAMES)
    return table.assign(
        family="marin_comma",
        tokenizer="llama3(128256)",
        params_nonembedding=table["params"] - 2 * _VOCAB * table["width"],
        flops=6.0 * table["params"] * table["tokens"],
        vocab=_VOCAB,
        dataset="comma",
        is_validation_optimal=table["run"].str.contains("validation-optimal"),
        flops_logged=raw["throughput/total_gflops"] * 1e9,
    )
