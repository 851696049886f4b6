"""Parts of a spec: priors, observation noise, group effects, inputs and equations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bayescale.base.text import control_character
from bayescale.laws.base import Support
from bayescale.model.noise import NOISES
from bayescale.runs.column import Column
from bayescale.runs.columns import groups, responses

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


def _is_dim(name: str) -> str:
    return name if name == "corpus" else _is_group(name)


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


class Strict(BaseModel):
    """A table of a spec: frozen, and with no key that it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, validate_by_name=True
    )


class Prior(Strict):
    """A distribution of PyMC by its name and arguments.

    `by = "corpus"` gives one parameter per corpus, and `by = "dataset"`, or another group, one per
    label, each with this prior by itself.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    dist: str
    by: Annotated[str, AfterValidator(_is_dim)] | None = None

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


class Noise(Strict):
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


class Effect(Strict):
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


class Input(Strict):
    """An input that a spec declares: a column of the table that its law takes in.

    Attributes
    ----------
    unit : str
    scale : {"log", "logit", "linear"}
        On which differences count.
    low, high : float
        Plausible range, in the unit; outside it a value is refused.
    example : str
        A value as people write it.
    """

    unit: Printable
    scale: Literal["log", "logit", "linear"] = "log"
    low: float = float("-inf")
    high: float = float("inf")
    example: Printable = ""

    def column(self, name: str) -> Column:
        """The column of this name."""
        low = max(self.low, 1e-300) if self.scale == "log" else self.low
        return Column(
            name, "input", name, self.unit, low, self.high, self.scale, example=self.example
        )

    @model_validator(mode="after")
    def _ordered(self) -> Input:
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} is not below high={self.high:g}")
        if self.scale == "logit" and not 0 <= self.low < self.high <= 1:
            raise ValueError("scale logit: low and high lie from 0 to 1")
        return self


# Of a law as an equation, where the spec says nothing of it: on the logarithm, heavy-tailed.
USUAL_NOISE = {"noise": {"on": "log", "dist": "StudentT"}}
USUAL_NOISE_PRIORS = {
    "sigma": {"dist": "LogNormal", "mu": -5.0, "sigma": 1.0},  # 0.1 to 3.5 % of the response
    "nu": {"dist": "LogNormal", "mu": 2.0, "sigma": 0.6},  # 2.8 to 20
}


class Equation(Strict):
    """A law as a spec writes it."""

    equation: Printable
    where: dict[str, Printable] | None = None
    title: Printable | None = None
    source: Printable | None = None
