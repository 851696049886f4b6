"""The model of whole curves: a law, what it misses along the curve, and correlated noise."""
