"""Compute in FLOP by the usual count: 6 for each parameter and training token, 2 for each served.

Kaplan et al. 2020 (arXiv 2001.08361); serving as in Sardana & Frankle 2023 (arXiv 2401.00448).
"""

FLOP_PER_PARAM_TOKEN = 6
FLOP_PER_SERVED_TOKEN = 2
