"""Published forms of benchmark scores, by least squares, for `make bench-benchmarks`.

PCA and family lines after Ruan et al. 2024 (arXiv 2405.10938); Sloth after Maia Polo et al. 2024
(arXiv 2412.06540); a plain sigmoid of one corpus's loss after Mayilvahanan et al. 2025
(arXiv 2502.12120). All know the chance levels.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares, minimize

from bayescale.runs.benchmarks.scores import Scores

# Principal components, factors and starts of the published forms.
COMPONENTS, FACTORS, STARTS = 3, 3, 5
_HUBER = 0.01
_ROUNDS = 200


def pca_and_lines(scores: Scores, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Principal components of the scores, a line in ln C for each family, a sigmoid a benchmark.

    A family with fewer than two sizes to fit takes the common slope, a new one the mean line.
    """
    table, y, chance = _arrays(scores)
    flops = np.log(scores.flops.to_numpy())
    seen = y[train]
    mean, axes = _components(seen)
    filled = np.where(np.isfinite(seen), seen, _filled(seen))
    found = (filled - mean) @ axes.T
    heads = [_head(found, seen[:, j], chance[j]) for j in range(y.shape[1])]
    names = table["family"].to_numpy(str)
    families = np.unique(names[train])
    member = (names[train][:, None] == families).astype(float)
    x = np.column_stack([flops[train], member])
    common = np.linalg.lstsq(x, found, rcond=None)[0]
    rows = []
    for run in np.flatnonzero(test):
        own = names[train] == names[run]
        if len(np.unique(flops[train][own])) >= 2:
            lines = [np.polyfit(flops[train][own], found[own, k], 1) for k in range(len(axes))]
            at = np.array([np.polyval(line, flops[run]) for line in lines])
        else:
            at = common[0] * flops[run] + (
                common[1 + list(families).index(names[run])] if own.any() else common[1:].mean(0)
            )
        rows.append([c + (1 - c) * _expit(h[0] + at @ h[1:]) for c, h in
                     zip(chance, heads, strict=True)])  # fmt: skip
    return np.array(rows)


def sloth(scores: Scores, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Factors by ln N, ln D, their product and the family; a new family is the mean one."""
    table, y, chance = _arrays(scores)
    logs = np.log(table[["params", "tokens"]].to_numpy(float))
    logs = logs - logs[train].mean(0)
    x = np.column_stack([logs, logs[:, 0] * logs[:, 1]])
    names = table["family"].to_numpy(str)
    families = np.unique(names[train])
    member = (names[:, None] == families).astype(float)
    member[member.sum(1) == 0] = 1 / len(families)
    known = np.isfinite(y[train])
    target = np.where(known, y[train], 0)
    sizes = [len(families) * FACTORS, 3 * FACTORS, y.shape[1] * FACTORS, y.shape[1]]

    def parts(z: np.ndarray) -> tuple[np.ndarray, ...]:
        family, slope, loading, level = np.split(z, np.cumsum(sizes)[:-1])
        return (family.reshape(-1, FACTORS), slope.reshape(3, FACTORS),
                loading.reshape(-1, FACTORS), level)  # fmt: skip

    def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
        family, slope, loading, level = parts(z)
        factor = member[train] @ family + x[train] @ slope
        share = _expit(factor @ loading.T + level)
        error = np.where(known, chance + (1 - chance) * share - target, 0)
        size = np.abs(error)
        huber = np.where(size <= _HUBER, 0.5 * error**2, _HUBER * (size - 0.5 * _HUBER))
        back = np.clip(error, -_HUBER, _HUBER) * (1 - chance) * share * (1 - share)
        by_factor = back @ loading
        slopes = [member[train].T @ by_factor, x[train].T @ by_factor, back.T @ factor, back.sum(0)]
        scale = 1e4 / known.sum()
        return huber.sum() * scale, np.concatenate([s.ravel() for s in slopes]) * scale

    rng = np.random.default_rng(0)
    best = None
    for _ in range(STARTS):
        start = np.concatenate([
            0.1 * rng.normal(size=sizes[0]),
            0.3 * np.repeat([1.0, 1.0, 0.0], FACTORS) + 0.1 * rng.normal(size=sizes[1]),
            0.5 + 0.3 * rng.normal(size=sizes[2]),
            np.zeros(sizes[3]),
        ])  # fmt: skip
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 3000})
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    family, slope, loading, level = parts(best.x)
    factor = member[test] @ family + x[test] @ slope
    return np.asarray(chance + (1 - chance) * _expit(factor @ loading.T + level))


def sigmoid_of_loss(scores: Scores, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """A sigmoid of the loss on the corpus that fits each benchmark's training rows best."""
    _, y, chance = _arrays(scores)
    losses = np.log(scores.losses.to_numpy(float))
    rows = np.full((int(test.sum()), y.shape[1]), np.nan)
    for j in range(y.shape[1]):
        best = np.inf
        for corpus in range(losses.shape[1]):
            known = train & np.isfinite(y[:, j]) & np.isfinite(losses[:, corpus])
            at = losses[:, corpus] - losses[known, corpus].mean()
            head = _head(at[known, None], y[known, j], chance[j])
            fitted = chance[j] + (1 - chance[j]) * _expit(head[0] + at * head[1])
            error = ((fitted[known] - y[known, j]) ** 2).mean()
            if error < best:
                best, rows[:, j] = error, fitted[test]
    return rows


def _arrays(scores: Scores):
    chance = np.array([each.chance for each in scores.benchmarks.values()])
    return scores.runs.table, scores.scores.to_numpy(float), chance


def _filled(y: np.ndarray) -> np.ndarray:
    """Missing scores by the principal components of the others, iterated."""
    known = np.isfinite(y)
    filled = np.where(known, y, np.nanmean(y, axis=0))
    for _ in range(_ROUNDS):
        mean = filled.mean(0)
        u, s, v = np.linalg.svd(filled - mean, full_matrices=False)
        low = mean + (u[:, :COMPONENTS] * s[:COMPONENTS]) @ v[:COMPONENTS]
        filled = np.where(known, y, low)
    return filled


def _components(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    filled = _filled(y)
    mean = filled.mean(0)
    return mean, np.linalg.svd(filled - mean, full_matrices=False)[2][:COMPONENTS]


def _head(at: np.ndarray, y: np.ndarray, chance: float) -> np.ndarray:
    """Intercept and slopes of a sigmoid above chance, by least squares."""
    known = np.isfinite(y)

    def error(b: np.ndarray) -> np.ndarray:
        return chance + (1 - chance) * _expit(b[0] + at[known] @ b[1:]) - y[known]

    return least_squares(error, np.zeros(at.shape[1] + 1), max_nfev=500).x


def _expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
