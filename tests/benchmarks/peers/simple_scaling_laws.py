"""simple-scaling-laws: its wild cluster bootstrap's draws of one new run, each law its own method.

Its defaults stand, which its README calibrates its intervals with: 1000 draws, every row one
training run, its loss unlogged. The third law is here because it nests the other two.
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from _protocol import columns, serve

# This file bears the package's name and must not stand in its way.
sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]

LAWS = ("separable-power", "kaplan-joint-power", "skaling-joint-power")
SIZE, DATA, LOSS = "model_size__params", "dataset_size__tokens", "test_loss__response"


def new_run(split: dict, law: str) -> np.ndarray:
    """Fit one law and draw ln(loss) of one new run at each test row."""
    import polars as pl
    from simple_scaling_laws import fit

    n, d, y, n_test, d_test = columns(split)
    run = [f"run-{i}" for i in range(len(y))]
    table = pl.DataFrame({"training_run_id": run, SIZE: n, DATA: d, LOSS: y})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every extrapolation, which these all are
        model = fit(table, law=law, seed=split["seed"])
        points = model.fitting_predictors(model.prepare_points({SIZE: n_test, DATA: d_test}))
        rng = np.random.default_rng(split["seed"])
        draws = model.target_draws(LOSS, points, kind="new-run", rng=rng)
    return np.log(draws)


if __name__ == "__main__":
    serve(
        {f"simple-scaling-laws, {law}": partial(new_run, law=law) for law in LAWS},
        version("simple-scaling-laws"),
    )
