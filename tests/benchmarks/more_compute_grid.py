"""Farseer's controlled grid: section 4 of `make more-compute`.

Which law fits 404 runs of one recipe and predicts the 7 largest, and what slopes these laws have
where open models are: the claim's equal slopes are those of the middle of the grid. Laws are those
of the shipped specs, by least squares of the logarithm, in which 404 runs leave little to a prior;
intervals are by bootstrap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from more_compute_fits import quantiles
from scipy.optimize import least_squares

from bayescale import Runs, Spec
from bayescale.model.design import design
from bayescale.model.linearised import Linear

LAWS = ("compute-only", "separate-slopes", "compute-floor", "chinchilla", "farseer")
READ = ("farseer", "chinchilla")  # at the inputs of open models
FOLDS = 10
RESAMPLES = 40


class Law:
    """A shipped spec's law on the grid, and the curve at any inputs."""

    def __init__(self, name: str, runs: Runs) -> None:
        spec = Spec.load(name).replace(response="bpc", groups=False)
        self._design = design(spec, runs)
        self._linear = Linear(spec, self._design.data)
        self._log = spec.noise.on == "log"
        self._start, _ = self._linear.solved()
        self._spec = spec

    def fitted(self, kept: np.ndarray) -> np.ndarray:
        """The parameters given the runs at these places, of which some may be there twice."""

        def residuals(theta: np.ndarray) -> np.ndarray:
            error = self._linear.observed[kept] - self._linear.predicted(theta)[kept]
            return np.nan_to_num(error, nan=1e3, posinf=1e3, neginf=-1e3)

        return np.asarray(least_squares(residuals, self._start, max_nfev=2000).x)

    def at(self, theta: np.ndarray, params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The curve at other inputs."""
        logs = {"params": np.log(params), "tokens": np.log(tokens)}
        x = {name: logs[name] - np.log(self._design.centre[name]) for name in logs}
        there = xr.Dataset({name: ("run", value) for name, value in x.items()})
        there["response"] = ("run", np.ones(len(params)))
        elsewhere = Linear(self._spec, there)
        elsewhere._unit, elsewhere.typical = self._linear._unit, self._linear.typical
        value = elsewhere.predicted(theta) * self._linear._unit
        return np.exp(value) if self._log else value


def grid(table: pd.DataFrame, seed: int = 0) -> tuple[dict[str, Any], dict[str, Law]]:
    """Each law by cross-validation, and on the runs that were held out."""
    rng = np.random.default_rng(seed)
    runs = Runs.from_frame(table, name="farseer")
    train = np.flatnonzero(table["split"] == "train")
    test = np.flatnonzero(table["split"] == "test")
    fold = rng.permutation(len(train)) % FOLDS
    params, tokens, bpc = (table[name].to_numpy() for name in ("params", "tokens", "bpc"))
    laws, said = {}, {}
    for name in LAWS:
        laws[name] = law = Law(name, runs)
        error = np.empty(len(train))
        for i in range(FOLDS):
            out = train[fold == i]
            theta = law.fitted(train[fold != i])
            error[fold == i] = np.log(bpc[out]) - np.log(law.at(theta, params[out], tokens[out]))
        theta = law.fitted(train)
        ahead = law.at(theta, params[test], tokens[test]) / bpc[test] - 1
        spread = np.sqrt((error**2).mean())
        density = -0.5 * (error / spread) ** 2 - np.log(spread * bpc[train] * np.sqrt(2 * np.pi))
        said[name] = {
            "elpd": float(density.sum()),
            "rmse_inside": float(spread),
            "error": float(ahead.mean()),
            "rmse": float(np.sqrt((ahead**2).mean())),
        }
    levels = np.ones((len(train), 1))
    x = np.column_stack([np.log(params[train]), np.log(tokens[train]), levels])
    slopes = []
    for _ in range(400):
        some = rng.integers(len(train), size=len(train))
        slopes.append(np.linalg.lstsq(x[some], bpc[train][some], rcond=None)[0])
    names = ("slope_params", "slope_tokens")
    found = {name: quantiles(np.array(slopes)[:, i]) for i, name in enumerate(names)}
    return {"laws": said, "slopes": found}, laws


def resampled(law: Law, table: pd.DataFrame, seed: int = 0) -> list[np.ndarray]:
    """Parameters given resampled runs of the grid."""
    rng = np.random.default_rng(seed)
    train = np.flatnonzero(table["split"] == "train")
    return [law.fitted(rng.choice(train, len(train))) for _ in range(RESAMPLES)]


def read_at(
    laws: dict[str, Law],
    thetas: dict[str, list[np.ndarray]],
    models: pd.DataFrame,
    levels: pd.DataFrame,
) -> dict[str, Any]:
    """Slopes of ln N and ln D that least squares would find, if these laws held for the models.

    Parameters
    ----------
    laws : dict of str to Law
        Laws of the controlled grid, which saw none of the models.
    thetas : dict of str to list of ndarray
        Draws of the parameters of those in `READ`.
    models : DataFrame
        `params` and `tokens` of open models, and `bpb`, what they scored.
    levels : DataFrame
        Further columns of the regression: a level for each round.
    """
    params, tokens = models["params"].to_numpy(), models["tokens"].to_numpy()
    solve = np.linalg.pinv(np.column_stack([np.log(params), np.log(tokens), levels]))[:2]
    read: dict[str, Any] = {
        "observed": dict(zip(("params", "tokens"), map(float, solve @ models["bpb"]), strict=True))
    }
    for name in READ:
        found = np.array([solve @ laws[name].at(t, params, tokens) for t in thetas[name]])
        read[name] = {
            "params": quantiles(found[:, 0]),
            "tokens": quantiles(found[:, 1]),
            "ratio": quantiles(found[:, 0] / found[:, 1]),
        }
    return read


def by_ratio(
    laws: dict[str, Law], thetas: dict[str, list[np.ndarray]], flops: float = 1e23
) -> dict[str, list[dict[str, float]]]:
    """Ratio of the two slopes by tokens per parameter, at one budget, of each law in `READ`."""
    ratios, step = np.geomspace(1, 30_000, 28), 0.05
    params = np.sqrt(flops / 6 / ratios)
    tokens = ratios * params
    said = {}
    for name in READ:
        law, drawn = laws[name], []
        for theta in thetas[name]:
            base = law.at(theta, params, tokens)
            larger = law.at(theta, params * np.exp(step), tokens) - base
            longer = law.at(theta, params, tokens * np.exp(step)) - base
            drawn.append(larger / longer)
        some = np.array(drawn)
        said[name] = [
            {"per_param": float(ratio), **quantiles(some[:, i])} for i, ratio in enumerate(ratios)
        ]
    return said
