"""Muennighoff et al. (arXiv 2305.16264): repeated data; and curves of some of these runs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_VOCAB = 50257
_TOKENIZER = "gpt2"
# A run's name, without its size: tokens and unique tokens, as in 55b4b, 7b5100m or 84b1b9.
_TOKENS = re.compile(r"(.+?)(\d{1,3}[bm]|\db\d{1,2})")
_EXTRAS = re.compile(r"c4|v2|seed\d|dedup")
# Parameters of the sizes in arXiv 2410.11840, which collected the curves.
_SIZES = {"2.8B": 2.81e9, "4.2B": 4.2465e9, "8.7B": 8.67e9}


def runs(files: Mapping[str, Path]) -> pd.DataFrame:
    """Final losses, from the dictionaries in a notebook of the source; nothing of it is run.

    Runs that did not finish (a loss of 0) are left out, and so are two of another shape, of whose
    size or tokens the source is not sure.
    """
    (file,) = files.values()
    losses, sizes = _dictionaries(file, "NAMES_TO_VAL_LOSSES", "PARAMS_MAP")
    rows = [_run(name, loss, sizes) for name, loss in losses.items() if loss and "opt" not in name]
    return _counted(pd.DataFrame(rows))


def _run(name: str, loss: float, sizes: Mapping[str, float]) -> dict[str, Any]:
    size = next(size for size in sizes if name.startswith(size))
    amounts = _TOKENS.fullmatch(_EXTRAS.sub("", name.removeprefix(size)))
    if amounts is None:
        raise ValueError(f"run {name!r} does not say its tokens")
    tokens, unique = (_amount(text) for text in amounts.groups())
    seed = re.search(r"seed(\d)", name)
    return {
        "run": name,
        "family": "datablations",
        "tokenizer": _TOKENIZER,
        "params": sizes[size],
        "tokens": tokens,
        "unique_tokens": unique,
        "loss": loss,
        "vocab": _VOCAB,
        "seed": int(seed[1]) if seed else 0,
        "dataset": "c4-dedup-subset" if name.endswith("dedup") else "c4",
    }


def trajectories(files: Mapping[str, Path]) -> pd.DataFrame:
    """Checkpoints of 48 runs on C4 or OSCAR, a row each; `run_group` names the run."""
    (file,) = files.values()
    raw = pd.read_csv(file)
    boards = raw["model_args"].map(lambda text: ast.literal_eval(text)["tensorboard"])
    group = [
        f"{data}_{size}_ep{epochs}_{board[:5]}"
        for data, size, epochs, board in zip(
            raw["data"], raw["num_params"], raw["epochs"], boards, strict=True
        )
    ]
    tokens = raw["token_num"]
    table = pd.DataFrame(
        {
            "run": [f"{g}_{t / 1e9:.10g}B" for g, t in zip(group, tokens, strict=True)],
            "family": "datablations_" + raw["data"],
            "tokenizer": _TOKENIZER,
            "params": raw["num_params"].map(_SIZES),
            "tokens": tokens,
            "unique_tokens": raw["tokens_per_epoch"],
            "loss": raw["loss"],
            "vocab": _VOCAB,
            "run_group": group,
            "seen_unique_tokens": np.minimum(tokens, raw["tokens_per_epoch"]),
            "total_epochs": raw["epochs"],
            "dataset": raw["data"],
        }
    )
    return _counted(table)


def _counted(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        epochs=table["tokens"] / table["unique_tokens"],
        flops=6 * table["params"] * table["tokens"],
    )


def _amount(text: str) -> float:
    """Tokens as the names have them: 100m, 4b, 1b25."""
    if text.endswith("m"):
        return float(text[:-1]) * 1e6
    return float(text.replace("b", ".")) * 1e9


def _dictionaries(notebook: Path, *names: str) -> list[dict[str, float]]:
    """Literal dictionaries that the code of a notebook gives a name."""
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or not all(f"{name} = " in source for name in names):
            continue
        found = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        return [found[name] for name in names]
    raise ValueError(f"no cell defines {' and '.join(names)}")
