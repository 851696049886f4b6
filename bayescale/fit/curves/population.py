"""What curves of a family share: the mean and spread of a law's coordinates, learnt from them.

The covariance's coordinates keep their priors. The seen part of a curve says how far a law is off
where it was fitted, and would make the discrepancy too small for what is ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayescale.model.curves.density import CurveDensity, Population
from bayescale.sampling.curves import Modes, modes

# The prior of a family's mean counts as one curve, that of its spread as eight.
_OF_MEAN, _OF_SPREAD = 1.0, 8.0
_ROUNDS = 4


def prior_alone(density: CurveDensity) -> Population:
    """The prior of coordinates before any family has been seen.

    That of the level, which is where each curve happens to be, is centred on its lowest loss.
    """
    setups = len(density.data.loss)
    mean = np.tile([c.mean for c in density.coordinates], (setups, 1))
    mean[:, 0] = np.where(density.data.real > 0, density.data.loss, np.inf).min(1)
    sd = np.array([c.sd for c in density.coordinates])
    return Population(mean, np.tile(np.diag(sd**2), (setups, 1, 1)))


def learnt(
    density: CurveDensity, families: Sequence[str], whole: Sequence[bool]
) -> tuple[Population, Modes]:
    """The prior of each setup given its family, by expectation maximisation with Laplace's method.

    Parameters
    ----------
    density : CurveDensity
    families : sequence of str
        Of each setup. A family of one keeps the prior.
    whole : sequence of bool
        Whether a setup was seen to its end, so that others learn from it. Runs that are seen to
        the same early point share one model discrepancy there, and look more certain than they are.
    """
    alone = prior_alone(density)
    prior = alone
    found = modes(density, prior, prior.mean)
    labels = np.unique(np.array(families), return_inverse=True)[1]
    teaches = np.asarray(whole)
    if np.bincount(labels).max() == 1 or not teaches.any():
        return prior, found
    law = slice(1, density.of_law)
    for _ in range(_ROUNDS):
        spread = np.linalg.inv(found.curvature)[:, law, law]
        mean, covariance = prior.mean.copy(), prior.covariance.copy()
        for label in np.unique(labels):
            members = labels == label
            known = members & teaches
            count = known.sum()
            if members.sum() == 1 or not count:
                continue
            at = found.at[known, law]
            before = alone.mean[members, law][0]
            centre = (at.sum(0) + _OF_MEAN * before) / (count + _OF_MEAN)
            away = at - centre
            scatter = away.T @ away + spread[known].sum(0)
            scatter = scatter + _OF_SPREAD * alone.covariance[members, law, law][0]
            mean[members, law] = centre
            covariance[members, law, law] = scatter / (count + _OF_SPREAD)
        prior = Population(mean, covariance)
        found = modes(density, prior, found.at, most=15)
    return prior, found
