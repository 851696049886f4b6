"""Log density of curves given a law's coordinates and those of the covariance, many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayescale.laws.curves import CurveLaw
from bayescale.laws.curves.base import Coordinate
from bayescale.model.curves.arrays import CurveArrays
from bayescale.model.curves.kernel import Places, coordinates, covariance

_STEP = 1e-4
# Logarithm of a discrepancy that is none.
_NONE = -20.0
_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Population:
    """Normal prior of the coordinates of each setup.

    Attributes
    ----------
    mean : (setup, coordinate) array
    covariance : (setup, coordinate, coordinate) array
    """

    mean: np.ndarray
    covariance: np.ndarray

    def of(self, setup: int, repeats: int) -> Population:
        """That of one setup, repeated."""
        return Population(
            np.repeat(self.mean[setup : setup + 1], repeats, 0),
            np.repeat(self.covariance[setup : setup + 1], repeats, 0),
        )


@dataclass(frozen=True)
class CurveDensity:
    """Log density of setups of curves, dims (setup, coordinate).

    Attributes
    ----------
    law : CurveLaw
    data : CurveArrays
    places : Places
    """

    law: CurveLaw
    data: CurveArrays
    places: Places

    @classmethod
    def build(cls, law: CurveLaw, data: CurveArrays) -> CurveDensity:
        """Its places: slopes from the data, derivatives at the law's prior mean."""
        steep = np.empty(len(data.loss))
        for setup, real in enumerate(data.real > 0):
            position, loss = data.x["position"][setup, real], data.loss[setup, real]
            span = max(float(position.max() - position.min()), 1e-3)
            steep[setup] = max(float(loss.max() - loss.min()) / span, 1e-3)
        places = Places(data.x["position"], data.rate, data.run, steep, np.zeros_like(data.loss))
        density = cls(law, data, places)
        return replace(density, places=replace(places, varying=density.varying(data)))

    def varying(self, data: CurveArrays) -> np.ndarray:
        """Derivative of ln loss by what varies between runs, at the prior's mean."""
        if not self.law.varies:
            return np.zeros(data.x["position"].shape)
        mean = np.array([[c.mean for c in self.law.coordinates]] * len(data.x["position"]))
        index = self.law.names.index(self.law.varies[0])
        step = np.zeros_like(mean)
        step[:, index] = _STEP
        rise = self.curve(mean + step, data) - self.curve(mean - step, data)
        return np.asarray(rise / (2 * _STEP))

    @property
    def several(self) -> bool:
        """Whether runs share parameters."""
        return bool(self.data.run.any())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all coordinates."""
        return tuple(c.name for c in self.coordinates)

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Those of the law, then those of the covariance."""
        return (*self.law.coordinates, *coordinates(self.law, self.several))

    @property
    def of_law(self) -> int:
        """How many coordinates are the law's."""
        return len(self.law.coordinates)

    def of(self, setup: int, repeats: int) -> CurveDensity:
        """That of one setup, repeated, for many values of its coordinates."""
        data = self.data.of(setup, repeats)
        n = data.loss.shape[1]

        def one(values: np.ndarray) -> np.ndarray:
            return np.broadcast_to(values[setup, :n], (repeats, n))

        slope = np.repeat(self.places.slope[setup : setup + 1], repeats)
        places = Places(data.x["position"], data.rate, data.run, slope, one(self.places.varying))
        return CurveDensity(self.law, data, places)

    def curve(self, z: np.ndarray, data: CurveArrays) -> np.ndarray:
        """ln loss of the law, (setup, point); undefined where a law has no positive loss."""
        theta = {name: z[:, i, None] for i, name in enumerate(self.law.names)}
        with np.errstate(all="ignore"):
            return np.asarray(self.law.mean(data.x, theta, np))

    def residual(self, z: np.ndarray) -> np.ndarray:
        """What the law leaves, 0 where padded."""
        return (self.data.loss - self.curve(z, self.data)) * self.data.real

    def covariance(self, z: np.ndarray) -> np.ndarray:
        """Covariance of the observed points by which coordinates are inferred."""
        h = z[:, self.of_law :]
        if self.law.modular:
            h = h.copy()
            h[:, 0] = _NONE
        return covariance(h, self.places, self.data.real)

    def log_density(self, z: np.ndarray, prior: Population) -> np.ndarray:
        """Log likelihood and log prior, (setup,); minus infinity where there is none."""
        result = np.full(len(z), -np.inf)
        with np.errstate(all="ignore"):
            residual = self.residual(z)
            full = self.covariance(z)
        good = np.isfinite(residual).all(1) & np.isfinite(full).all((1, 2))
        if not good.any():
            return result
        try:
            root = np.linalg.cholesky(full[good])
        except np.linalg.LinAlgError:
            if len(z) == 1:
                return result
            halves = [
                replace_setups(self, part).log_density(z[part], take(prior, part))
                for part in np.array_split(np.arange(len(z)), 2)
            ]
            return np.concatenate(halves)
        white = np.linalg.solve(root, residual[good][..., None])[..., 0]
        likelihood = (
            -0.5 * (white**2).sum(1)
            - np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
            - 0.5 * _LOG_2PI * self.data.real[good].sum(1)
        )
        away = (z - prior.mean)[good]
        solved = np.linalg.solve(prior.covariance[good], away[..., None])[..., 0]
        size = np.linalg.slogdet(prior.covariance[good])[1]
        result[good] = likelihood - 0.5 * ((away * solved).sum(1) + size + z.shape[1] * _LOG_2PI)
        return result

    def gradient(self, z: np.ndarray, prior: Population) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of the log density, and its expected curvature: Fisher's information.

        Returns
        -------
        tuple of (setup, coordinate) and (setup, coordinate, coordinate) arrays
        """
        setups, total = z.shape
        law = self.of_law
        inverse = np.linalg.inv(self.covariance(z))
        weighted = np.einsum("mij,mj->mi", inverse, self.residual(z))
        slope, curvature = np.zeros((setups, total)), np.zeros((setups, total, total))
        by_law = np.empty((setups, law, self.data.loss.shape[1]))
        for i in range(law):
            step = np.zeros(total)
            step[i] = _STEP
            rise = self.curve(z + step, self.data) - self.curve(z - step, self.data)
            by_law[:, i] = rise * self.data.real / (2 * _STEP)
        slope[:, :law] = np.einsum("mpn,mn->mp", by_law, weighted)
        curvature[:, :law, :law] = by_law @ inverse @ by_law.transpose(0, 2, 1)
        scaled = []
        for i in range(law, total):
            step = np.zeros(total)
            step[i] = _STEP
            up, down = self.covariance(z + step), self.covariance(z - step)
            change = (up - down) / (2 * _STEP)
            scaled.append(inverse @ change)
            quadratic = np.einsum("mi,mij,mj->m", weighted, change, weighted)
            slope[:, i] = 0.5 * (quadratic - np.trace(scaled[-1], axis1=1, axis2=2))
        for i, left in enumerate(scaled):
            for j, right in enumerate(scaled[: i + 1]):
                value = 0.5 * np.einsum("mij,mji->m", left, right)
                curvature[:, law + i, law + j] = curvature[:, law + j, law + i] = value
        precision = np.linalg.inv(prior.covariance)
        slope -= np.einsum("mij,mj->mi", precision, z - prior.mean)
        return slope, curvature + precision


def take(prior: Population, setups: np.ndarray) -> Population:
    """The prior of some setups."""
    return Population(prior.mean[setups], prior.covariance[setups])


def replace_setups(density: CurveDensity, setups: np.ndarray) -> CurveDensity:
    """The density of some setups."""
    data, places = density.data, density.places
    kept = CurveArrays(
        data.loss[setups],
        data.real[setups],
        data.run[setups],
        {name: values[setups] for name, values in data.x.items()},
        data.rate[setups],
    )
    return CurveDensity(
        density.law,
        kept,
        Places(
            places.position[setups],
            places.rate[setups],
            places.run[setups],
            places.slope[setups],
            places.varying[setups],
        ),
    )
