"""Uniformity: tests that probabilities and ranks are uniform, as those of a right model are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import scipy  # its parts load when first used
from numpy.polynomial import legendre

Component = Literal["bias", "dispersion", "skewness", "tails"]

# Samples from a uniform distribution with which a sample of ranks is compared.
_SIMULATED = 20_000


@dataclass(frozen=True)
class Smooth:
    """Outcome of a smooth test.

    Attributes
    ----------
    p_value : float
    component : {"bias", "dispersion", "skewness", "tails"}
        What is most plainly wrong with the predictions, if they are not right.
    positive : bool
        Of the bias: observed responses lie above the predictions; of the dispersion: they lie
        further out than the predictions say.
    """

    p_value: float
    component: Component
    positive: bool


def smooth_test(pit: np.ndarray) -> Smooth:
    """Neyman's smooth test, of order 4, that probability integral transforms are uniform.

    Its four components are uncorrelated (Neyman 1937; Rayner and Best 1989). Leave-one-out values
    depend on each other a little, which makes it reject less often than its level.

    Parameters
    ----------
    pit : ndarray (run)
        Probability of a response below the observed one, 0 to 1.
    """
    order = np.arange(1, 5)
    polynomials = legendre.legvander(2 * pit - 1, 4)[:, 1:] * np.sqrt(2 * order + 1)
    components = polynomials.sum(0) / np.sqrt(len(pit))
    size = np.abs(components)
    # The simplest of the large ones: much too narrow intervals show in the tails as well.
    first = int((size > 0.6 * size.max()).argmax())
    return Smooth(
        p_value=float(scipy.stats.chi2.sf((components**2).sum(), len(components))),
        component=get_args(Component)[first],
        positive=bool(components[first] > 0),
    )


def rank_test(ranks: np.ndarray, count: int) -> float:
    """p-value of a test that ranks are uniform, by simultaneous bands of their ECDF.

    The statistic is the least pointwise probability, over all ranks, of an ECDF so far off
    (Säilynoja, Bürkner and Vehtari 2022, arXiv 2103.10522); its distribution is simulated. The
    p-value is below .05 where the ECDF leaves its simultaneous 95 % band.

    Parameters
    ----------
    ranks : ndarray of int (simulation)
        0 to `count` - 1.
    count : int
        How many ranks there are.
    """
    observed = _least_tail(np.bincount(ranks, minlength=count), len(ranks))
    lower = np.searchsorted(_uniform(len(ranks), count), observed * (1 + 1e-9), side="right")
    return float((lower + 1) / (_SIMULATED + 1))


def _least_tail(histograms: np.ndarray, number: int) -> np.ndarray:
    """Least pointwise tail probability of ECDFs of so many ranks, from their counts (..., rank)."""
    count = histograms.shape[-1]
    below, values = np.arange(1, count) / count, np.arange(number + 1)[:, None]
    at_most = scipy.stats.binom.cdf(values, number, below)
    at_least = scipy.stats.binom.sf(values - 1, number, below)
    ecdf = histograms.cumsum(-1)[..., :-1]
    return np.minimum(at_most, at_least)[ecdf, np.arange(count - 1)].min(-1)


@cache
def _uniform(number: int, count: int) -> np.ndarray:
    """The statistic of uniform ranks, sorted: (simulated)."""
    rng = np.random.default_rng(0)
    histograms = rng.multinomial(number, np.full(count, 1 / count), _SIMULATED)
    return np.sort(_least_tail(histograms, number))
