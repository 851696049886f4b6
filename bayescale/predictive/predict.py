"""Predict: what a fit or a stack answers for any parameters, tokens and groups.

Works on saved draws with numpy alone; the curve is the one that the model samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.base.errors import BayescaleError, Problem, RunsError
from bayescale.base.intervals import SAMPLE_DIMS, interval
from bayescale.base.notes import Note
from bayescale.base.numbers import percent
from bayescale.base.settings import PROB
from bayescale.base.shown import Shown
from bayescale.model.design import centred, inputs_of, require_inputs
from bayescale.model.spec import Spec
from bayescale.predictive.decomposition import variance_shares
from bayescale.predictive.distance import EXTRAPOLATION, distance, extrapolation_note
from bayescale.predictive.groups import Fitted, effects_at, resolve
from bayescale.predictive.inverse import Inverse, Line, check_target, direction, invert, path
from bayescale.predictive.mixture import Mixture
from bayescale.predictive.points import Points, check_groups
from bayescale.predictive.predictive import KINDS, Kind, Predictive
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS
from bayescale.runs.table import Runs

# Share of the draws outside the response's range from which on it is said.
_OUTSIDE_LEAST = 0.005


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Shown):
    """Draws of the response at points, and what to know about them.

    Attributes
    ----------
    draws : DataArray
        (chain, draw, run[, corpus]), in the response's unit.
    response : str
    kind : {"curve", "run"}
    points : DataFrame
        A row a point, by its name: each input as the law sees it, and `flops` (6 N D) where it
        takes parameters and tokens; each group and whether it is known or new; and the distance
        from the data in decades.
    notes : list of Note
    """

    draws: xr.DataArray
    response: str
    kind: Kind
    points: pd.DataFrame
    notes: list[Note]

    def _title(self) -> str:
        count, prob = len(self.points), percent(PROB)
        return f"Prediction of {count} points: {prob} intervals, {KINDS[self.kind]}"

    def _table(self) -> pd.DataFrame:
        return self.table().drop(columns=["kind", "prob"])

    def table(self, prob: float = PROB) -> pd.DataFrame:
        """A row for each point (and corpus) with `median`, `lower`, `upper`.

        There is no mean: that of a new run is infinite under Student's t noise on the log.
        """
        summary = interval(self.draws, prob).drop_vars("mean").to_dataframe()
        if "corpus" in self.draws.dims:
            summary = summary.reset_index("corpus")
        summary.insert(0, "kind", self.kind)
        summary.insert(1, "prob", prob)
        return self.points.join(summary).reset_index(names="run")

    def probability_of_reaching(self, target: float) -> xr.DataArray:
        """Probability that the response reaches `target`, for each point: is at it or better.

        Raises
        ------
        BayescaleError
            If no such response can be asked for.
        """
        check_target(self.response, target)
        return COLUMNS[self.response].reached(self.draws, target).mean(SAMPLE_DIMS)


@dataclass(frozen=True, eq=False)
class Located[P: (Predictive, Mixture)]:
    """Points as a fit sees them.

    Attributes
    ----------
    predictive : Predictive or Mixture
        Of the response at the points, new groups drawn.
    points : DataFrame
        As for `Prediction`.
    notes : list of Note
        On groups, and on points outside the data.
    """

    predictive: P
    points: pd.DataFrame
    notes: list[Note]


def locate(fit: Fitted, points: Runs) -> Located[Predictive]:
    """The predictive distribution of a fit at points.

    A group that no run of the fit has is drawn from the group's distribution; the same label
    is the same draw everywhere.

    Raises
    ------
    BayescaleError
        If a point has no token count.
    """
    blank = [
        Problem(int(row), str(run), "tokens", "blank", "a prediction needs a token count")
        for row, run in points.table.loc[~points.known_tokens, "run"].items()
    ]
    if blank and fit.spec.law.takes_compute:
        raise RunsError(points.name, blank)
    require_inputs(fit.spec, points)
    inputs = centred(inputs_of(fit.spec, points).drop_dims("latent"), fit.centre)
    labels, notes = resolve(fit, points)
    values, index = effects_at(fit, labels)
    x = {**{name: inputs[name] for name in fit.spec.law.inputs}, **index}
    conditioned = fit.conditioned if fit.spec.discrepancy else None
    predictive = Predictive(fit.spec, values, x, fit.centre, conditioned, fit.seed)
    distances = distance(fit, inputs)
    frame = _describe(fit, points, labels).join(distances.to_dataframe())
    notes = [*notes, *_all_new(fit.spec, points), *extrapolation_note(fit, distances)]
    return Located(predictive, frame, notes)


def _all_new(spec: Spec, points: Runs) -> list[Note]:
    if "unique_tokens" not in spec.law.inputs or "unique_tokens" in points.table:
        return []
    return [
        Note(
            "tokens-all-new",
            "info",
            "no unique_tokens given: every token counts as new",
            "give unique_tokens where data repeat",
        )
    ]


class Answers(ABC):
    """What a fit and a stack of fits answer, each through its predictive distribution."""

    if TYPE_CHECKING:  # fields of a fit, properties of a stack

        @property
        def spec(self) -> Spec:
            """What was fitted; of a stack, by its heaviest fit."""

        @property
        def runs(self) -> Runs:
            """The runs that were fitted."""

    @property
    @abstractmethod
    def specs(self) -> tuple[Spec, ...]:
        """The specs of all fits."""

    @abstractmethod
    def locate(self, points: Points) -> Located[Predictive] | Located[Mixture]:
        """The predictive distribution of the response at points; see `locate`."""

    @property
    def group_names(self) -> tuple[str, ...]:
        """Every group by which some parameter of some fit varies, and that a point may name."""
        return tuple(dict.fromkeys(str(g) for spec in self.specs for g in spec.named_groups))

    @property
    def inputs(self) -> dict[str, Column]:
        """What the laws of all fits take in, by name."""
        return {name: column for spec in self.specs for name, column in spec.inputs.items()}

    @property
    def other_inputs(self) -> dict[str, Column]:
        """Those beside parameters and tokens, by name."""
        return {name: column for spec in self.specs for name, column in spec.other_inputs.items()}

    @property
    def usual_inputs(self) -> dict[str, float]:
        """The middle, among the runs, of each input beside parameters and tokens."""
        table = self.runs.table
        return {name: float(table[name].astype(float).median()) for name in self.other_inputs}

    def predict(self, points: Points, kind: Kind = "run") -> Prediction:
        """Draws of the response at points; see `Predictive.draws` for what rows share.

        Parameters
        ----------
        points : Runs, DataFrame, mapping or sequence of mappings
            Each input of the law, such as `params` and `tokens`, and a label for each group
            (omitted: as in the data, else new).
            Numbers may be written `70B`; a mapping of arrays is several points.
        kind : {"curve", "run"}
            The curve, or one new run.

        Raises
        ------
        BayescaleError
            If a point breaks a rule of `Runs`, or `kind` is unknown.
        """
        located = self.locate(points)
        draws = located.predictive.draws(kind)
        notes = [*located.notes, *_leaves_range(self.spec, draws)]
        return Prediction(draws, self.spec.response, kind, located.points, notes)

    def variance_shares(self, points: Points) -> xr.DataArray:
        """Variance decomposition of a new run's response: (component, run[, corpus])."""
        return variance_shares(self.locate(points).predictive)

    def invert(
        self,
        target: float,
        *,
        params: float | None = None,
        tokens: float | None = None,
        tokens_per_param: float | None = None,
        at: Mapping[str, float] | None = None,
        along: str | None = None,
        groups: Mapping[str, str] | None = None,
        corpus: str | None = None,
        prob: float = PROB,
        kind: Kind = "run",
    ) -> Inverse:
        """The least compute whose response reaches `target` with probability `prob`.

        Give one of `params` (then tokens are solved for), `tokens` (then parameters) or
        `tokens_per_param` (then both); a law of compute alone needs none. See `inverse.invert`.
        Or name the input that is solved for, and give all others in `at`.

        Parameters
        ----------
        target : float
            In the response's unit.
        params, tokens, tokens_per_param : float, optional
            Parameters as the law sees them, tokens, and their ratio.
        at : mapping, optional
            Other inputs of the law, and what they are.
        along : str, optional
            The input that is solved for, where it is not compute.
        groups : mapping, optional
            Group to label, as for a point of a prediction.
        corpus : str, optional
            Which one must reach the target, for a response of several.
        prob : float
        kind : {"curve", "run"}

        Raises
        ------
        BayescaleError
            If the question is incomplete or has no answer to give.
        """
        check_groups(groups or {}, self.group_names)
        _check_corpus(self.spec, corpus)
        fixed = dict(at or {})
        line: Line
        if along is None:
            line = path(
                compute_only=all(spec.law.compute_only for spec in self.specs),
                params=params,
                tokens=tokens,
                tokens_per_param=tokens_per_param,
                inputs=self.inputs,
                fixed=fixed,
                runs=self.runs,
            )
        else:
            line = direction(along, self.inputs, fixed, self.runs)
        first = line.point(line.smallest)
        start = self.locate({"run": "answer", **first, **(groups or {})})
        answer = invert(
            *(start.predictive, line, self.spec.response, target),
            prob=prob,
            kind=kind,
            corpus=corpus,
        )
        notes = [note for note in start.notes if note.code != EXTRAPOLATION]
        if answer.inputs:
            end = self.locate({"run": "answer", **answer.inputs, **(groups or {})})
            notes += [note for note in end.notes if note.code == EXTRAPOLATION]
        return replace(answer, notes=notes)


