"""Evaluation: comparison, backtest, calibration: does the model predict what it has not seen?"""
