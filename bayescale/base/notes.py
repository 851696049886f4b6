"""Notes: what a reader of a result must know, each with a stable code and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["failure", "warning", "info"]


@dataclass(frozen=True)
class Note:
    """A finding about a fit or a prediction.

    Attributes
    ----------
    code : str
        Stable, for programs: `unconverged`, `divergences`, `tree-depth`, `low-bfmi`,
        `weak-prior-data-separation`,
        `prior-data-conflict`, `single-run-group`, `single-level-group`, `confounded-groups`,
        `new-group`, `group-from-data`, `extrapolation`, `crosses-zero`, `no-optimum`,
        `data-decide`, `infeasible-size`,
        `printed-allocation`, `no-isoflops`, `budgets-left-out`, `envelope-grid`, `few-runs`,
        `unidentified`, `constant-response`, `rising-response`, `prior-conflict`, `misfit`,
        `outlying-runs`, `tokens-all-new`,
        `undecided`, `sampled-again`, `thinned-replicates`, `overconfident-here`,
        `missing-glyphs`, `only-response`, `any-split`.
        Of a table of runs: `perplexity-as-loss`, `flops-not-6nd`, `repeats-as-new`,
        `checkpoints-as-runs`; of other tools' files: `left-out`, `overruled`,
        `unfinished-runs`, `stopped-early`, `nats-per-byte`; of measurements: `resumed`,
        `empty-documents`, `not-round-trip`, `short-context`, `state-space`, `no-sequence`. A
        warning of Python has the name of its class.
    level : {"failure", "warning", "info"}
    text, hint : str
        What was found, and what to do.
    """

    code: str
    level: Level
    text: str
    hint: str

    def __str__(self) -> str:
        return f"{self.level} [{self.code}] {self.text}; {self.hint}"

    def to_dict(self) -> dict[str, str]:
        """The fields as plain values."""
        return asdict(self)


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names on one line, cut where there are many."""
    shown = list(names)
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")
