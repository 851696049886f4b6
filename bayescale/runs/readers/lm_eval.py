"""lm-evaluation-harness: the results JSON, its tasks of rolling log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.runs.readers.found import Found, number, read_object


def read(path: Path, columns: Mapping[str, str]) -> Found:
    """A row a task: bits per byte, which byte perplexity is two to the power of.

    Raises
    ------
    BayescaleError
        If columns are named: the harness names its metrics itself.
    """
    if columns:
        raise BayescaleError(f"{path}: --column has no use for lm-eval; leave it out")
    content = read_object(path, "results", dict, "a results file of lm-evaluation-harness")
    config = content.get("config", {})
    params = number(config.get("model_num_parameters"), f"{path}: model_num_parameters")
    model = content.get("model_name") or _pretrained(config.get("model_args")) or path.stem
    found = Found()
    for task, metrics in content["results"].items():
        bpb = _metric(metrics, "bits_per_byte", path)
        perplexity = _metric(metrics, "byte_perplexity", path)
        if bpb is None and perplexity is not None and perplexity > 0:
            bpb = math.log2(perplexity)
        if bpb is None:
            found.left_out["a task without bits_per_byte or byte_perplexity"] += 1
            continue
        found.rows.append(
            {
                "run": f"{Path(model).name}@{task}",
                "params": params,
                "bpb": bpb,
                "task": task,
                "word_perplexity": _metric(metrics, "word_perplexity", path),
            }
        )
    return found


def _metric(metrics: Mapping[str, Any], name: str, path: Path) -> float | None:
    """A metric, under whichever filter; the harness writes N/A where it has none."""
    for key, value in metrics.items():
        if key.split(",")[0] == name and value != "N/A":
            return number(value, f"{path}: {key}")
    return None


def _pretrained(arguments: object) -> str | None:
    """The model's name in its arguments, which older versions write as one text."""
    if isinstance(arguments, str):
        arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
    name = arguments.get("pretrained") if isinstance(arguments, dict) else None
    return name if isinstance(name, str) else None
