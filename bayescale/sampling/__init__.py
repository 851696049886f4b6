"""Sampling: compile once, sample until converged, judge; many fits as jobs."""
