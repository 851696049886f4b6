"""Density: a spec's log density and its gradient as one compiled function."""
