"""Expressions: conditions over a table and formulas, written as data and never run by Python."""

from bayescale.base.expression.condition import Condition
from bayescale.base.expression.formula import Formula
from bayescale.base.expression.parser import ExpressionError, fail

__all__ = ["Condition", "ExpressionError", "Formula", "fail"]
