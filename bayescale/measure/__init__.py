"""Measure: from a model, an architecture or a training log to a row of a runs table.

It knows the columns of `runs.py` and nothing of the models fitted to them.
"""
