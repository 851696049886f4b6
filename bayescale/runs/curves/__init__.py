"""Curves: the loss along a run's training, as a long table beside the table of runs."""

from bayescale.runs.curves.curve import Curve
from bayescale.runs.curves.schedule import Schedule
from bayescale.runs.curves.table import Curves

__all__ = ["Curve", "Curves", "Schedule"]
