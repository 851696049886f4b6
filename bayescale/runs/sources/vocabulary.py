"""Vocabularies of ten sizes (arXiv 2407.13623)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd


def grid(files: Mapping[str, Path]) -> pd.DataFrame:
    """1,200 runs; the loss is a difference to the unigram model, so neither `loss` nor `bpc`.

    Tokens are those of the published FLOP counts, 6ND with embeddings of input and output.
    """
    (file,) = files.values()
    raw = pd.read_csv(file)
    vocab, width = raw["vocab_size"].astype(int), raw["embed_dim"].astype(int)
    body = raw["Non_vocab_parameters"]
    params = body + vocab * width
    tokens = raw["FLOPs"] / (6 * params)
    names = zip(body, vocab, raw["num_characters"], strict=True)
    return pd.DataFrame(
        {
            "run": [f"vocab_N{n / 1e6:.0f}M_V{v}_H{h:.3g}" for n, v, h in names],
            "family": "vocabscaling_llama",
            "tokenizer": [f"bpe_{v}" for v in vocab],
            "params": params,
            "params_nonembedding": body,
            "tokens": tokens,
            "flops": raw["FLOPs"],
            "width": width,
            "vocab": vocab,
            "num_characters": raw["num_characters"],
            "loss_unigram_normalised": raw["Lossu"],
        }
    )
