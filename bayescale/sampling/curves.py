"""Inference on curves: modes of many setups at once, then adaptive importance sampling.

Each setup has a dozen coordinates, so a Student's t around its mode, adapted to its own weighted
draws, is close enough to the posterior for importance sampling. Pareto-smoothed weights
say whether it was (k-hat, Vehtari et al., arXiv 1507.02646). Setups of which they say that it was
not get more rounds, then a note.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats

from bayescale.model.curves.density import CurveDensity, Population, replace_setups, take

# Above this importance weights have no reliable mean.
K_HAT_MOST = 0.7
_ROUNDS, _MOST_ROUNDS = 3, 8
_TAILS = 6.0
# A step moves no coordinate by more than this.
_LONGEST = 1.5


@dataclass(frozen=True)
class Modes:
    """The most probable coordinates of setups.

    Attributes
    ----------
    at : (setup, coordinate) array
    log_density : (setup,) array
    curvature : (setup, coordinate, coordinate) array
        Expected curvature there, the inverse of a covariance.
    """

    at: np.ndarray
    log_density: np.ndarray
    curvature: np.ndarray


@dataclass(frozen=True)
class SetupDraws:
    """Draws of one setup's coordinates, equally weighted.

    Attributes
    ----------
    draws : (draw, coordinate) array
    k_hat : float
        Shape of the largest importance weights; below 0.7 they can be relied on.
    effective : float
        Of how many independent draws they are worth.
    """

    draws: np.ndarray
    k_hat: float
    effective: float


def modes(
    density: CurveDensity, prior: Population, start: np.ndarray, most: int = 40, tol: float = 1e-3
) -> Modes:
    """Fisher scoring with damping, all setups at once; those that have arrived rest."""
    at = start.copy()
    value = density.log_density(at, prior)
    damping = np.full(len(at), 1e-2)
    live = np.arange(len(at))
    for _ in range(most):
        part, given = replace_setups(density, live), take(prior, live)
        slope, curvature = part.gradient(at[live], given)
        scale = np.einsum("mii->mi", curvature)[:, :, None] * np.eye(at.shape[1])
        gain = np.zeros(len(live))
        left = np.arange(len(live))
        for _ in range(6):
            damped = curvature[left] + damping[live[left], None, None] * scale[left]
            step = np.linalg.solve(damped, slope[left][..., None])[..., 0]
            new = at[live[left]] + np.clip(step, -_LONGEST, _LONGEST)
            reached = replace_setups(part, left).log_density(new, take(given, left))
            better = reached > value[live[left]]
            moved = left[better]
            gain[moved] = reached[better] - value[live[moved]]
            at[live[moved]], value[live[moved]] = new[better], reached[better]
            damping[live[moved]] = np.maximum(damping[live[moved]] / 5, 1e-6)
            left = left[~better]
            damping[live[left]] *= 6
            if not len(left):
                break
        live = live[gain > tol]
        if not len(live):
            break
    return Modes(at, value, density.gradient(at, prior)[1])


def posterior(
    density: CurveDensity,
    prior: Population,
    found: Modes,
    setup: int,
    *,
    rng: np.random.Generator,
    draws: int = 500,
) -> SetupDraws:
    """Draws of one setup's coordinates by adaptive importance sampling."""
    centre = found.at[setup]
    spread = np.linalg.inv(found.curvature[setup])
    part, given = density.of(setup, draws), prior.of(setup, draws)
    for round_ in range(_MOST_ROUNDS):
        at, logq = _student(centre, spread, draws, rng)
        weights, k_hat = _smoothed(part.log_density(at, given) - logq)
        effective = float(1 / (weights**2).sum())
        if round_ + 1 >= _ROUNDS and k_hat < K_HAT_MOST:
            break
        # Weights too uneven to learn a shape from are evened out first.
        eased = weights if effective > 10 * len(centre) else _eased(weights, 10 * len(centre))
        centre = eased @ at
        away = at - centre
        spread = (away * eased[:, None]).T @ away + 1e-8 * np.eye(len(centre))
    chosen = rng.choice(draws, draws, p=weights)
    return SetupDraws(at[chosen], float(k_hat), effective)


def _student(
    centre: np.ndarray, spread: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a multivariate t, and their log density but for a constant."""
    total = len(centre)
    normal = rng.standard_normal((draws, total))
    scaled = normal / np.sqrt(rng.chisquare(_TAILS, draws) / _TAILS)[:, None]
    logq = -(_TAILS + total) / 2 * np.log1p((scaled**2).sum(1) / _TAILS)
    return centre + scaled @ np.linalg.cholesky(spread).T, logq


def _smoothed(log_ratio: np.ndarray) -> tuple[np.ndarray, float]:
    """Pareto-smoothed weights that sum to 1, and k-hat."""
    finite = np.where(np.isfinite(log_ratio), log_ratio, log_ratio[np.isfinite(log_ratio)].min())
    logw, k_hat = array_stats.psislw(-finite)  # it takes log likelihoods left out
    weights = np.exp(logw - logw.max())
    return weights / weights.sum(), float(k_hat)


def _eased(weights: np.ndarray, effective: float) -> np.ndarray:
    """Weights to the power at which they are worth so many draws."""
    low, high = 0.0, 1.0
    logw = np.log(np.maximum(weights, 1e-300))
    for _ in range(30):
        power = (low + high) / 2
        tried = np.exp(power * (logw - logw.max()))
        tried /= tried.sum()
        low, high = (power, high) if 1 / (tried**2).sum() > effective else (low, power)
    return np.asarray(tried)
