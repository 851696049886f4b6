"""What a notebook would do: least squares of a law, and a Gaussian process without one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy
from scipy.spatial.distance import cdist

from bayescale import Runs, Spec
from bayescale.evaluation.splits import Split
from bayescale.model.design import design, inputs_of
from bayescale.model.linearised import Linear
from bayescale.model.scale import scale_of

# A Gaussian process takes the third power of its runs.
_MOST = 600


def least_squares(spec: Spec, one: Split) -> np.ndarray:
    """Medians of the test runs (run x corpus) by least squares of the law alone, without priors."""
    whole, train = _joined(one)
    law_alone = Spec.model_validate({**spec.model_dump(by_alias=True), "discrepancy": {}})
    data = design(law_alone, whole).data
    law = Linear(law_alone, data)
    below = Linear(law_alone, data.isel(run=np.flatnonzero(train)))
    start, _ = below.solved()
    found = scipy.optimize.least_squares(
        lambda theta: np.nan_to_num(below.observed - below.predicted(theta), nan=1e3), start
    ).x
    rows = law.predicted(found).reshape(len(train), -1)[~train]
    return np.ravel(np.exp(rows) if spec.noise.on == "log" else rows)


def gaussian_process(spec: Spec, one: Split) -> np.ndarray:
    """Medians of the test runs by a Gaussian process around a plane, a length for each input.

    Matern-5/2, marginal likelihood; each corpus by itself, and each label with parameters of its
    own.
    """
    whole, train = _joined(one)
    inputs = inputs_of(spec, whole)
    x = np.column_stack([inputs[name] for name in spec.law.inputs])
    scale = scale_of(spec)
    responses = scale.forward(whole.table[list(spec.columns)].to_numpy(float), np)
    labels = None
    if spec.by_label:  # other groups have labels that are only to be predicted
        labels = whole.table[list(spec.groups)].astype(str).agg(" ".join, axis=1)
    predicted = np.full_like(responses, np.nan)
    for corpus in range(responses.shape[1]):
        for label in [None] if labels is None else labels.unique():
            rows = np.ones(len(x), bool) if label is None else (labels == label).to_numpy()
            predicted[rows, corpus] = _process(x[rows], responses[rows, corpus], train[rows])
    return np.ravel(scale.back(predicted[~train]))


def _joined(one: Split) -> tuple[Runs, np.ndarray]:
    """All runs of a split, and which are fitted."""
    table = [part.table for part in (one.train, one.test)]
    whole = Runs.from_frame(pd.concat(table, ignore_index=True))
    return whole, np.arange(len(whole)) < len(one.train)


def _process(x: np.ndarray, y: np.ndarray, train: np.ndarray) -> np.ndarray:
    spread = np.where(np.ptp(x[train], axis=0) > 0, x[train].std(0), 1.0)
    z = (x - x[train].mean(0)) / spread
    plane = np.column_stack([np.ones(len(z)), z])
    line = np.linalg.lstsq(plane[train], y[train], rcond=None)[0]
    residual = y[train] - plane[train] @ line
    unit = residual.std() or 1.0
    some = np.linspace(0, train.sum() - 1, min(train.sum(), _MOST)).round().astype(int)
    seen, target = z[train][some], residual[some] / unit

    def covariance(logs: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        lengths = np.exp(logs[2:])
        t = np.sqrt(5) * cdist(one / lengths, other / lengths)
        return np.exp(2 * logs[0]) * (1 + t + t**2 / 3) * np.exp(-t)

    def cost(logs: np.ndarray) -> float:
        whole = covariance(logs, seen, seen) + np.eye(len(seen)) * (np.exp(2 * logs[1]) + 1e-8)
        factor = np.linalg.cholesky(whole)
        half = scipy.linalg.solve_triangular(factor, target, lower=True)
        return float(half @ half / 2 + np.log(np.diag(factor)).sum())

    start = np.r_[0.0, -1.0, np.zeros(z.shape[1])]
    bounds = [(-5, 3), (-6, 1), *[(-3, 5)] * z.shape[1]]
    logs = scipy.optimize.minimize(cost, start, bounds=bounds, options={"maxiter": 40}).x
    whole = covariance(logs, seen, seen) + np.eye(len(seen)) * (np.exp(2 * logs[1]) + 1e-8)
    return plane @ line + unit * (covariance(logs, z, seen) @ np.linalg.solve(whole, target))
