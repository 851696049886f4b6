"""Figures: functions that take a fit, a comparison or a plan and return matplotlib figures."""
