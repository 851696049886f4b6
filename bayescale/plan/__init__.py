"""Decisions: how big, how long, at what cost, and what happens when the data run out.

Everything here takes a `Fit`, a `Stack` of fits, or a `Curve`: a law whose parameters are known,
as the draws of a posterior or as the constants of the literature. Answers are DataArrays with the
draws' dims, or without any.

>>> from bayescale.plan.allocation import optimum
>>> from bayescale.plan.curve import Curve
>>> optimum(Curve.published("besiroglu-2024"), 5.76e23).params
"""
