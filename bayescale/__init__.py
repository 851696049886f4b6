"""Bayesian scaling laws of language models."""
