"""Sweep plan: a grid of small language models to train, as a TOML file says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayescale.base import bundled
from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import human
from bayescale.base.toml import validated
from bayescale.runs.columns import COLUMNS


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Size(_Strict):
    """A Llama: layers, width, heads, and the peak learning rate that suits it.

    Its own `ratios`, tokens per parameter, take the place of the grid.
    """

    layers: int = Field(ge=1, le=1000)
    width: int = Field(ge=8, le=100_000)
    heads: int = Field(ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    ratios: list[Positive] = []

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Size:
        if self.width % (2 * self.heads):  # rotary positions turn pairs of a head's dimensions
            raise ValueError(
                f"width={self.width} with heads={self.heads}: must be a multiple of 2 x heads"
            )
        return self

    @property
    def inner(self) -> int:
        """Width of the gated MLP: 8/3 of the model's, in eights."""
        return -(-8 * self.width // 3 // 8) * 8

    def params(self, vocabulary: int) -> int:
        """All parameters; the embedding, which is tied to the output, counts once."""
        block = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return vocabulary * self.width + self.layers * block + self.width


class Grid(_Strict):
    """How long each size trains: tokens per parameter, or FLOP (6ND) that sizes share."""

    kind: Literal["tokens-per-parameter", "isoflop"]
    ratios: list[Positive] = []
    flops: list[Positive] = []

    @model_validator(mode="after")
    def _its_own_list(self) -> Grid:
        needed, excluded = "ratios", "flops"
        if self.kind == "isoflop":
            needed, excluded = excluded, needed
        if not getattr(self, needed) or getattr(self, excluded):
            raise ValueError(f"kind={self.kind!r} takes {needed}, one or more, and no {excluded}")
        return self

    def tokens(self, params: int) -> list[float]:
        """Training tokens of a model of so many parameters."""
        if self.kind == "isoflop":
            return [flops / (6 * params) for flops in self.flops]
        return [ratio * params for ratio in self.ratios]


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a sweep; its tokens are whole steps."""

    name: str
    size: Size
    vocabulary: int
    params: int
    steps: int
    tokens: int
    epochs: float


class SweepPlan(_Strict):
    """What a file in `models/sweeps/` says.

    Attributes
    ----------
    name, title : str
    seed : int
        Of weights, the order of text, and which documents are held out.
    text : list of str
        Files and patterns such as `corpus/**/*.txt`, from the folder that one works in; `{stdlib}`
        is the folder of the Python standard library's sources.
    held_out : float
        Share of the documents that no model trains on.
    held_out_characters : int
        The most that is scored of them.
    vocabularies : list of int
        One byte-level BPE tokenizer is trained for each.
    epochs : list of float
        Passes over the text that a run trains on: with 4, a quarter as much text.
    sequence, batch : int
        Tokens of a sequence, sequences of a step.
    warmup : float
        Share of a run's steps in which the learning rate rises; a cosine to a tenth follows.
    weight_decay : float
    checkpoint_steps : int
        A run that was killed goes on from its last checkpoint.
    threads : int
        Of the CPU. More than one pays for wide models on an idle machine; small ones wait for each
        other's threads, on a busy machine many times as long as they compute.
    keep_models : bool
        Save each trained model with its tokenizer.
    sizes : list of Size
    grid : Grid
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    title: str
    seed: int = Field(0, ge=0)
    text: list[str] = Field(min_length=1)
    held_out: float = Field(0.05, gt=0, le=0.5)
    held_out_characters: int = Field(200_000, ge=1000)
    vocabularies: list[Annotated[int, Field(ge=257, le=65_536)]] = Field(min_length=1)
    epochs: list[Annotated[float, Field(ge=1, le=1000)]] = [1.0]
    sequence: int = Field(128, ge=8, le=1_000_000)
    batch: int = Field(8, ge=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0, lt=1)
    checkpoint_steps: int = Field(500, ge=1)
    threads: int = Field(1, ge=1)
    keep_models: bool = False
    sizes: list[Size] = Field(min_length=1)
    grid: Grid

    @classmethod
    def load(cls, source: str | Path) -> SweepPlan:
        """Read a plan: a shipped one by name, or a TOML file by its path.

        Raises
        ------
        BayescaleError
            If the file cannot be read or breaks a rule.
        """
        plan = validated(cls, bundled.read_input("sweeps", source), source)
        try:
            plan.runs()
        except BayescaleError as error:
            raise BayescaleError(f"{source}: {error}") from error
        return plan

    def runs(self) -> list[PlannedRun]:
        """Every run of the grid, cheapest first."""
        by_name: dict[str, PlannedRun] = {}
        for vocabulary in self.vocabularies:
            for size in self.sizes:
                params = size.params(vocabulary)
                own = [ratio * params for ratio in size.ratios]
                for tokens in own or self.grid.tokens(params):
                    for epochs in self.epochs:
                        run = self._run(size, vocabulary, params, tokens, epochs)
                        if run.name in by_name:
                            raise BayescaleError(
                                f"two runs are {run.name}: sizes, ratios, flops, vocabularies and "
                                "epochs must each be listed once"
                            )
                        by_name[run.name] = run
        return sorted(by_name.values(), key=lambda run: run.params * run.tokens)

    def _run(
        self, size: Size, vocabulary: int, params: int, tokens: float, epochs: float
    ) -> PlannedRun:
        step = self.sequence * self.batch
        steps = max(1, round(tokens / step))
        name = (
            f"{self.name}-v{vocabulary}-l{size.layers}-w{size.width}-h{size.heads}-s{steps}"
            f"-e{epochs:g}"
        )
        trained = steps * step
        cells = {
            "params": params,
            "tokens": trained,
            "unique_tokens": trained / epochs,
            "flops": 6 * params * trained,
        }
        for cell, value in cells.items():  # a table of runs would not take its row
            column = COLUMNS[cell]
            if value < column.low:
                raise BayescaleError(
                    f"{name}: {cell}={human(value)}: a run needs {human(column.low)} "
                    f"{column.unit} or more"
                )
        return PlannedRun(
            name=name,
            size=size,
            vocabulary=vocabulary,
            params=params,
            steps=steps,
            tokens=trained,
            epochs=epochs,
        )
