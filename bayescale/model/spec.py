"""Spec: what a file in `models/` says, checked against its law.

A spec names a law, the response, the noise, a prior for every parameter, and which parameters
vary by which group. Nothing is implied: a prior that is not written is an error, so the file
shows all that was assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError, LawError, SpecError
from bayescale.base.notes import Note
from bayescale.base.settings import DISCREPANCY, REFIT, REFIT_DISCREPANCY, USUAL, Settings
from bayescale.base.text import control_character
from bayescale.base.toml import one_line, validated
from bayescale.laws import Law, find
from bayescale.laws.base import Support
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.noise import NOISES
from bayescale.runs.columns import COLUMNS, groups, responses
from bayescale.runs.table import Runs

# Name in PyMC -> its arguments and where it puts its mass.
DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], Support]] = {
    "Normal": (("mu", "sigma"), "real"),
    "StudentT": (("nu", "mu", "sigma"), "real"),
    "LogNormal": (("mu", "sigma"), "positive"),
    "HalfNormal": (("sigma",), "positive"),
    "HalfStudentT": (("nu", "sigma"), "positive"),
    "Exponential": (("lam",), "positive"),
    "Gamma": (("alpha", "beta"), "positive"),
    "InverseGamma": (("alpha", "beta"), "positive"),
    "Beta": (("alpha", "beta"), "unit"),
}

# Beyond these a prior says nothing that a sampler can follow in double precision.
_LEAST, _MOST = 1e-6, 1e6
_LOG_MOST = 50.0  # of a LogNormal, whose arguments are logarithms
_PRINTABLE = 1e300  # a larger integer is no float


def _is_group(name: str) -> str:
    if name not in groups():
        raise ValueError(f"no group is called {name!r}; use one of {', '.join(groups())}")
    return name


def _is_response(name: str) -> str:
    if name not in responses():
        raise ValueError(f"no response is called {name!r}; use one of {', '.join(responses())}")
    return name


def _is_printable(text: str) -> str:
    mark = control_character(text)
    if mark is not None:
        raise ValueError(f"holds a control character ({mark}); write it without")
    return text


# Both read `bayescale.runs.columns`. Corpora are no group: they are columns of one run, so they
# are known in full, and no corpus is drawn anew.
GroupName = Annotated[str, AfterValidator(_is_group)]
Response = Annotated[str, AfterValidator(_is_response)]
Printable = Annotated[str, AfterValidator(_is_printable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Prior(_Strict):
    """A distribution of PyMC by its name and arguments; `by = "corpus"` gives one per corpus."""

    model_config = ConfigDict(extra="allow", frozen=True)

    dist: str
    by: Literal["corpus"] | None = None

    @property
    def arguments(self) -> dict[str, float]:
        """Arguments of the distribution, by PyMC's names."""
        return dict(self.model_extra or {})

    @property
    def support(self) -> Support:
        """Where the distribution puts its mass."""
        return DISTRIBUTIONS[self.dist][1]

    def __str__(self) -> str:
        inside = ", ".join(f"{k} = {v:g}" for k, v in self.arguments.items())
        return f"{self.dist}({inside})" + (f" for each {self.by}" if self.by else "")

    @model_validator(mode="after")
    def _known(self) -> Prior:
        if self.dist not in DISTRIBUTIONS:
            raise ValueError(
                f"dist {self.dist!r} is unknown; use one of {', '.join(DISTRIBUTIONS)}"
            )
        expected = DISTRIBUTIONS[self.dist][0]
        if set(self.arguments) != set(expected):
            stated = ", ".join(self.arguments) or "nothing"
            raise ValueError(f"{self.dist} takes {', '.join(expected)}, not {stated}")
        for name, value in self.arguments.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise ValueError(f"{self.dist} {name}={value!r} is not a number")
            low, high = self._bounds(name)
            if not low <= value <= high:
                rule = f"must lie from {low:g} to {high:g}"
                if value <= 0 < low:
                    rule = "must be above 0"
                huge = isinstance(value, int) and abs(value) > _PRINTABLE
                number = "huge" if huge else f"{value:g}"
                raise ValueError(f"{self.dist} {name}={number} {rule}")
        return self

    def _bounds(self, argument: str) -> tuple[float, float]:
        most = _LOG_MOST if self.dist == "LogNormal" else _MOST
        return (-most, most) if argument == "mu" else (_LEAST, most)


