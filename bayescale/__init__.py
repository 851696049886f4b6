"""Bayesian scaling laws of language models: from a table of runs to posteriors and decisions.

>>> import bayescale as bs
>>> fit = bs.ScalingModel("compute-only").fit("open-llm-bpc")
>>> fit.predict({"params": 70e9, "tokens": 15e12, "family": "Llama-3"}).table()
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayescale.base.errors import BayescaleError as BayescaleError
    from bayescale.base.settings import Settings as Settings
    from bayescale.evaluation.compare import compare as compare
    from bayescale.fit.fit import Fit as Fit
    from bayescale.fit.scaling import ScalingModel as ScalingModel
    from bayescale.fit.stack import load as load
    from bayescale.fit.stack import stack as stack
    from bayescale.laws import LAWS as LAWS
    from bayescale.model.spec import Spec as Spec
    from bayescale.predictive.predict import Prediction as Prediction
    from bayescale.report import figures as figures
    from bayescale.runs.table import Runs as Runs
    from bayescale.sampling.jobs import Workers as Workers

# Loaded when first asked for: `bayescale --help` must not wait for PyMC.
_HOMES = {
    "BayescaleError": "base.errors",
    "Fit": "fit.fit",
    "LAWS": "laws",
    "Prediction": "predictive.predict",
    "Runs": "runs.table",
    "ScalingModel": "fit.scaling",
    "Settings": "base.settings",
    "Spec": "model.spec",
    "Workers": "sampling.jobs",
    "compare": "evaluation.compare",
    "figures": "report",
    "load": "fit.stack",
    "stack": "fit.stack",
}

__version__ = version("bayescale")
__all__ = [
    "LAWS",
    "BayescaleError",
    "Fit",
    "Prediction",
    "Runs",
    "ScalingModel",
    "Settings",
    "Spec",
    "Workers",
    "compare",
    "figures",
    "load",
    "stack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayescale' has no attribute {name!r}")
    return getattr(import_module(f"bayescale.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
