"""Figures of fits, comparisons, backtests and plans, as matplotlib figures.

>>> import bayescale as bs
>>> fit = bs.Fit.load("fits/compute-only")
>>> bs.figures.save(bs.figures.curve(fit), "curve.svg")

A figure and matplotlib are loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayescale.report.figures.backtest import observed_in_intervals as observed_in_intervals
    from bayescale.report.figures.buying import certainty_figure as certainty_figure
    from bayescale.report.figures.comparison import discrimination as discrimination
    from bayescale.report.figures.comparison import overlay as overlay
    from bayescale.report.figures.curves import curve as curve
    from bayescale.report.figures.decomposition import variance as variance
    from bayescale.report.figures.files import save as save
    from bayescale.report.figures.plans import allocation_figure as allocation_figure
    from bayescale.report.figures.plans import budget_figure as budget_figure
    from bayescale.report.figures.plans import exhaustion_figure as exhaustion_figure
    from bayescale.report.figures.plans import overhead_figure as overhead_figure
    from bayescale.report.figures.plans import serving_figure as serving_figure
    from bayescale.report.figures.posterior import check as check
    from bayescale.report.figures.posterior import effects as effects
    from bayescale.report.figures.posterior import latent_tokens as latent_tokens
    from bayescale.report.figures.posterior import prior_posterior as prior_posterior
    from bayescale.report.figures.prior import prior_predictive as prior_predictive
    from bayescale.report.figures.whole_curve import whole_curve as whole_curve

# Figures of one fit, as `bayescale plot` names them; the function has _ for -.
OF_A_FIT = ("curve", "effects", "check", "variance", "prior-posterior", "latent-tokens")

_HOMES = {
    "allocation_figure": "plans",
    "budget_figure": "plans",
    "certainty_figure": "buying",
    "check": "posterior",
    "curve": "curves",
    "discrimination": "comparison",
    "effects": "posterior",
    "exhaustion_figure": "plans",
    "latent_tokens": "posterior",
    "observed_in_intervals": "backtest",
    "overhead_figure": "plans",
    "overlay": "comparison",
    "prior_posterior": "posterior",
    "prior_predictive": "prior",
    "save": "files",
    "serving_figure": "plans",
    "variance": "decomposition",
    "whole_curve": "whole_curve",
}

__all__ = [
    "OF_A_FIT",
    "allocation_figure",
    "budget_figure",
    "certainty_figure",
    "check",
    "curve",
    "discrimination",
    "effects",
    "exhaustion_figure",
    "latent_tokens",
    "observed_in_intervals",
    "overhead_figure",
    "overlay",
    "prior_posterior",
    "prior_predictive",
    "save",
    "serving_figure",
    "variance",
    "whole_curve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayescale.figures' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
