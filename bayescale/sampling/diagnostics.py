"""Diagnostics: R-hat and effective draws of many quantities at once.

As ArviZ has them, to rounding (`tests/sampling/test_diagnostics.py`). ArviZ takes one quantity
after another, which for the hundreds of a fit takes longer than to sample them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its parts load when first used

# Quantities at once: few enough that their arrays stay small.
_AT_ONCE = 64
# Whose effective draws are those of the tails: what ArviZ 1 takes.
_TAILS = (0.11, 0.89)


class Diagnostics(NamedTuple):
    """Of each quantity; not a number where a draw is none.

    Attributes
    ----------
    r_hat : ndarray (quantity)
        The larger of rank-normalised split R-hat and that of the folded draws (arXiv 1903.08008).
    ess_bulk, ess_tail : ndarray (quantity)
        Effective draws of the rank-normalised draws, and the fewer of those of the 11 % and the
        89 % quantile (arXiv 1903.08008).
    """

    r_hat: np.ndarray
    ess_bulk: np.ndarray
    ess_tail: np.ndarray


def diagnostics(draws: np.ndarray) -> Diagnostics:
    """R-hat and effective draws.

    Parameters
    ----------
    draws : ndarray (quantity, chain, draw)
        At least 2 chains of 8 draws.
    """
    parts = [_some(draws[i : i + _AT_ONCE]) for i in range(0, len(draws), _AT_ONCE)]
    return Diagnostics(*map(np.concatenate, zip(*parts, strict=True)))


def _some(draws: np.ndarray) -> Diagnostics:
    with np.errstate(all="ignore"):  # of chains that are stuck
        halves = _split(draws)
        folded = abs(halves - np.median(halves, axis=(1, 2), keepdims=True))
        normal = _rank_normalised(halves)
        bulk, tails = _r_hat(normal), _r_hat(_rank_normalised(folded))
        r_hat = np.where(tails > bulk, tails, bulk)  # folded chains that are stuck have none
        below = [draws <= q for q in np.quantile(draws, _TAILS, axis=(1, 2), keepdims=True)]
        tail = np.minimum(*(_effective(_split(each).astype(float)) for each in below))
        # A comparison with what is not a number is false, and no less a number.
        tail[np.isnan(draws).any((1, 2))] = np.nan
        return Diagnostics(r_hat, _effective(normal), tail)


def _split(draws: np.ndarray) -> np.ndarray:
    """Each chain as two, without the draw in the middle of an odd number."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[..., :half], draws[..., -half:]], axis=1)


def _rank_normalised(draws: np.ndarray) -> np.ndarray:
    """Normal quantiles of the ranks among all draws of a quantity."""
    ranks = scipy.stats.rankdata(draws.reshape(len(draws), -1), axis=1).reshape(draws.shape)
    ranks[np.isnan(draws).any((1, 2))] = np.nan
    return np.asarray(scipy.special.ndtri((ranks - 3 / 8) / (draws[0].size + 1 / 4)))


def _r_hat(draws: np.ndarray) -> np.ndarray:
    count = draws.shape[2]
    between = count * draws.mean(2).var(1, ddof=1)
    within = draws.var(2, ddof=1).mean(1)
    return np.asarray(np.sqrt((between / within + count - 1) / count))


def _effective(draws: np.ndarray) -> np.ndarray:
    """Effective draws of the mean, by Geyer's initial monotone sequence."""
    _, chains, count = draws.shape
    means = draws.mean(2, keepdims=True)
    length = scipy.fft.next_fast_len(2 * count, real=True)
    power = (abs(scipy.fft.rfft(draws - means, length)) ** 2).mean(1)
    autocovariance = scipy.fft.irfft(power, length)[:, :count] / count
    variance = autocovariance[:, :1] * count / (count - 1)
    total = autocovariance[:, :1] + means[..., 0].var(1, ddof=1)[:, None]
    correlation = 1 - (variance - autocovariance) / total
    correlation[:, 0] = 1.0

    # Sums of neighbours, until the first that is not positive; none larger than one before it.
    most = (count - 3) // 2
    pairs = correlation[:, : 2 * most + 2].reshape(len(draws), -1, 2).sum(2)
    stops = pairs <= 0
    stop = np.where(stops.any(1), np.minimum(stops.argmax(1), most), most)
    sums = np.minimum.accumulate(pairs, axis=1).cumsum(1)
    sums = np.concatenate([np.zeros((len(draws), 1)), sums], axis=1)
    row = np.arange(len(draws))
    last = correlation[row, 2 * stop]
    last = np.where(pairs[row, stop] < 0, last.clip(min=0), last)
    time = -1 + 2 * sums[row, stop] + last
    found = chains * count / np.maximum(time, 1 / np.log10(chains * count))
    constant = np.ptp(draws.reshape(len(draws), -1), axis=1) < np.finfo(float).resolution
    return np.where(constant, chains * count, found)
