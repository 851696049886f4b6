"""Bayesian scaling laws of language models: from a table of runs to posteriors and decisions.

>>> import bayescale as bs
>>> fit = bs.ScalingModel("compute-only").fit("open-llm-bpc")
>>> fit.predict({"params": 70e9, "tokens": 15e12, "family": "Llama-3"}).table()
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayescale.comparison import compare as compare
    from bayescale.errors import BayescaleError as BayescaleError
    from bayescale.fit import Fit as Fit
    from bayescale.laws import LAWS as LAWS
    from bayescale.many import Workers as Workers
    from bayescale.predict import Prediction as Prediction
    from bayescale.runs import Runs as Runs
    from bayescale.scaling import ScalingModel as ScalingModel
    from bayescale.settings import Settings as Settings
    from bayescale.spec import Spec as Spec
    from bayescale.stacking import load as load
    from bayescale.stacking import stack as stack

# Loaded when first asked for: `bayescale --help` must not wait for PyMC.
_HOMES = {
    "BayescaleError": "errors",
    "Fit": "fit",
    "LAWS": "laws",
    "Prediction": "predict",
    "Runs": "runs",
    "ScalingModel": "scaling",
    "Settings": "settings",
    "Spec": "spec",
    "Workers": "many",
    "compare": "comparison",
    "load": "stacking",
    "stack": "stacking",
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
    "load",
    "stack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayescale' has no attribute {name!r}")
    return getattr(import_module(f"bayescale.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
