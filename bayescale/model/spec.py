"""Spec: what a file in `models/` says, checked against its law.

A spec names a law, the response, the noise, a prior for every parameter, and which parameters
vary by which group. A prior of the law that is not written is an error, so the file shows what was
assumed; a law written as an equation may leave the noise to the usual one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError, LawError, SpecError
from bayescale.base.notes import Note
from bayescale.base.settings import DISCREPANCY, REFIT, REFIT_DISCREPANCY, USUAL, Settings
from bayescale.base.toml import one_line, validated
from bayescale.laws import Law, find
from bayescale.model.coherence import check
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.discrepancy.axes import Axis, axes_of
from bayescale.model.filled import with_equation, with_learnt_priors
from bayescale.model.parts import (
    Effect,
    GroupName,
    Input,
    Noise,
    Printable,
    Prior,
    Response,
    Strict,
)
from bayescale.runs.column import Column
from bayescale.runs.columns import COLUMNS, responses
from bayescale.runs.table import Runs


def _find_law(name: object) -> Law:
    return name if isinstance(name, Law) else find(str(name))


def _written_law(law: Law) -> Any:
    return law.name if law.definition is None else dict(law.definition)


# In e-folds, logits or shares of an input's range: 1.3 to 7.
_USUAL_LENGTH = {"dist": "LogNormal", "mu": 1.1, "sigma": 0.5}


class Spec(Strict):
    """A model's description.

    Attributes
    ----------
    name, title : str
    law : Law
        Given by its name, as `bayescale.laws.find` knows it, or as an equation:
        `[law] equation = "E + A / params**alpha"`.
    law_of : {"response", "odds"}
        What the law gives: the response, or its odds of a miss, which fall as an accuracy rises
        from floor to ceiling; see `bayescale.model.odds`.
    declared : dict
        The spec's own inputs, under `[inputs]`; those of `bayescale.runs.columns` are known.
    response : str
        A response of `bayescale.runs.columns`, such as `bpc` (bits per character), `loss` (nats
        per token) or `accuracy` (share).
    corpora : tuple of str
        If given, the columns `{response}_{corpus}` are modelled jointly.
    params : {"total", "active"}
        Which N the law sees in a mixture of experts.
    noise : Noise
    bounds : tuple of float, optional
        Floor (the level of chance, as 0.25 of four answers) and ceiling of the response, between
        which its logit and its odds are; by default the response's range.
    priors : dict
        One for each parameter of the law and of the noise.
    effects : dict
        Group to parameter to the prior of the standard deviation between groups.
    discrepancy : dict
        Priors of the model discrepancy, by the names in `process.parameters`, with a length for
        each axis of the law's inputs; empty where the law is taken to be exact.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=100)]
    title: Printable
    law: Annotated[Law, BeforeValidator(_find_law), PlainSerializer(_written_law)]
    law_of: Literal["response", "odds"] = "response"
    response: Response
    corpora: tuple[Printable, ...] = ()
    params: Literal["total", "active"]
    noise: Noise
    bounds: tuple[float, float] | None = None
    priors: dict[str, Prior]
    effects: dict[GroupName, dict[str, Prior]] = Field(default={})
    discrepancy: dict[str, Prior] = Field(default={})
    declared: dict[str, Input] = Field(default={}, alias="inputs")

    def __repr__(self) -> str:
        groups = f", effects by {' and '.join(self.groups)}" if self.groups else ""
        discrepancy = ", model discrepancy" if self.discrepancy else ""
        what = f"law {self.law.name}, response {self.response}{groups}{discrepancy}"
        return f"<Spec {self.name}: {what}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The response's columns in the table of runs."""
        return tuple(f"{self.response}_{c}" for c in self.corpora) or (self.response,)

    @property
    def equation(self) -> str:
        """The law's equation, of what it is of."""
        if self.law_of == "response":
            return self.law.equation
        return f"odds of a miss = {self.law.equation.removeprefix('y = ')}"

    @property
    def inputs(self) -> dict[str, Column]:
        """What the law takes in, by name."""
        own = {name: each.column(name) for name, each in self.declared.items()}
        return {name: own[name] if name in own else COLUMNS[name] for name in self.law.inputs}

    @property
    def other_inputs(self) -> dict[str, Column]:
        """Those beside parameters and tokens, by name."""
        sizes = ("params", "tokens", "unique_tokens")
        return {name: column for name, column in self.inputs.items() if name not in sizes}

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the model discrepancy."""
        return axes_of(self.inputs.values())

    @property
    def is_bounded(self) -> bool:
        """True if its law or its noise takes the response to lie between a floor and a ceiling."""
        return self.law_of == "odds" or self.noise.on == "logit"

    @property
    def groups(self) -> tuple[GroupName, ...]:
        """Every group that some parameter varies by."""
        return tuple(dict.fromkeys([*self.effects, *self.by_label.values()]))

    @property
    def by_label(self) -> dict[str, GroupName]:
        """Each parameter of the law that every label of a group has its own of, to that group."""
        priors = self.priors.items()
        return {name: prior.by for name, prior in priors if prior.by not in (None, "corpus")}

    @property
    def named_groups(self) -> tuple[GroupName, ...]:
        """The groups whose label a point can have, such as its family: all but `run`.

        A point is no run of the data, so its run effect is always drawn anew.
        """
        return tuple(group for group in self.groups if group != "run")

    @property
    def follows_runs(self) -> bool:
        """True if the law's parameters are sampled in coordinates that follow the runs."""
        return bool(self.discrepancy) or not self.law.centred

    @property
    def collapses(self) -> bool:
        """True if repeats of a run enter the likelihood as their mean, number and sum of squares.

        These are sufficient under Normal noise alone, and only where repeats share everything but
        the noise: no run effects, no discrepancy, one response.
        """
        normal = self.noise.dist == "Normal"
        return normal and not (self.discrepancy or self.corpora or "run" in self.effects)

    @property
    def settings(self) -> Settings:
        """How to sample it by default."""
        return DISCREPANCY if self.discrepancy else USUAL

    @property
    def refit_settings(self) -> Settings:
        """How to sample it again without some of its runs."""
        return REFIT_DISCREPANCY if self.discrepancy else REFIT

    def all_priors(self) -> dict[str, Prior]:
        """Every prior by its name in the posterior: of the law and the noise, of the standard
        deviations between groups, and of the discrepancy."""
        between = {effect.sd_name: effect.sd for effect in self.effect_list()}
        process = {discrepancy.PREFIX + name: prior for name, prior in self.discrepancy.items()}
        return self.priors | between | process

    def effect_list(self) -> Iterator[Effect]:
        """The random effects, one at a time."""
        for group, parameters in self.effects.items():
            for parameter, sd in parameters.items():
                yield Effect(parameter=parameter, group=group, sd=sd)

    @classmethod
    def load(cls, source: str | Path) -> Spec:
        """Read a spec: a shipped one by name, or a TOML file by its path.

        Raises
        ------
        SpecError
            If the file cannot be read, or breaks a rule; the error names the place.
        """
        name = str(source)
        if name in bundled.specs():
            return cls.parse(bundled.specs()[name].read_text("utf-8"), name)
        path = Path(source)
        if not path.is_file():
            if path.suffix:
                raise SpecError(f"{name}: no such file")
            raise bundled.unknown("spec", name, list(bundled.specs()))
        try:
            return cls.parse(path.read_text("utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{name}: not a readable text file: {error}") from error

    @classmethod
    def parse(cls, text: str, source: str = "spec") -> Spec:
        """Read a spec from the text of a TOML file; errors as for `load`."""
        try:
            return validated(cls, text, source)
        except LawError as error:
            raise LawError(f"{source}: {error}") from error
        except BayescaleError as error:
            raise SpecError(str(error)) from error

    def to_toml(self) -> str:
        """The spec as a TOML file's text, which `parse` reads back."""
        plain = self.model_dump(exclude_none=True, exclude_defaults=True, by_alias=True)
        return tomli_w.dumps(plain)

    def replace(
        self,
        *,
        response: str | None = None,
        groups: bool = True,
        discrepancy: bool = False,
        priors: Mapping[str, Prior | Mapping[str, Any]] | None = None,
        **fields: Any,
    ) -> Spec:
        """The same spec with some of it replaced.

        Parameters
        ----------
        response : str, optional
        groups : bool
            False leaves out the group effects.
        discrepancy : bool
            True adds a model discrepancy, that of the shipped spec `forecast`.
        priors : mapping, optional
            Priors by parameter, such as `{"alpha": {"dist": "LogNormal", "mu": -1, "sigma": 0.4}}`;
            parameters that are not named keep theirs.
        **fields
            Any other field of a spec, whole: `name`, `title`, `params`, `noise`, `effects`, ...

        Raises
        ------
        SpecError
            If the result breaks a rule of specs.

        Examples
        --------
        >>> Spec.load("chinchilla").replace(
        ...     response="loss", priors={"alpha": {"dist": "LogNormal", "mu": -1, "sigma": 0.2}}
        ... )
        """
        law = self.law if self.law.definition is None else self.law.definition
        values: dict[str, Any] = {**self.model_dump(by_alias=True), "law": law, **fields}
        if response is not None:
            values["response"] = response
        if not groups:
            values["effects"] = {}
            values["priors"] = {
                name: {**prior, "by": "corpus" if prior["by"] == "corpus" else None}
                for name, prior in values["priors"].items()
            }
        if priors is not None:
            values["priors"] = {**values["priors"], **priors}
        if discrepancy and not values["discrepancy"]:
            values["discrepancy"] = self._usual_discrepancy()
            values["name"] = f"{values['name']}-discrepancy"
        try:
            return Spec.model_validate(values)
        except ValidationError as error:
            raise SpecError(f"{self.name}: {one_line(error)}") from error

    def _usual_discrepancy(self) -> dict[str, Any]:
        """That of the shipped spec `forecast`; along other axes, a length that says little."""
        usual = Spec.load("forecast").model_dump()["discrepancy"]
        return {name: usual.get(name, _USUAL_LENGTH) for name in discrepancy.parameters(self.axes)}

    def for_runs(self, runs: Runs, *, keep_groups: bool = False) -> tuple[Spec, list[Note]]:
        """The spec as these runs can be fitted to it.

        It takes their only loss, in nats or bits, where they lack its own, and has no effect of a
        group that is the same for all: its standard deviation would be the prior's, and every
        forecast that of a new group.

        Parameters
        ----------
        runs : Runs
        keep_groups : bool
            Keep the effects of such groups, for forecasts of other groups.

        Returns
        -------
        spec : Spec
            The spec itself, where nothing is to be changed.
        notes : list of Note
            `only-response` and `single-level-group`, where something was.
        """
        spec, notes = self._with_only_response(runs)
        return (spec, notes) if keep_groups else spec._without_single_levels(runs, notes)

    def _without_single_levels(self, runs: Runs, notes: list[Note]) -> tuple[Spec, list[Note]]:
        single = [
            group
            for group in self.effects
            if group != "run"
            and group in runs.table
            and runs.table[group].nunique(dropna=False) == 1
        ]
        if not single:
            return self, notes
        labels = ", ".join(f"{group} {runs.table[group].iloc[0]}" for group in single)
        note = Note(
            "single-level-group",
            "info",
            f"all runs have {labels}: no effect of it is fitted, and forecasts are of the same",
            "keep the effect with --keep-groups (keep_groups=True) to forecast another",
        )
        effects = {group: sds for group, sds in self.effects.items() if group not in single}
        return self.replace(effects=effects), [*notes, note]

    def _with_only_response(self, runs: Runs) -> tuple[Spec, list[Note]]:

        def observed(column: str) -> bool:
            return column in runs.table and bool(runs.table[column].notna().any())

        # Another cross-entropy only: its law and priors would not be those of an accuracy.
        available = [r for r in responses() if COLUMNS[r].is_cross_entropy and observed(r)]
        own = self.response in available or not COLUMNS[self.response].is_cross_entropy
        if self.corpora or own or len(available) != 1:
            return self, []
        (response,) = available
        note = Note(
            "only-response",
            "info",
            f"{runs.name} has no {self.response}, the response of {self.name}; {response}, the "
            "only loss there, is fitted",
            "check that its unit is right",
        )
        return self.replace(response=response), [note]

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, values: Any) -> Any:
        return with_learnt_priors(with_equation(values))

    @model_validator(mode="after")
    def _coherent(self) -> Spec:
        check(self)
        return self
