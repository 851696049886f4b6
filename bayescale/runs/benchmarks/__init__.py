"""Benchmarks: what is known of each, and tables of their scores."""
