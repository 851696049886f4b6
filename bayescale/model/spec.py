"""Spec: what a file in `models/` says, checked against its law.

A spec names a law, the response, the noise, a prior for every parameter, and which parameters
vary by which group. Nothing is implied: a prior that is not written is an error, so the file
shows all that was assumed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
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
from bayescale.base.errors import LawError, SpecError
from bayescale.base.settings import DISCREPANCY, REFIT, Settings
from bayescale.laws import Law, find
from bayescale.laws.base import Support
from bayescale.model.discrepancy import process as discrepancy
from bayescale.model.noise import NOISES

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

# Corpora are columns of one run, so they are known in full: no draw for an unseen corpus.
GroupName = Literal["family", "tokenizer", "lab", "dataset", "run"]


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
            given = ", ".join(self.arguments) or "nothing"
            raise ValueError(f"{self.dist} takes {', '.join(expected)}, not {given}")
        for name, value in self.arguments.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise ValueError(f"{self.dist} {name}={value!r} is not a number")
            shape_free = self.support == "real" or self.dist == "LogNormal"
            if value <= 0 and not (name == "mu" and shape_free):
                raise ValueError(f"{self.dist} {name}={value:g} must be above 0")
        return self


def _known_noise(name: str) -> str:
    if name not in NOISES:
        raise ValueError(f"noise {name!r} is unknown; use one of {', '.join(NOISES)}")
    return name


class Noise(_Strict):
    """Observation noise around the curve, on the response or on its logarithm.

    `floor` is a standard deviation below which it cannot fall, added to `sigma` in squares.
    """

    on: Literal["response", "log"]
    dist: Annotated[str, AfterValidator(_known_noise)]
    floor: Annotated[float, Field(ge=0)] = 0.0

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
    response : str
        Column: `bpc` (bits per character), `bpb` (bits per byte) or `loss` (nats per token).
    corpora : tuple of str
        If given, the columns `{response}_{corpus}` are modelled jointly.
    params : {"total", "active"}
        Which N the law sees in a mixture of experts.
    noise : Noise
    priors : dict
        One for each parameter of the law and of the noise.
    effects : dict
        Group to parameter to the prior of the standard deviation between groups.
    discrepancy : dict
        Priors of what the law misses, by the names in `process.PARAMETERS`; empty
        where the law is taken to be exact.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    title: str
    law: Annotated[Law, BeforeValidator(_find_law), PlainSerializer(lambda law: law.name)]
    response: Literal["bpc", "bpb", "loss"]
    corpora: tuple[str, ...] = ()
    params: Literal["total", "active"]
    noise: Noise
    priors: dict[str, Prior]
    effects: dict[GroupName, dict[str, Prior]] = {}
    discrepancy: dict[str, Prior] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The response's columns in the table of runs."""
        return tuple(f"{self.response}_{c}" for c in self.corpora) or (self.response,)

    @property
    def groups(self) -> tuple[GroupName, ...]:
        """Every group that some parameter varies by."""
        return tuple(self.effects)

    @property
    def named_groups(self) -> tuple[GroupName, ...]:
        """The groups whose label a point can have: all but single runs."""
        return tuple(group for group in self.effects if group != "run")

    @property
    def collapses(self) -> bool:
        """True if runs alike in all but the response count as their mean, number and spread."""
        normal = self.noise.dist == "Normal"  # for Student's t nothing less than all is enough
        return normal and not (self.discrepancy or self.corpora or "run" in self.effects)

    @property
    def settings(self) -> Settings:
        """How to sample it, where nothing else is asked for."""
        return DISCREPANCY if self.discrepancy else Settings()

    @property
    def refit_settings(self) -> Settings:
        """How to sample it without some of its runs."""
        return DISCREPANCY if self.discrepancy else REFIT

    def all_priors(self) -> dict[str, Prior]:
        """Every prior by its name in the posterior, those of the spreads included."""
        spreads = {effect.sd_name: effect.sd for effect in self.effect_list()}
        missed = {discrepancy.PREFIX + name: prior for name, prior in self.discrepancy.items()}
        return self.priors | spreads | missed

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
            If the file cannot be read, or what it says does not hold together.
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
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{source}: not TOML: {error}") from error
        except LawError as error:
            raise LawError(f"{source}: {error}") from error
        except ValidationError as error:
            raise SpecError(f"{source}: {one_line(error)}") from error

    def to_toml(self) -> str:
        """The spec as a TOML file's text, which `parse` reads back."""
        return tomli_w.dumps(self.model_dump(exclude_none=True, exclude_defaults=True))

    def replace(
        self, *, response: str | None = None, groups: bool = True, discrepancy: bool = False
    ) -> Spec:
        """The same spec for another response, without its group effects, or with a discrepancy.

        The discrepancy is that of the shipped spec `forecast`.

        Raises
        ------
        SpecError
            If the spec does not allow it.
        """
        says: dict[str, Any] = self.model_dump() | {"law": self.law}
        if response is not None:
            says["response"] = response
        if not groups:
            says["effects"] = {}
        if discrepancy and not self.discrepancy:
            says["discrepancy"] = Spec.load("forecast").model_dump()["discrepancy"]
            says["name"] = f"{self.name}-discrepancy"
        try:
            return Spec.model_validate(says)
        except ValidationError as error:
            raise SpecError(f"{self.name}: {one_line(error)}") from error

    @model_validator(mode="after")
    def _coherent(self) -> Spec:
        law = self.law
        if self.noise.on == "log" and not law.positive:
            raise ValueError(f"noise on the log needs a positive law; {law.name} can cross zero")
        supports = {p.name: p.support for p in law.parameters}
        supports |= dict.fromkeys(self.noise.parameters, "positive")
        for name in supports.keys() - self.priors.keys():
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
        if not self.corpora and any(prior.by for prior in self.all_priors().values()):
            raise ValueError('a prior by = "corpus" needs corpora = [...]')
        if len(set(self.corpora)) < len(self.corpora):
            raise ValueError("corpora must differ")
        return self

    def _check_discrepancy(self) -> None:
        if not self.discrepancy:
            return
        for name in discrepancy.PARAMETERS.keys() ^ self.discrepancy.keys():
            known = ", ".join(discrepancy.PARAMETERS)
            raise ValueError(f"discrepancy {name}: give a prior for each of {known}, and no other")
        for name, (support, _) in discrepancy.PARAMETERS.items():
            _check_support(f"discrepancy {name}", self.discrepancy[name], support)
        if self.corpora:
            raise ValueError("a discrepancy of several corpora is not there; name one response")


def _check_support(name: str, prior: Prior, support: str) -> None:
    if prior.support != support:
        fitting = [dist for dist, (_, where) in DISTRIBUTIONS.items() if where == support]
        raise ValueError(f"{name} is {support}, {prior.dist} is not; use {', '.join(fitting)}")


def one_line(error: ValidationError) -> str:
    """The problems that pydantic found, on one line."""
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {said}" if where else said)
    return "; ".join(lines)
