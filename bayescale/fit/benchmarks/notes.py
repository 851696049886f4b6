"""Notes: what a table of scores cannot tell."""

from __future__ import annotations

from bayescale.base.notes import Note, listed
from bayescale.runs.benchmarks.scores import Scores

# From here on, wrong keys and lapses matter as much as capability.
_SATURATED = 0.93


def score_notes(scores: Scores) -> list[Note]:
    """Benchmarks at chance or saturated, and models of unknown size."""
    notes = []
    best = scores.scores.max()
    at_chance = scores.at_chance
    if at_chance:
        notes.append(
            Note(
                "at-chance",
                "warning",
                f"every model is at chance on {listed(at_chance)}: the scores do not tell when "
                "models begin to solve them",
                "intervals beyond the frontier are wide; score larger models, or take the loss of "
                "the right answers (two-stage), which falls before the score rises",
            )
        )
    saturated = [name for name in scores.benchmarks if best[name] > _SATURATED]
    if saturated:
        notes.append(
            Note(
                "saturated",
                "info",
                f"the best model solves more than {_SATURATED:.0%} of {listed(saturated)}: what "
                "is left may be wrong keys",
                "differences near the ceiling say little about capability",
            )
        )
    return notes