def _known_noise(name: str) -> str:
    if name not in NOISES:
        raise ValueError(f"noise {name!r} is unknown; use one of {', '.join(NOISES)}")
    return name


class Noise(_Strict):
    """Observation noise around the curve, on the response, its logarithm or its logit.

    Attributes
    ----------
    on : {"response", "log", "logit"}
        In the response's unit, as a share of the response, or as a share of its odds.
    dist : {"Normal", "StudentT"}
        Student's t has heavier tails and the parameter `nu`, its degrees of freedom.
    floor : float
        A standard deviation below which the noise cannot fall; its square is added to that of
        `sigma`.
    """

    on: Literal["response", "log", "logit"]
    dist: Annotated[str, AfterValidator(_known_noise)]
    floor: Annotated[float, Field(ge=0, le=20)] = 0.0

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the noise's own parameters."""
        return NOISES[self.dist].parameters


class Effect(_Strict):
    """A random effect: `parameter` varies by `group`, with a prior on the standard deviation."""

    parameter: str
    group: GroupName
    sd: Prior

    @property
    def name(self) -> str:
        """Name in the posterior, with the group as a dim."""
        return f"{self.parameter}_{self.group}"

    @property
    def sd_name(self) -> str:
        """Name in the posterior of the standard deviation between groups."""
        return f"{self.name}_sd"


def _find_law(name: object) -> Law:
    return name if isinstance(name, Law) else find(str(name))


