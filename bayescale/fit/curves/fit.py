"""CurveFit: the posterior of every run of a table of curves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.notes import Note, listed
from bayescale.base.progress import FitProgress
from bayescale.base.seeds import random
from bayescale.fit.curves.forecast import Forecast, forecast
from bayescale.fit.curves.population import learnt
from bayescale.laws.curves import CurveLaw, curve_law
from bayescale.model.curves.arrays import arrays, extent
from bayescale.model.curves.density import CurveDensity, Population, replace_setups, take
from bayescale.runs.curves.curve import Curve
from bayescale.runs.curves.table import Curves
from bayescale.sampling.curves import K_HAT_MOST, SetupDraws, modes, posterior

# Share of its schedule from which on a run counts as seen to its end.
_END = 0.9


@dataclass(frozen=True)
class CurveFit:
    """Posterior of setups of curves.

    Attributes
    ----------
    curves : Curves
    law : CurveLaw
    setups : tuple of tuple of str
        Runs of each setup.
    density : CurveDensity
    prior : Population
        Of each setup, given its family.
    draws : tuple of SetupDraws
        Of each setup.
    seed : int
    """

    curves: Curves
    law: CurveLaw
    setups: tuple[tuple[str, ...], ...]
    density: CurveDensity
    prior: Population
    draws: tuple[SetupDraws, ...]
    seed: int

    def setup_of(self, run: str) -> int:
        """Index of the setup that a run belongs to."""
        curve = self.curves[run]
        return next(i for i, runs in enumerate(self.setups) if curve.run in runs)

    def forecast(
        self, run: str, end: float | None = None, *, positions: np.ndarray | None = None
    ) -> Forecast:
        """The curve ahead of a run, and its last loss.

        Parameters
        ----------
        run : str
        end : float, optional
            The run's last position; by default where its schedule ends.
        positions : (point,) array, optional
            In place of 40 positions up to the end.
        """
        return self.forecast_of(self.curves[run], self.setup_of(run), end, positions)

    def forecast_of(
        self,
        curve: Curve,
        setup: int,
        end: float | None = None,
        positions: np.ndarray | None = None,
    ) -> Forecast:
        """The same of a run that need not have been seen, such as one under another schedule."""
        members = [self.curves[name] for name in self.setups[setup]]
        names = list(self.setups[setup])
        index = names.index(curve.run) if curve.run in names else len(names)
        if positions is None:
            positions = ahead(curve, end)
        return forecast(
            self.density,
            self.draws[setup],
            setup=setup,
            curve=curve,
            index=index,
            positions=positions,
            extent=extent(members, self.law),
            rng=random(self.seed, "forecast", curve.run),
        )

    def update(self, curve: Curve) -> CurveFit:
        """The posterior of one run's setup after new points, given what its family has taught.

        Takes seconds: the prior is that of this fit, and the mode is near.
        """
        setup = self.setup_of(curve.run)
        curves = replace(self.curves, curves={**self.curves.curves, curve.run: curve})
        members = [curves[name] for name in self.setups[setup]]
        density = CurveDensity.build(self.law, arrays([members], self.law))
        prior = take(self.prior, np.array([setup]))
        mean = prior.mean.copy()
        mean[:, 0] = density.data.loss.min()
        prior = replace(prior, mean=mean)
        start = self.draws[setup].draws.mean(axis=0)[None]
        start[:, 0] = mean[:, 0]
        found = modes(density, prior, start)
        rng = random(self.seed, "curve", *self.setups[setup])
        drawn = posterior(density, prior, found, 0, rng=rng, draws=len(self.draws[setup].draws))
        return replace(
            self,
            curves=curves,
            setups=(self.setups[setup],),
            density=density,
            prior=prior,
            draws=(drawn,),
        )

    @property
    def notes(self) -> tuple[Note, ...]:
        """Those of the curves, and `curve-weights` where importance sampling failed."""
        bad = [
            name
            for names, drawn in zip(self.setups, self.draws, strict=True)
            if drawn.k_hat > K_HAT_MOST
            for name in names
        ]
        if not bad:
            return self.curves.notes
        worst = max(drawn.k_hat for drawn in self.draws)
        note = Note(
            "curve-weights",
            "warning",
            f"importance weights of {listed(bad)} have k-hat up to {worst:.2f}, above "
            f"{K_HAT_MOST}: the intervals of these runs are rough",
            "log more points, or take a law with fewer parameters (--law power-floor)",
        )
        return (*self.curves.notes, note)


def ahead(curve: Curve, end: float | None) -> np.ndarray:
    """Forty positions from the last point seen to the end, the end among them.

    Raises
    ------
    BayescaleError
        If the end is unknown or lies behind.
    """
    last = float(curve.position[-1])
    if end is None:
        end = curve.schedule.end if curve.schedule is not None else last
    if curve.schedule is not None and end > curve.schedule.end * (1 + 1e-9):
        raise BayescaleError(
            f"end={end:g}: the learning rate of run {curve.run!r} is known up to "
            f"{curve.schedule.end:g}; declare what follows, as in --schedule cosine"
        )
    if end < last:
        raise BayescaleError(
            f"end={end:g}: run {curve.run!r} has come to {last:g}; give a later end"
        )
    if end == last:
        return np.array([last])
    return np.linspace(last, end, 41)[1:]


def fit_curves(
    curves: Curves,
    law: str | None = None,
    *,
    seed: int = 1,
    draws: int = 500,
    only: Sequence[str] | None = None,
    progress: bool = False,
) -> CurveFit:
    """Fit every run of a table of curves; runs of one family inform each other.

    Parameters
    ----------
    curves : Curves
    law : str, optional
        `broken-power`, `power-floor`, `multi-power` or `annealing`; by default `multi-power`
        where every curve has a schedule whose rate changes, else `broken-power`.
    seed : int
    draws : int
        Of each setup's coordinates.
    only : sequence of str, optional
        Draw for the setups of these runs alone; all inform the family.
    progress : bool

    Raises
    ------
    BayescaleError
        If a law that needs a learning rate has none.
    """
    chosen = curve_law(law or default_law(curves))
    if chosen.takes_rate:
        lacking = [curve.run for curve in curves if curve.schedule is None]
        if lacking:
            raise BayescaleError(
                f"law {chosen.name!r}: run {lacking[0]!r} has no learning rate; add a column lr, "
                "declare it (--schedule cosine), or take --law broken-power"
            )
    grouped: dict[str, list[Curve]] = {}
    for curve in curves:
        grouped.setdefault(curve.setup, []).append(curve)
    setups = list(grouped.values())
    density = CurveDensity.build(chosen, arrays(setups, chosen))
    families = [members[0].family for members in setups]
    prior, found = learnt(density, families, [_whole(members, chosen) for members in setups])
    names = tuple(tuple(curve.run for curve in members) for members in setups)
    wanted = [i for i, runs in enumerate(names) if only is None or set(runs) & set(only)]

    def draw(setup: int) -> SetupDraws:
        rng = random(seed, "curve", *names[setup])
        return posterior(density, prior, found, setup, rng=rng, draws=draws)

    drawn = []
    with (
        FitProgress(len(wanted), 0, enabled=progress) as bar,
        ThreadPoolExecutor(os.process_cpu_count()) as pool,
    ):
        for one in pool.map(draw, wanted):
            drawn.append(one)
            bar.advance()
    if only is not None:
        index = np.array(wanted)
        density, prior = replace_setups(density, index), take(prior, index)
        names = tuple(names[i] for i in wanted)
    return CurveFit(curves, chosen, names, density, prior, tuple(drawn), seed)


def _whole(curves: Sequence[Curve], law: CurveLaw) -> bool:
    """Whether runs were seen to the end of their schedules; of a law without rates, taken as so."""
    schedules = [(curve, curve.schedule) for curve in curves if law.takes_rate]
    return all(
        schedule is None or curve.position[curve.used][-1] >= _END * schedule.end
        for curve, schedule in schedules
    )


def default_law(curves: Curves) -> str:
    """The law for what is known of the curves."""
    known = all(curve.schedule is not None for curve in curves)
    return "multi-power" if known and len(curves) else "broken-power"