def _check_corpus(spec: Spec, corpus: str | None) -> None:
    corpora = spec.corpora
    if corpora and corpus not in corpora:
        raise BayescaleError(f"corpus={corpus!r}: this fit needs one of {', '.join(corpora)}")
    if corpus is not None and not corpora:
        raise BayescaleError(f"corpus={corpus!r}: this fit has no corpora; leave it out")


def _leaves_range(spec: Spec, draws: xr.DataArray) -> list[Note]:
    """A note where draws lie where no response can: at or below 0, or outside 0 to 1."""
    column = COLUMNS[spec.response]
    share = float(column.impossible(draws).mean())
    if share < _OUTSIDE_LEAST:
        return []
    text = f"{share:.1%} of the draws lie {column.beyond}, where no {spec.response} can"
    if column.scale == "logit":
        hint = 'put the noise on the logit, noise.on = "logit", and use a law that stays inside'
        return [Note("leaves-range", "warning", text, hint)]
    hint = "the line has left its range; use a law with a floor, such as compute-floor"
    if spec.law.positive:
        hint = 'only the noise goes below 0; put it on the logarithm: noise.on = "log"'
    return [Note("crosses-zero", "warning", text, hint)]


def _describe(fit: Fitted, points: Runs, labels: pd.DataFrame) -> pd.DataFrame:
    names = points.table["run"]
    inputs = inputs_of(fit.spec, points)
    values = {n: column.unscaled(inputs[n].to_numpy()) for n, column in fit.spec.inputs.items()}
    frame = pd.DataFrame(values, index=pd.Index(names, name="run"))
    if fit.spec.law.takes_compute:
        # As the table has them, to the last digit.
        frame["params"] = points.seen_params(fit.spec.params).to_numpy()
        frame["tokens"] = points.table["tokens"].to_numpy()
        frame.insert(2, "flops", 6 * frame["params"] * frame["tokens"])
    for group in labels:
        frame[str(group)] = labels[group]
        known = labels[group].isin(fit.runs.table[group].unique())
        frame[f"{group}_is"] = np.where(known, "known", "new")
    return frame
