"""Decisions: how big, how long, at what cost, and what happens when the data run out.

Everything here takes a `Fit`, a `Stack` of fits, or a `Curve`: a law whose parameters are known,
as the draws of a posterior or as the constants of the literature. Results are DataArrays with the
draws' dims (chain, draw), or without any.

>>> from bayescale.plan.allocation import optimum
>>> from bayescale.plan.curve import Curve
>>> optimum(Curve.published("besiroglu-2024"), 5.76e23).params

To add a plan, copy `overhead.py`, the shortest:

1. Its file here. A frozen dataclass of the result, with dims and units; a function of
   `Curve | Fit | Stack` that finds it, asking the response by `Curve.loss`, `Curve.at` and
   `Curve.for_new_runs` and solving with `solve.minimum` and `solve.root`; and `answer(curve, ...)
   -> Answer`, which lists each quantity once as (key for programs, label with unit for people,
   value, how to write it). Command line and report take both forms from that list.
2. Its section. In `report/decisions.py` a function of a `Question` that gives content and figures,
   and in `report/sections/plans.py` a writer of the same name; each stands in the list at its
   file's end. Sentences stand in `report/sentences.toml`, a figure in `report/figures/plans.py`.
3. To be asked on the command line, a command in `cli/plan.py` that reads its options and prints
   the `Answer`.
"""
