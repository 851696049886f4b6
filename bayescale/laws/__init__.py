"""The laws, one per file. `LAWS` maps each one's name to it."""

from bayescale.laws import chinchilla, compute_linear, compute_power, data_constrained, kaplan
from bayescale.laws.base import Law, Parameter

LAWS: dict[str, Law] = {
    module.LAW.name: module.LAW
    for module in (compute_linear, compute_power, kaplan, chinchilla, data_constrained)
}

__all__ = ["LAWS", "Law", "Parameter"]
