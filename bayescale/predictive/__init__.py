"""Predictive: a posterior asked: responses at points, the inverse, variance, distance."""
