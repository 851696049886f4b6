"""Linear forecast: what a spec says of runs in milliseconds, with no sampler.

At the mode of the posterior the law is its tangent, the noise Normal with a weight for each run (a
Student's t is one of random variance), and the discrepancy the Gaussian process that it is. The
sizes of noise and discrepancy are weighted hypotheses. So the moments are known, and what a run
would tell before it is trained. For the design of ladders and for buying run after run; a forecast
that somebody acts on is sampled (`fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy  # its parts load when first used

from bayescale.model.density import formulas
from bayescale.model.design import Design, design
from bayescale.model.discrepancy.axes import COMPUTE
from bayescale.model.discrepancy.process import Parameters, coordinates, covariance
from bayescale.model.linearised import Linear
from bayescale.model.priors import local_lengths, quantile
from bayescale.model.scale import scale_of
from bayescale.model.spec import Spec
from bayescale.predictive.joint import Moments
from bayescale.runs.table import Runs

# Of least squares, and of the search for the noise and the discrepancy; beyond so many standard
# deviations of its prior none of theirs is sought.
_STEPS, _SEARCH, _FAR = 30, 12, 3.5
# Hypotheses on those sizes, and how much wider than the mode's curvature they are drawn.
_HYPOTHESES, _WIDER = 8, 1.2
# Added to variances, so that equal runs have a Cholesky factor.
_JITTER = 1e-12


class LinearForecast:
    """A spec on a table of runs some of which are bought; the responses of the others are not read.

    Parameters
    ----------
    spec : Spec
    runs : Runs
        Bought or not; the response of a run that is never bought may be anything.

    Attributes
    ----------
    point : ndarray (parameter)
        The law's parameters at the mode, in standard deviations from their prior's middle.
    spread : ndarray
        The same of the sizes of noise, discrepancy and group effects.
    bought : ndarray of int
        Positions of the runs that are known.
    """

    def __init__(self, spec: Spec, runs: Runs) -> None:
        self.spec = spec
        arrays: Design = design(spec, runs)
        self._data = arrays.data
        self.count, self.outputs = len(runs), max(1, len(spec.corpora))
        observed = np.asarray(scale_of(spec).forward(self._data["response"].to_numpy(), np))
        self._observed = observed.reshape(self.count, self.outputs)
        self._x = {name: self._data[name].to_numpy() for name in spec.law.inputs}
        sizes = {"sigma": spec.priors["sigma"], **spec.discrepancy}
        self._effects = spec.effect_list()
        sizes |= {effect.sd_name: effect.sd for effect in self._effects}
        self._supports = {name: prior.support for name, prior in sizes.items()}
        quantiles = [
            formulas.unconstrained(prior.support, quantile(prior, [0.16, 0.5, 0.84]))
            for prior in sizes.values()
        ]
        self._middle = np.array([q[1] for q in quantiles])
        self._sd = np.array([(q[2] - q[0]) / 2 for q in quantiles])
        self._nu = np.inf
        if spec.noise.dist == "StudentT":
            self._nu = float(quantile(spec.priors["nu"], [0.5])[0])
        self._lengths = local_lengths(spec) if spec.discrepancy else []
        self._moved: dict[str, np.ndarray] = {}
        self.turn_to(np.zeros(len(self._law(np.arange(1)).middle)))
        self.spread = np.zeros(len(sizes))
        self.bought = np.empty(0, int)
        self._weights = np.empty(0)
        self._hypotheses = _around(lambda spread: 0.5 * float(spread @ spread), self.spread)

    def turn_to(self, point: np.ndarray) -> None:
        """Take the law's tangent at other parameters."""
        self.point: np.ndarray = point
        if not self._effects:
            return
        law = self._law(np.arange(self.count))
        slope = law.slope(point)
        for effect in self._effects:
            place = law.places[effect.parameter]
            self._moved[effect.parameter] = slope[:, place] / law.prior_sd[place]

    def update(self, bought: Sequence[int], *, rounds: int = 2, starts: int = 0) -> None:
        """Read the responses of these runs, and of no others, and move to the mode.

        Parameters
        ----------
        bought : sequence of int
            All that are known, earlier ones too.
        rounds : int
            Turns of the law, then of the sizes of noise and discrepancy, then of weights.
        starts : int
            Places of the prior from which the law is sought as well.
        """
        rows = np.asarray(bought, int)
        law, y = self._law(rows), self._observed[rows].ravel()
        weights, frontier = np.ones(len(y)), self._frontier(rows)
        rng = np.random.default_rng(0)
        others = list(rng.standard_normal((starts, len(self.point))))
        for _ in range(rounds):
            around = self._shared(self._sizes(self.spread), rows, rows, frontier)
            self.turn_to(self._mode(law, y, around + self._noise(self.spread, weights), others))
            others = []
            slope = law.slope(self.point)
            error = y - law.predicted(self.point) + slope @ self.point
            flat = slope @ slope.T
            cost = partial(self._cost, rows, flat, error, weights)
            bounds = [(-_FAR, _FAR)] * len(self.spread)
            self.spread = scipy.optimize.minimize(
                cost, self.spread, method="L-BFGS-B", bounds=bounds, options={"maxiter": _SEARCH}
            ).x
            weights = self._reweighted(rows, flat, error, weights)
        self._hypotheses = _around(partial(self._cost, rows, flat, error, weights), self.spread)
        self.bought, self._weights = rows, weights

    def moments(self, rows: Sequence[int], reach: Sequence[int] = ()) -> Moments:
        """Of the curve at these runs given those that are bought; outputs lie side by side.

        Parameters
        ----------
        rows : sequence of int
        reach : sequence of int
            Runs that may be bought: the frontier is the largest of them and of those bought.
        """
        want, bought = np.asarray(rows, int), self.bought
        reached = np.concatenate([bought, np.asarray(reach, int)]).astype(int)
        slope, mean = self._line(want)
        known_slope, known_mean = self._line(bought)
        error = self._observed[bought].ravel() - known_mean
        flat, seen, across = (
            left @ right.T
            for left, right in ((slope, slope), (known_slope, known_slope), (known_slope, slope))
        )
        means, whole, variance = [], np.zeros_like(flat), 0.0
        for weight, spread in self._hypotheses:
            shared = partial(self._shared, self._sizes(spread), frontier=self._frontier(reached))
            factor = np.linalg.cholesky(
                seen + self._noise(spread, self._weights) + shared(bought, bought)
            )
            told = scipy.linalg.solve_triangular(factor, across + shared(bought, want), lower=True)
            means.append(mean + told.T @ scipy.linalg.solve_triangular(factor, error, lower=True))
            whole += weight * (flat + shared(want, want) - told.T @ told)
            variance += weight * self._variance(self._sizes(spread))
        weights = np.array([weight for weight, _ in self._hypotheses])
        middle = weights @ np.array(means)
        apart = np.array(means) - middle
        whole += apart.T @ (weights[:, None] * apart)
        tells = 1.0 if np.isinf(self._nu) else (self._nu + 3) / (self._nu + 1)
        return Moments(middle, whole, np.full(len(whole), variance * tells))

    def simulated(
        self, rows: Sequence[int], reach: Sequence[int], rng: np.random.Generator
    ) -> np.ndarray:
        """Responses, on the noise's scale, of a law, sizes, discrepancy and noise of the priors.

        Parameters
        ----------
        rows : sequence of int
        reach : sequence of int
            The frontier of compute is the largest of these.
        rng : Generator

        Returns
        -------
        ndarray (run)
        """
        where, size = np.asarray(rows, int), len(self.spread)
        spread = np.clip(rng.standard_normal(size), -_FAR, _FAR)
        law = self._law(where)
        mean = law.predicted(rng.standard_normal(len(self.point)))
        frontier = self._frontier(np.asarray(reach, int))
        shared = self._shared(self._sizes(spread), where, where, frontier)
        off = np.zeros(len(mean))
        if np.ndim(shared):
            values, vectors = np.linalg.eigh(shared)
            root = vectors * np.sqrt(np.maximum(values, 0))
            off = root @ rng.standard_normal(len(mean))
        noise = rng.standard_normal(len(mean)) * np.sqrt(self._variance(self._sizes(spread)))
        if np.isfinite(self._nu):
            noise /= np.sqrt(rng.chisquare(self._nu, len(mean)) / self._nu)
        drawn: np.ndarray = mean + off + noise
        return drawn

    @property
    def noise_variance(self) -> float:
        """Squared scale of the noise, the mean over hypotheses."""
        return float(sum(w * self._variance(self._sizes(spread)) for w, spread in self._hypotheses))

    def observed(self, rows: Sequence[int]) -> np.ndarray:
        """Responses of runs on the scale of the noise: (run, output)."""
        found: np.ndarray = self._observed[np.asarray(rows, int)]
        return found

    def _cost(
        self,
        rows: np.ndarray,
        flat: np.ndarray,
        error: np.ndarray,
        weights: np.ndarray,
        spread: np.ndarray,
    ) -> float:
        """Minus the log density of runs and sizes, the law integrated out."""
        whole = flat + self._noise(spread, weights)
        whole += self._shared(self._sizes(spread), rows, rows, self._frontier(rows))
        factor = np.linalg.cholesky(whole)
        white = scipy.linalg.solve_triangular(factor, error, lower=True)
        volume = np.log(np.diagonal(factor)).sum()
        return float(0.5 * white @ white + volume + 0.5 * spread @ spread)

    def _mode(
        self, law: Linear, y: np.ndarray, variance: np.ndarray, others: list[np.ndarray]
    ) -> np.ndarray:
        """The law's parameters where runs and prior put them, residuals of this covariance."""
        factor = np.linalg.cholesky(variance)

        def residuals(point: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):  # far off the curve may be no number
                error = np.nan_to_num(y - law.predicted(point), nan=1e3, posinf=1e3, neginf=-1e3)
            return np.concatenate([scipy.linalg.solve_triangular(factor, error, lower=True), point])

        found = [
            scipy.optimize.least_squares(residuals, start, max_nfev=_STEPS)
            for start in (self.point, *others)
        ]
        best: np.ndarray = min(found, key=lambda one: float(one.cost)).x
        return best

    def _reweighted(
        self, rows: np.ndarray, flat: np.ndarray, error: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Weights of the runs under Student's t, by how far each lies off."""
        if np.isinf(self._nu):
            return weights
        sizes = self._sizes(self.spread)
        whole = flat + self._noise(self.spread, weights)
        whole += self._shared(sizes, rows, rows, self._frontier(rows))
        inverse = np.linalg.inv(whole)
        squared = self._variance(sizes)
        own = squared / weights
        off = own * (inverse @ error)
        open_ = np.maximum(own - own**2 * np.diagonal(inverse), 0)
        found: np.ndarray = (self._nu + 1) / (self._nu + (off**2 + open_) / squared)
        return found

    def _line(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tangent at runs: slope (response, parameter), and value (response) at the prior."""
        if not len(rows):
            return np.empty((0, len(self.point))), np.empty(0)
        law = self._law(rows)
        slope = law.slope(self.point)
        return slope, law.predicted(self.point) - slope @ self.point

    def _law(self, rows: np.ndarray) -> Linear:
        data = self._data.isel(run=rows)
        return Linear(self.spec, data.assign(response=data["response"] * 0 + 1.0))

    def _sizes(self, spread: np.ndarray) -> dict[str, float]:
        free = self._middle + self._sd * spread
        return {
            name: float(formulas.constrained(support, value, np))
            for (name, support), value in zip(self._supports.items(), free, strict=True)
        }

    def _variance(self, sizes: dict[str, float]) -> float:
        return sizes["sigma"] ** 2 + self.spec.noise.floor**2

    def _noise(self, spread: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.diag(self._variance(self._sizes(spread)) / weights + _JITTER)

    def _frontier(self, rows: np.ndarray) -> float:
        if COMPUTE not in self.spec.axes or not len(rows):
            return 0.0
        return float(np.max(COMPUTE.along(self._x)[rows]))

    def _shared(
        self, sizes: dict[str, float], left: np.ndarray, right: np.ndarray, frontier: float
    ) -> Any:
        """Covariance between runs by the discrepancy and by group effects; 0 without either."""
        shared: Any = 0.0
        if self.spec.discrepancy:
            theta = Parameters.named(
                self.spec.axes, {n: np.array([v]) for n, v in sizes.items()}, self._lengths
            )
            ends = [
                coordinates(self.spec.axes, {n: v[rows] for n, v in self._x.items()}, frontier, np)
                for rows in (left, right)
            ]
            shared = shared + covariance(theta, ends[0], ends[1], np)
        for effect in self._effects:
            label = self._data[f"{effect.group}_index"].to_numpy()
            label_left, label_right = (
                np.repeat(label[rows], self.outputs) for rows in (left, right)
            )
            slope = self._moved[effect.parameter].reshape(self.count, -1)
            moved = [slope[rows].ravel() for rows in (left, right)]
            same = label_left[:, None] == label_right[None, :]
            shared = shared + sizes[effect.sd_name] ** 2 * np.outer(*moved) * same
        return shared


def _around(
    cost: Callable[[np.ndarray], float], middle: np.ndarray
) -> list[tuple[float, np.ndarray]]:
    """Hypotheses on the sizes of noise and discrepancy: places around a mode, with weights.

    Drawn from the Normal of the mode's curvature, a little wider, and weighted by the density.
    """
    size, step = len(middle), 0.1
    units = step * np.eye(size)
    here = cost(middle)
    curvature = np.empty((size, size))
    single = [[cost(middle + sign * unit) for sign in (1, -1)] for unit in units]
    for i in range(size):
        curvature[i, i] = (single[i][0] + single[i][1] - 2 * here) / step**2
        for j in range(i):
            both = cost(middle + units[i] + units[j])
            mixed = (both - single[i][0] - single[j][0] + here) / step**2
            curvature[i, j] = curvature[j, i] = mixed
    values, vectors = np.linalg.eigh(curvature)
    root = vectors / np.sqrt(np.clip(values, 0.5, None)) * _WIDER
    normal = scipy.stats.qmc.MultivariateNormalQMC(np.zeros(size), seed=0).random(_HYPOTHESES)
    places = np.clip(middle + normal @ root.T, -_FAR, _FAR)
    logs = np.array(
        [0.5 * float(z @ z) - cost(place) for z, place in zip(normal, places, strict=True)]
    )
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    return list(zip(weights.tolist(), places, strict=True))
