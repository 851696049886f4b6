"""ScaleBench (arXiv 2604.22753): eight tasks, each with a pool to fit and a target region."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

# Our names of the columns of each task; the others keep theirs.
_NAMES = {
    "data_constrained": {},
    "domain_mixture": {},
    "farseer": {"N": "params", "D": "tokens", "loss": "bpc"},
    "lr_bsz": {
        "bsz": "batch",
        "data_size": "tokens",
        "non_embedding_param_size": "params",
        "lm_loss": "loss",
    },
    "moe": {
        "num_experts": "experts",
        "dense_parameter_count": "params",
        "loss_validation": "loss",
    },
    "parallel": {"num_params": "params", "parallel_size": "streams"},
    "sparsity": {},
    "vocab": {
        "non_vocab_parameters": "params_nonvocab",
        "vocab_size": "vocab",
        "num_characters": "characters",
        "unigram_normalized_loss": "loss_unigram_normalised",
    },
}


def task(files: Mapping[str, Path]) -> pd.DataFrame:
    """A task; `split` is train for the pool, and test for the expensive target region."""
    name = Path(next(iter(files))).parent.name.removesuffix("_scaling_law")
    parts = {
        split: pd.read_parquet(next(file for path, file in files.items() if f"/{split}-" in path))
        for split in ("train", "test")
    }
    table = pd.concat(
        [part.rename(columns=_NAMES[name]).assign(split=split) for split, part in parts.items()],
        ignore_index=True,
    )
    table.insert(0, "run", [f"{name}_{i:04d}" for i in range(len(table))])
    return table
