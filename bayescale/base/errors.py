"""What a user did that cannot be done: one line with the bad value, the rule and the hint."""

from __future__ import annotations

from dataclasses import dataclass


class BayescaleError(Exception):
    """An error of the user's input; the command line prints it on one line and exits with 2."""


class SpecError(BayescaleError):
    """A spec that cannot be read or does not fit its law."""


class LawError(SpecError):
    """A law that is not there, or that breaks a rule of laws."""


class FitError(BayescaleError):
    """A fit's folder that cannot be read or written."""


@dataclass(frozen=True)
class Problem:
    """One cell of a runs table that breaks a rule.

    Attributes
    ----------
    row : int or None
        Row of the file, counting from 1 below the header; None for the table as a whole.
    run, column, value, rule : str
        The run's name, the column, what stands there, and the rule with its hint.
    """

    row: int | None
    run: str
    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        if self.row is None:
            return f"{self.column}: {self.rule}"
        return f"row {self.row} ({self.run}): {self.column}={self.value}: {self.rule}"


class RunsError(BayescaleError):
    """A table of runs with problems, all of them in `problems`."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = problems
        shown = "; ".join(str(p) for p in problems[:3])
        rest = len(problems) - 3
        more = f"; and {rest} more (`bayescale data check` lists all)" if rest > 0 else ""
        super().__init__(f"{source}: {shown}{more}")
