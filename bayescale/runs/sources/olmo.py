"""The OLMo 2 ladder (arXiv 2412.04403): a CSV file of evaluations a run, its last row the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

_VOCAB = 100352  # with padding
# Parameters without input embeddings, width, depth and heads; the files do not say them.
_SIZES = {
    "190M": (190_354_176, 768, 12, 12),
    "370M": (371_262_464, 1024, 16, 16),
    "760M": (758_220_288, 1536, 16, 16),
    "1B": (1_279_395_840, 2048, 16, 16),
    "3B": (3_169_537_280, 3328, 16, 16),
    "7B": (6_887_575_552, 4096, 32, 32),
    "13B": (13_202_396_160, 5120, 40, 40),
}
_TARGETS = {"peteish7_eval_anneal": "7B-4T", "peteish13_eval_final": "13B-5T"}
_LOSS = re.compile(r"eval/(.+)-validation/CrossEntropyLoss")
_BPB = re.compile(r"eval/downstream_bpb/(.+)_rc_5shot_bpb")
_ACCURACY = re.compile(r"eval/downstream/(.+)_rc_5shot_(?:len_norm|acc)")


def ladder(files: Mapping[str, Path]) -> pd.DataFrame:
    """30 runs from 190M to 3B and two targets; `loss` is that on C4.

    With the losses of eleven validation sets, and bits per byte and accuracies of 5-shot tasks.
    """
    return pd.DataFrame([_run(Path(path).stem, file) for path, file in files.items()])


def _run(name: str, file: Path) -> dict[str, Any]:
    raw = pd.read_csv(file)
    tokens = (
        raw["throughput/total_tokens"]
        if "throughput/total_tokens" in raw
        else raw["_step"] * raw["batch_size_in_tokens"]
    )
    end = raw.loc[tokens.idxmax()]
    label = _TARGETS.get(name, name.partition("-")[0])
    params, width, depth, heads = _SIZES[label.partition("-")[0]]
    losses = _matching(end, _LOSS, "loss")
    return {
        "run": name,
        "family": "olmo2_ladder",
        "tokenizer": "dolma2/cl100k(100278)",
        "params": params + _VOCAB * width,
        "params_nonembedding": params - _VOCAB * width,
        "tokens": float(tokens.max()),
        "flops": 6.0 * params * tokens.max(),
        "loss": losses["loss_c4_en"],
        "width": width,
        "depth": depth,
        "heads": heads,
        "vocab": _VOCAB,
        "role": "target" if name in _TARGETS else "ladder",
        "size_label": label,
        "rerun": name.endswith("-rerun"),
        "params_excl_input_emb": params,
        **losses,
        **_matching(end, _BPB, "bpb"),
        **_matching(end, _ACCURACY, "acc"),
    }


def _matching(row: pd.Series, pattern: re.Pattern[str], prefix: str) -> dict[str, float]:
    found = {header: pattern.fullmatch(header) for header in row.index}
    return {f"{prefix}_{match[1]}": row[header] for header, match in found.items() if match}
