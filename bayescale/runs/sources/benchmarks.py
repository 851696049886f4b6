"""Benchmarks beside compute (Sloth, arXiv 2412.06540) and bits per byte (2502.12120)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

_SCORES = (
    *("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO", "MMLU", "ARC", "HellaSwag"),
    *("TruthfulQA", "Winogrande", "GSM8K", "XWinograd", "HumanEval"),
)
_CORPORA = {
    "C4": "c4",
    "The Pile UC": "pile",
    "RefineWeb": "refinedweb",
    "Slimpajama": "slimpajama",
    "FineWeb-Edu": "fineweb_edu",
}
_TASKS = (
    *("ARC-Challenge", "ARC-Easy", "HellaSwag", "MMLU", "Winogrande", "PIQA", "Social IQa"),
    *("CommonSenseQA", "COPA", "OpenBookQA"),
)


def model_benchmarks(files: Mapping[str, Path]) -> pd.DataFrame:
    """188 open models and up to 14 scores, from 0 to 1."""
    (file,) = files.values()
    raw = pd.read_csv(file)
    return pd.DataFrame(
        {
            "run": raw["Model"],
            "family": raw["Family"],
            "instruct": raw["Instruct"],
            "release": raw["date"],
            "params": raw["#Params (B)"] * 1e9,
            "tokens": raw["Pretraining Data Size (T)"] * 1e12,
            **{_plain(score): raw[score] for score in _SCORES},
        }
    )


def bpb_and_benchmarks(files: Mapping[str, Path]) -> pd.DataFrame:
    """129 checkpoints: bits per byte on five corpora and accuracies from 0 to 1."""
    (file,) = files.values()
    raw = pd.read_csv(file, skiprows=[1])  # a second header, which names interventions
    return pd.DataFrame(
        {
            "run": _names(raw),
            "architecture": raw["Architecture"],
            "params": raw["Size"],
            "dataset": raw["Pretraining Data"],
            "tokenizer": raw["Tokenizer"],
            "tokens": raw["Tokens"],
            "context": raw["Context Length"],
            **{f"bpb_{our}": raw[f"{name} Validation BPB"] for name, our in _CORPORA.items()},
            **{f"acc_{_plain(task)}": raw[f"{task} Accuracy"] for task in _TASKS},
        }
    )


def _names(raw: pd.DataFrame) -> pd.Series:
    """Names, with the step or else a number where a name stands for several checkpoints."""
    name = raw["Name"]
    again = name.duplicated(keep=False)
    step = raw["Steps"].map(lambda s: f"@{s:.0f}", na_action="ignore").fillna("")
    name = name.where(~again, name + step)
    number = name.groupby(name).cumcount().map(lambda i: f"#{i + 1}" if i else "")
    return name + number


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name).lower()
