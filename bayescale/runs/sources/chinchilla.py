"""Chinchilla's runs as digitised from figure 4 of arXiv 2203.15556 by arXiv 2404.10102."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

# What Besiroglu et al. leave out: so many points with the fewest tokens per parameter.
_DROPPED = 5


def points(files: Mapping[str, Path]) -> pd.DataFrame:
    """245 points; tokens are C / 6N, as the figure shows N and C."""
    (file,) = files.values()
    raw = pd.read_csv(file)
    table = pd.DataFrame(
        {
            "run": [f"chinchilla_{i:03d}" for i in range(len(raw))],
            "family": "chinchilla",
            "tokenizer": "sentencepiece-32k(Gopher)",
            "params": raw["Model Size"],
            "tokens": raw["Training FLOP"] / (6 * raw["Model Size"]),
            "flops": raw["Training FLOP"],
            "loss": raw["loss"],
        }
    )
    ratio = table["tokens"] / table["params"]
    return table.assign(drop_in_besiroglu=ratio.rank() <= _DROPPED)
