"""Watching a file of curves: a forecast whenever it has changed, until the run has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bayescale.base.errors import BayescaleError
from bayescale.fit.curves.fit import CurveFit, fit_curves
from bayescale.fit.curves.forecast import Forecast
from bayescale.runs.curves.curve import Curve
from bayescale.runs.curves.table import Curves


def watched(
    read: Callable[[], Curves],
    run: str | None,
    *,
    end: float,
    law: str | None,
    seed: int,
    wait: Callable[[], None],
) -> Iterator[tuple[Curve, Forecast] | BayescaleError]:
    """Forecasts of a run's last loss as its file grows.

    A file that is missing, half-written, rotated or has too few points yet is said once and read
    again; after the first fit, new points update the run alone.

    Parameters
    ----------
    read : callable () -> Curves
    run : str or None
        None for the file's last.
    end : float
        Where the run ends.
    law : str or None
    seed : int
    wait : callable () -> None
        Returns when it is time to look again.

    Yields
    ------
    tuple of Curve and Forecast, or BayescaleError
    """
    fit: CurveFit | None = None
    before: tuple[float, int] | None = None
    said = ""
    while True:
        try:
            curves = read()
            curve = curves[run or list(curves.curves)[-1]]
            now = curve.end, len(curve)
            if now != before:
                known = fit is not None and curve.run in fit.curves.curves
                fit = fit.update(curve) if fit and known else fit_curves(curves, law, seed=seed)
                before, said = now, ""
                yield curve, fit.forecast(curve.run, max(end, curve.end))
            if curve.end >= end:
                return
        except BayescaleError as error:
            if str(error) != said:
                said = str(error)
                yield error
        wait()
