"""Fit: a spec fitted to runs; kept in a folder, stacked with others."""
