"""Registry of benchmarks: chance level, number of questions and metric of each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, RootModel

from bayescale.base.errors import BayescaleError
from bayescale.base.toml import validated


class Benchmark(BaseModel):
    """What is known of a benchmark before any model is scored.

    Attributes
    ----------
    title, metric, source : str
    chance : float
        Expected score of blind guessing; 0 where answers are free text.
    questions : int
        Those that one score averages: its sampling noise.
    headers : tuple of str
        What tables call it, beside its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    chance: float = Field(ge=0, lt=1)
    questions: int = Field(ge=1)
    metric: str = "accuracy"
    headers: tuple[str, ...] = ()
    source: str = ""

    @property
    def chance_error(self) -> float:
        """Standard error of a score by guessing."""
        return float((self.chance * (1 - self.chance) / self.questions) ** 0.5)


class Registry(RootModel[dict[str, Benchmark]]):
    """Benchmarks by name."""


@cache
def shipped() -> dict[str, Benchmark]:
    """The benchmarks that bayescale knows, by name."""
    text = files("bayescale.data").joinpath("benchmarks.toml").read_text("utf-8")
    return validated(Registry, text, "benchmarks.toml").root


def known(card: Path | None = None) -> dict[str, Benchmark]:
    """The shipped benchmarks and those of a TOML file of the same form, which come first.

    Raises
    ------
    BayescaleError
        If the file cannot be read or breaks a rule.
    """
    if card is None:
        return shipped()
    try:
        text = card.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BayescaleError(f"{card}: not a readable text file: {error}") from error
    own = validated(Registry, text, card).root
    return own | {name: each for name, each in shipped().items() if name not in own}
