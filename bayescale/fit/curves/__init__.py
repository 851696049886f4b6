"""Fits of whole curves: what their families share, each run's posterior, and forecasts."""

from bayescale.fit.curves.fit import CurveFit, fit_curves
from bayescale.fit.curves.forecast import Forecast

__all__ = ["CurveFit", "Forecast", "fit_curves"]
