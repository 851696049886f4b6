"""What an interval is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayescale import Fit

KNOWN = {"params": 7e10, "tokens": 1.5e13, "family": "Llama-3", "tokenizer": "Llama-3"}
NEW = {"params": 7e10, "tokens": 1.5e13}


def test_parts_sum_to_one_and_a_new_family_adds_to_the_groups(fitted: Fit) -> None:
    shares = fitted.variance_shares([KNOWN, NEW])
    np.testing.assert_allclose(shares.sum("component"), 1)
    known, new = shares.isel(run=0), shares.isel(run=1)
    assert float(new.sel(component="groups")) > float(known.sel(component="groups"))
    assert float(shares.sel(component="discrepancy").max()) == 0


def test_the_noise_is_what_a_known_curve_leaves(fitted: Fit) -> None:
    # Var(run) - Var(curve) is the noise; in terms of intervals, as Student's tails are long.
    mean = fitted.predict([NEW], "curve").draws
    noise = float(fitted.variance_shares([NEW]).sel(component="noise").item())
    curve = float(mean.var())
    width = fitted.predict([NEW], "run").table()
    whole = float(((width["upper"] - width["lower"]) / (2 * 1.6449)).item()) ** 2
    assert noise == pytest.approx(1 - curve / whole, abs=0.1)


def test_parameters_count_for_more_the_further_out(fitted: Fit) -> None:
    far = {name: 30 * value for name, value in NEW.items()}
    near, out = fitted.variance_shares([NEW, far]).sel(component="parameters").to_numpy()
    assert out > near


def test_predict_says_the_parts(fitted_dir: Path, run: Callable) -> None:
    code, out, _ = run("predict", fitted_dir, "--at", "params=70B,tokens=15T", "--json")
    assert code == 0
    parts = json.loads(out)["rows"][0]["variance_shares"]
    assert set(parts) == {"parameters", "groups", "discrepancy", "noise"}
    assert sum(parts.values()) == pytest.approx(1)
