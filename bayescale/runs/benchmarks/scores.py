"""Scores: a table of models and what they reach on benchmarks, checked; cells may be missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayescale.base.bundled import unknown
from bayescale.base.errors import BayescaleError, Problem, RunsError
from bayescale.base.shown import Shown
from bayescale.runs.benchmarks.registry import Benchmark, shipped
from bayescale.runs.table import Runs

# What headers put before a benchmark's name, and before the corpus of a loss.
_SCORE = re.compile(r"^(acc|accuracy|score|obs)_", re.IGNORECASE)
_LOSS = ("bpb", "bpc", "loss")
_CONTAMINATED = "contaminated"
# A score this far beyond 1 is in per cent.
_PER_CENT = 1.5
# Standard errors above chance within which the best score is no sign of the capability.
_ABOVE_CHANCE = 3.0
# Standard errors by which the best score must lie below chance before chance is called wrong.
_BELOW_CHANCE = 4.0


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Shown):
    """Scores of models on benchmarks.

    Attributes
    ----------
    runs : Runs
        The models: `run`, `params`, `tokens`, `family`, whichever the table has.
    benchmarks : mapping
        Name to what is known of it, in the order of the columns.
    columns : mapping
        Benchmark to its header.
    scores : DataFrame (run, benchmark)
        Shares from 0 to 1; missing where a model was not scored.
    losses : DataFrame (run, corpus)
        Losses or bits per byte, positive; without columns where the table has none.
    own : bool
        Whether `losses` has one column a benchmark, of the benchmark's own text.
    tuned : Series of bool
        Whether a model was tuned on instructions.
    contaminated : DataFrame (run, benchmark) of bool
        Whether a model was trained on a benchmark's questions.
    """

    runs: Runs
    benchmarks: Mapping[str, Benchmark]
    columns: Mapping[str, str]
    scores: pd.DataFrame
    losses: pd.DataFrame
    own: bool
    tuned: pd.Series
    contaminated: pd.DataFrame

    def _title(self) -> str:
        return f"Scores of {self.runs.name}: {len(self)} models, {len(self.benchmarks)} benchmarks"

    def _table(self) -> pd.DataFrame:
        return self.scores

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def of(
        cls,
        runs: Runs,
        columns: Mapping[str, str] | None = None,
        known: Mapping[str, Benchmark] | None = None,
    ) -> Scores:
        """The scores in a table of runs.

        Parameters
        ----------
        runs : Runs
        columns : mapping, optional
            Benchmark to header; by default every header that names a known benchmark, with or
            without `acc_` before it. The benchmark's own loss is the column with `bpb_`, `bpc_`
            or `loss_` in place of `acc_`; where not every benchmark has one, all columns with
            such a prefix are losses on corpora.
        known : mapping, optional
            The benchmarks; by default those that are shipped.

        Raises
        ------
        BayescaleError
            If a benchmark is unknown, or two columns are the same one.
        RunsError
            If a score is no share from 0 to 1, a loss not positive, or chance above all scores.
        """
        known = shipped() if known is None else known
        headers = _chosen(runs, columns, known) if columns else _found(runs, known)
        cells = {name: runs.table[header] for name, header in headers.items()}
        scores = pd.DataFrame({name: _numbers(runs, cell) for name, cell in cells.items()})
        problems = [p for name in scores for p in _problems(runs, headers[name], scores[name])]
        if problems:
            raise RunsError(runs.name, problems)
        scores = scores.loc[:, scores.notna().any()]
        benchmarks = {str(name): known[str(name)] for name in scores}
        wrong = [_above_chance(name, each, scores[name]) for name, each in benchmarks.items()]
        if any(wrong):
            raise RunsError(runs.name, [problem for problem in wrong if problem])
        if scores.empty:
            raise BayescaleError(f"{runs.name}: no model has a score")
        headers = {name: headers[name] for name in benchmarks}
        losses, own = _losses(runs, headers)
        tuned, contaminated = _flags(runs, "instruct"), _contaminated(runs, headers, known)
        kept = scores.notna().any(axis=1)
        every = cls(runs, benchmarks, headers, scores, losses, own, tuned, contaminated)
        return every if kept.all() else every.rows(kept.to_numpy())

    def rows(self, kept: np.ndarray) -> Scores:
        """Some of the models; `kept` is a mask or positions."""
        table = self.runs.table[kept] if kept.dtype == bool else self.runs.table.iloc[kept]
        part = [frame.loc[table.index] for frame in (self.scores, self.losses)]
        return replace(
            self,
            runs=replace(self.runs, table=table),
            scores=part[0],
            losses=part[1],
            tuned=self.tuned.loc[table.index],
            contaminated=self.contaminated.loc[table.index],
        )

    def with_compute(self) -> Scores:
        """The models whose parameters and tokens are known."""
        self.runs.require(["params", "tokens"])
        kept = self.runs.table[["params", "tokens"]].notna().all(axis=1)
        if not kept.any():
            raise BayescaleError(f"{self.runs.name}: no model states both parameters and tokens")
        return self.rows(kept.to_numpy())

    @property
    def at_chance(self) -> list[str]:
        """Benchmarks on which no model does better than guessing, within three standard errors."""
        return [
            name
            for name, known in self.benchmarks.items()
            if known.chance > 0
            and self.scores[name].max() < known.chance + _ABOVE_CHANCE * known.chance_error
        ]

    @property
    def flops(self) -> pd.Series:
        """6 N D of each model."""
        return 6 * self.runs.table["params"] * self.runs.table["tokens"]

    def hidden(self, mask: np.ndarray) -> Scores:
        """The same models, without the scores where `mask` (run, benchmark) is true."""
        return replace(self, scores=self.scores.mask(mask))


def _chosen(
    runs: Runs, columns: Mapping[str, str], known: Mapping[str, Benchmark]
) -> dict[str, str]:
    for name, header in columns.items():
        if name not in known:
            raise unknown("benchmark", name, list(known))
        if header not in runs.table:
            raise unknown(f"{runs.name}: column", header, [str(c) for c in runs.table])
    return dict(columns)


def _found(runs: Runs, known: Mapping[str, Benchmark]) -> dict[str, str]:
    """Benchmark to header, of all headers that name one."""
    names: dict[str, str] = {}
    for name, each in known.items():
        names |= {_key(header): name for header in (name, each.title, *each.headers)}
    found: dict[str, str] = {}
    for header in map(str, runs.table.columns):
        named = names.get(_key(_SCORE.sub("", header)))
        if named is None:
            continue
        if named in found:
            raise BayescaleError(
                f"{runs.name}: {named} has two columns, {found[named]} and {header}; "
                f"name one with --benchmark {named}={header}"
            )
        found[named] = header
    if not found:
        raise BayescaleError(
            f"{runs.name}: no column names a known benchmark; name one with --benchmark "
            f"NAME=HEADER, of {', '.join(known)}"
        )
    return {name: found[name] for name in known if name in found}


def _key(header: str) -> str:
    """A header without case, marks, and the split of the data."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"_(test|val|validation)$", "", header.lower()))


