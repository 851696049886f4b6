"""The laws, one per file. `LAWS` maps each one's name to it."""

from bayescale.laws import (
    chinchilla,
    compute_linear,
    compute_power,
    data_constrained,
    kaplan,
    separate_linear,
)
from bayescale.laws.base import Law, Parameter

_MODULES = (compute_linear, separate_linear, compute_power, kaplan, chinchilla, data_constrained)
LAWS: dict[str, Law] = {module.LAW.name: module.LAW for module in _MODULES}

__all__ = ["LAWS", "Law", "Parameter"]
