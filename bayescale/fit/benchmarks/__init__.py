"""Fits of benchmark scores."""