def _numbers(runs: Runs, cells: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce")
    for row in cells.index[numbers.isna() & cells.notna()]:
        rule = "is no number; leave the cell empty where there is no score"
        raise RunsError(runs.name, [_problem(runs, row, str(cells.name), cells[row], rule)])
    return numbers.astype(float)


def _problems(runs: Runs, header: str, scores: pd.Series) -> list[Problem]:
    problems = []
    for row, value in scores[(scores < 0) | (scores > 1) | np.isinf(scores)].items():
        rule = "a score is a share from 0 to 1"
        if np.isfinite(value) and _PER_CENT < value <= 100:
            rule = f"a share, not per cent: write {value / 100:.4g}"
        problems.append(_problem(runs, row, header, f"{value:g}", rule))
    return problems


def _above_chance(name: str, known: Benchmark, scores: pd.Series) -> Problem | None:
    """That a benchmark's chance level cannot be right."""
    best = float(scores.max())
    # Scores without normalisation by length may lie below chance by a few per cent.
    if best >= 0.8 * known.chance - _BELOW_CHANCE * known.chance_error:
        return None
    rule = (
        f"chance {known.chance:.3g} is above the score of every model (best {best:.3g}); "
        "is it another metric? give its chance in a file with --card"
    )
    return Problem(None, "", name, "", rule)


def _problem(runs: Runs, row: object, column: str, value: object, rule: str) -> Problem:
    named = str(runs.table.at[row, "run"])
    return Problem(int(str(row)), named, column, str(value), rule)


def _losses(runs: Runs, headers: Mapping[str, str]) -> tuple[pd.DataFrame, bool]:
    """Each benchmark's own loss if all have one, else those on corpora."""
    table = runs.table
    for prefix in _LOSS:
        own = {n: f"{prefix}_{_SCORE.sub('', header)}" for n, header in headers.items()}
        if all(header in table for header in own.values()):
            return _positive(runs, list(own.values())).set_axis(list(own), axis=1), True
    for prefix in _LOSS:
        corpora = [str(c) for c in table if str(c) == prefix or str(c).startswith(f"{prefix}_")]
        corpora = [c for c in corpora if table[c].notna().any()]
        if corpora:
            return _positive(runs, corpora), False
    return pd.DataFrame(index=table.index), False


def _positive(runs: Runs, headers: Sequence[str]) -> pd.DataFrame:
    losses = pd.DataFrame({header: _numbers(runs, runs.table[header]) for header in headers})
    rule = "a loss is positive"
    problems = [
        _problem(runs, row, header, f"{value:g}", rule)
        for header in headers
        for row, value in losses[header][losses[header] <= 0].items()
    ]
    if problems:
        raise RunsError(runs.name, problems)
    return losses


def _contaminated(
    runs: Runs, headers: Mapping[str, str], known: Mapping[str, Benchmark]
) -> pd.DataFrame:
    """Columns `contaminated`, of all benchmarks, and `contaminated_X`, of benchmark or column X."""
    start = f"{_CONTAMINATED}_"
    named = [str(column) for column in runs.table if str(column).startswith(start)]
    # Of benchmarks that are left out too.
    possible = [*known, *(_SCORE.sub("", str(c)) for c in runs.table if str(c) not in named)]
    for column in named:
        if _SCORE.sub("", column.removeprefix(start)) not in possible:
            names = [start + name for name in headers]
            raise unknown(f"{runs.name}: column", column, names)
    whole = _flags(runs, _CONTAMINATED)
    found = {}
    for name, header in headers.items():
        own = {name, header, _SCORE.sub("", header)}
        columns = [column for column in named if column.removeprefix(start) in own]
        found[name] = np.logical_or.reduce([whole, *(_flags(runs, c) for c in columns)])
    return pd.DataFrame(found, index=runs.table.index)


def _flags(runs: Runs, header: str) -> pd.Series:
    """A column of true and false; all false where the table has none."""
    if header not in runs.table:
        return pd.Series(False, runs.table.index)
    words = runs.table[header].map(lambda cell: str(cell).strip().lower())
    values = words.map({"true": True, "1": True, "yes": True, "false": False, "0": False,
                        "no": False, "nan": False, "none": False, "": False})  # fmt: skip
    for row in values.index[values.isna()]:
        cell = runs.table.at[row, header]
        raise RunsError(runs.name, [_problem(runs, row, header, cell, "true or false")])
    return values.astype(bool)
