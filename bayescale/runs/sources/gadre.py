"""Gadre et al. (arXiv 2403.08540): over-training on three training sets, a JSON file a run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

_VOCAB = 50432
# Shapes of the models whose names do not say them: width, depth, heads.
_SHAPES = {"open_lm_1b": (2048, 24, 16), "open_lm_7b": (4096, 32, 32)}
# Validation sets, by a part of the address of their files.
_SETS = {
    "/openlm/": "openlm",
    "/c4_val/": "c4_val",
    "/paloma_c4_en/": "paloma_c4_en",
    "/paloma_dolma_100_programing_languages/": "paloma_100pl",
    "/paloma_falcon-refinedweb/": "paloma_refinedweb",
    "/paloma_ptb/": "paloma_ptb",
    "/paloma_redpajama/": "paloma_redpajama",
    "/de-en/": "german_c4",
}
_LOSS = "c4_val"
_SE_PER_95 = 2 * 1.96  # standard errors between the ends of a 95 % interval


def runs(files: Mapping[str, Path]) -> pd.DataFrame:
    """104 runs; `loss` is that on C4, `loss_se` its standard error over tokens."""
    return pd.DataFrame([_run(json.loads(file.read_text("utf-8"))) for file in files.values()])


def _run(content: dict[str, Any]) -> dict[str, Any]:
    settings = content["hyperparameters"]
    results = {_set_of(result): result for result in content["results"]}
    model = Path(settings["model"]).stem if "/" in settings["model"] else settings["model"]
    params, tokens = settings["params"], settings["tokens"]
    width, depth, heads = _shape(model)
    ends = [results[_LOSS][f"loss_tokens_{end}_95"] for end in ("lower", "upper")]
    return {
        "run": content["name"],
        "family": f"openlm_{content['dataset_name']}",
        "tokenizer": "gpt-neox-20b",
        "params": params,
        "params_nonembedding": settings["params_no_embed"],
        "tokens": tokens,
        "flops": 6.0 * params * tokens,
        "loss": results[_LOSS]["loss"],
        "width": width,
        "depth": depth,
        "heads": heads,
        "vocab": _VOCAB,
        "dataset": content["dataset_name"],
        "model": model,
        "overtrain_multiplier": settings["chinchilla_multiplier"],
        **{f"loss_{name}": results[name]["loss"] for name in _SETS.values()},
        "loss_se": (ends[1] - ends[0]) / _SE_PER_95,
    }


def _set_of(result: Mapping[str, Any]) -> str:
    (address,) = result["val_data"]
    return next(name for part, name in _SETS.items() if part in address)


def _shape(model: str) -> tuple[int, int, int]:
    if model in _SHAPES:
        return _SHAPES[model]
    width, depth, heads = (int(digits) for digits in re.findall(r"\d+", model))
    return width, depth, heads