class Spec(_Strict):
    """A model's description.

    Attributes
    ----------
    name, title : str
    law : Law
        Given by its name, as `bayescale.laws.find` knows it.
    law_of : {"response", "odds"}
        What the law gives: the response, or its odds of a miss, which fall as an accuracy rises
        from floor to ceiling; see `bayescale.model.odds`.
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
        Priors of the model discrepancy, by the names in `process.PARAMETERS`; empty where the
        law is taken to be exact.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=100)]
    title: Printable
    law: Annotated[Law, BeforeValidator(_find_law), PlainSerializer(lambda law: law.name)]
    law_of: Literal["response", "odds"] = "response"
    response: Response
    corpora: tuple[Printable, ...] = ()
    params: Literal["total", "active"]
    noise: Noise
    bounds: tuple[float, float] | None = None
    priors: dict[str, Prior]
    effects: dict[GroupName, dict[str, Prior]] = {}
    discrepancy: dict[str, Prior] = {}

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
        odds = self.law_of == "odds"
        return (
            re.sub("^y = ", "odds of a miss = ", self.law.equation) if odds else self.law.equation
        )

    @property
    def is_bounded(self) -> bool:
        """True if its law or its noise takes the response to lie between a floor and a ceiling."""
        return self.law_of == "odds" or self.noise.on == "logit"

    @property
    def groups(self) -> tuple[GroupName, ...]:
        """Every group that some parameter varies by."""
        return tuple(self.effects)

    @property
    def named_groups(self) -> tuple[GroupName, ...]:
        """The groups whose label a point can have, such as its family: all but `run`.

        A point is no run of the data, so its run effect is always drawn anew.
        """
        return tuple(group for group in self.effects if group != "run")

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
        return tomli_w.dumps(self.model_dump(exclude_none=True, exclude_defaults=True))

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
        values: dict[str, Any] = {**self.model_dump(), "law": self.law, **fields}
        if response is not None:
            values["response"] = response
        if not groups:
            values["effects"] = {}
        if priors is not None:
            values["priors"] = {**values["priors"], **priors}
        if discrepancy and not values["discrepancy"]:
            values["discrepancy"] = Spec.load("forecast").model_dump()["discrepancy"]
            values["name"] = f"{values['name']}-discrepancy"
        try:
            return Spec.model_validate(values)
        except ValidationError as error:
            raise SpecError(f"{self.name}: {one_line(error)}") from error

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
            for group in self.named_groups
            if group in runs.table and runs.table[group].nunique(dropna=False) == 1
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

    @model_validator(mode="after")
    def _coherent(self) -> Spec:
        law = self.law
        if self.noise.on == "log" and not law.positive:
            raise ValueError(f"noise on the log needs a positive law; {law.name} can cross zero")
        self._check_bounds()
        supports = {p.name: p.support for p in law.parameters}
        supports |= dict.fromkeys(self.noise.parameters, "positive")
        for name in supports:
            if name not in self.priors:
                raise ValueError(f"no prior for {name}; add it under [priors]")
        for name, prior in self.priors.items():
            if name not in supports:
                known = ", ".join(supports)
                raise ValueError(f"prior for {name!r}, which is no parameter; there are {known}")
            _check_support(name, prior, supports[name])
        for effect in self.effect_list():
            if effect.parameter not in {p.name for p in law.parameters}:
                known = ", ".join(p.name for p in law.parameters)
                raise ValueError(
                    f"effect of {effect.group} on {effect.parameter!r}, "
                    f"which is no parameter of {law.name}; there are {known}"
                )
            _check_support(effect.sd_name, effect.sd, "positive")
        self._check_discrepancy()
        by_corpus = [name for name, prior in self.all_priors().items() if prior.by]
        if by_corpus and not self.corpora:
            raise ValueError(f'the prior of {by_corpus[0]} by = "corpus" needs corpora = [...]')
        if len(set(self.corpora)) < len(self.corpora):
            raise ValueError(f"corpora {', '.join(self.corpora)}: one is named twice")
        return self

    def _check_bounds(self) -> None:
        users = {"noise on the logit": self.noise.on == "logit", "the odds": self.law_of == "odds"}
        used = [name for name, uses in users.items() if uses]
        if self.law_of == "odds" and not self.law.positive:
            raise ValueError(f"the odds need a positive law; {self.law.name} can cross zero")
        if self.bounds is None:
            if used and COLUMNS[self.response].scale != "logit":
                raise ValueError(f"{used[0]} of {self.response}: give bounds = [FLOOR, CEILING]")
            return
        low, high = self.bounds
        if not used:
            raise ValueError(f"bounds are for {' or '.join(users)}; leave them out")
        if not (low < high and isfinite(high - low)):
            raise ValueError(f"bounds = [{low:g}, {high:g}]: the floor must be below the ceiling")

    def _check_discrepancy(self) -> None:
        if not self.discrepancy:
            return
        if self.noise.on == "response" and COLUMNS[self.response].low < 0:
            raise ValueError(
                f"discrepancy: with noise on the response it is a share of it, and {self.response} "
                "can be negative; leave it out"
            )
        for name in discrepancy.PARAMETERS.keys() ^ self.discrepancy.keys():
            known = ", ".join(discrepancy.PARAMETERS)
            raise ValueError(f"discrepancy {name}: give a prior for each of {known}, and no other")
        for name, (support, _) in discrepancy.PARAMETERS.items():
            _check_support(f"discrepancy {name}", self.discrepancy[name], support)
        if self.corpora:
            raise ValueError("discrepancy: there is none of several corpora; leave out one")


def _check_support(name: str, prior: Prior, support: str) -> None:
    if prior.support != support:
        fitting = [dist for dist, (_, where) in DISTRIBUTIONS.items() if where == support]
        raise ValueError(f"{name} is {support}, {prior.dist} is not; use {', '.join(fitting)}")
