"""The model of whole curves: a law, its model discrepancy along the curve, and correlated noise."""
