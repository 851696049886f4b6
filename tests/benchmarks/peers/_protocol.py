"""What every worker does alike: read a split, time each method on it, write what came out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

# ln(response) of the test rows, one row a draw (a point prediction has one).
type Forecast = Callable[[dict], np.ndarray]


def serve(methods: Mapping[str, Forecast], version: str) -> None:
    """Run every method on the split of the file in argv[1] and write the draws to argv[2]."""
    source, target = map(Path, sys.argv[1:])
    split = json.loads(source.read_text())
    out = [{"method": k, "version": version, **_forecast(run, split)} for k, run in methods.items()]
    target.write_text(json.dumps(out))


def columns(split: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give params, tokens and response of the training rows, then params and tokens of the test."""
    train, test = split["train"], split["test"]
    rows = train["params"], train["tokens"], train["response"], test["params"], test["tokens"]
    n, d, y, n_test, d_test = (np.asarray(values, float) for values in rows)
    return n, d, y, n_test, d_test


def _forecast(run: Forecast, split: dict) -> dict:
    start = time.perf_counter()
    try:
        draws = np.asarray(run(split), float)
        if not np.isfinite(draws).all():
            share = 1 - np.isfinite(draws).mean()
            raise ValueError(f"{share:.1%} of the draws of ln(response) are not finite")
    except Exception as error:  # noqa: BLE001 -- a peer may fail in any way, and its score shows it
        return {"error": f"{type(error).__name__}: {error}"}
    return {"draws": draws.round(7).tolist(), "seconds": round(time.perf_counter() - start, 3)}
