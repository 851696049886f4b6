"""Columns: the registry of what a table of runs can say, each declared once.

Inputs, responses and groups are the entries of `COLUMNS`; specs, checks, folds, points and axes
read them there. To add one, add an entry.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np

Kind = Literal["input", "response", "group", "auxiliary"]
Scale = Literal["log", "logit", "linear"]

_SHARE = "share"  # the unit of what lies between 0 and 1


@dataclass(frozen=True)
class Column:
    """A canonical column of a table of runs.

    Attributes
    ----------
    name : str
    kind : {"input", "response", "group", "auxiliary"}
        What a law takes in, what it predicts, what its parameters vary by, or a number that is
        checked and kept.
    label : str
        For axes, without the unit.
    unit : str
        Empty for a group.
    low, high : float
        Plausible range, in the unit; outside it a value is a slip.
    scale : {"log", "logit", "linear"}
        On which differences count.
    better : {"lower", "higher"} or None
        The better direction of a response.
    example : str
        A value as people write it.
    headers : tuple of str
        What others call the column; compared without case and punctuation.
    """

    name: str
    kind: Kind
    label: str
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    scale: Scale = "linear"
    better: Literal["lower", "higher"] | None = None
    example: str = ""
    headers: tuple[str, ...] = ()

    @property
    def axis(self) -> str:
        """Label of an axis, with the unit where the label does not say it."""
        return self.label if self.unit in self.label else f"{self.label} ({self.unit})"

    def scaled(self, value: Any) -> Any:
        """A value on the column's scale: its logarithm, its logit, or itself."""
        match self.scale:
            case "log":
                return np.log(value)
            case "logit":
                return np.log(value) - np.log1p(-value)
            case "linear":
                return value

    def unscaled(self, value: Any, xp: Any = np) -> Any:
        """The inverse of `scaled`, for any module's functions."""
        match self.scale:
            case "log":
                return xp.exp(value)
            case "logit":
                return 1 / (1 + xp.exp(-value))
            case "linear":
                return value

    @property
    def middle(self) -> float:
        """A value in the middle of the plausible range, on the column's scale; 1 where it has no
        ends."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return 1.0
        if self.scale == "log" and self.low > 0:
            return math.sqrt(self.low) * math.sqrt(self.high)
        return (self.low + self.high) / 2

    def rule(self, value: float) -> str | None:
        """The rule that a value breaks, with its hint; None if the value is plausible."""
        if self.low <= value <= self.high:
            return None
        value, text = float(value), f"expected {self.low:g} to {self.high:g} {self.unit}"
        if self.unit == _SHARE and 2 <= value <= 100:
            return f"{text}; if it counts per cent, write {value / 100:g}"
        scaled = [f"{value:g}{e}" for e in ("e9", "e12") if self.low <= value * float("1" + e)]
        if self.low >= 1e4 and 0 < value < 1e4 and scaled:
            text += f"; if it counts billions or trillions, write {' or '.join(scaled)}"
        return text

    def target_rule(self, target: float) -> str | None:
        """The rule that a response to reach breaks; None where it can be asked for."""
        finite = math.isfinite(target)
        match self.scale:
            case "log":
                return None if finite and target > 0 else "must be a positive number"
            case "logit":
                return self.rule(target)
            case "linear":
                return None if finite else "must be a finite number"

    def impossible(self, response: Any) -> Any:
        """Whether no such response can be: at or below 0, or outside 0 to 1, by the scale."""
        match self.scale:
            case "log":
                return response <= 0
            case "logit":
                return (response < 0) | (response > 1)
            case "linear":
                return response != response  # noqa: PLR0124

    @property
    def is_cross_entropy(self) -> bool:
        """True for a loss in nats or bits, what laws of language models are of."""
        return self.unit.startswith(("nats", "bits"))

    @property
    def beyond(self) -> str:
        """In words, where `impossible` responses are."""
        return "outside 0 to 1" if self.scale == "logit" else "at or below 0"

    @property
    def worse(self) -> str:
        """The other direction of a response than the better one."""
        return "lower" if self.better == "higher" else "higher"

    def as_loss(self, response: Any) -> Any:
        """What is to be made small: a response, or its negative where higher is better.

        The way back is the same.
        """
        return -response if self.better == "higher" else response

    def reached(self, response: Any, target: float) -> Any:
        """Whether responses are at a target or better."""
        return response >= target if self.better == "higher" else response <= target

    def best(self, responses: Any) -> float:
        """The best of some responses."""
        return float(responses.max() if self.better == "higher" else responses.min())


class _Count(TypedDict):
    unit: str
    low: float
    high: float
    scale: Scale


_PARAMS = _Count(unit="parameters", low=1e4, high=1e14, scale="log")
_TOKENS = _Count(unit="tokens", low=1e5, high=1e17, scale="log")
_DECLARED = (
    # A run is the group of its own corpora: one effect that all responses of a model share.
    Column("run", "group", "run", headers=("model", "name", "run_name", "model_name")),
    Column("family", "group", "family", headers=("model_family", "series", "suite")),
    Column("tokenizer", "group", "tokenizer", headers=("tokeniser",)),
    Column("lab", "group", "lab", headers=("organization", "organisation", "developer")),
    Column("dataset", "group", "data set", headers=("corpus", "training_data")),
    Column(
        name="params",
        kind="input",
        label="parameters",
        **_PARAMS,
        example="7e9",
        headers=("N", "n_params", "num_params", "num_parameters", "model_size"),
    ),
    Column(
        name="params_active",
        kind="input",
        label="active parameters",
        **_PARAMS,
        example="7e9",
        headers=("active_params", "n_active", "active_parameters"),
    ),
    Column(
        name="tokens",
        kind="input",
        label="training tokens",
        **_TOKENS,
        example="2e12",
        headers=("D", "n_tokens", "num_tokens", "train_tokens", "training_tokens", "tokens_seen"),
    ),
    Column(
        name="unique_tokens",
        kind="input",
        label="unique tokens",
        **_TOKENS,
        example="2e11",
        headers=("U", "n_unique_tokens", "num_unique_tokens", "tokens_unique"),
    ),
    Column(
        name="experts",
        kind="input",
        label="experts",
        unit="experts a layer",
        low=1,
        high=1e5,
        scale="log",
        example="64",
        headers=("num_experts", "n_experts"),
    ),
    Column(
        name="lr",
        kind="input",
        label="peak learning rate",
        unit="of the optimiser",
        low=1e-8,
        high=10,
        scale="log",
        example="3e-4",
        headers=("learning_rate", "peak_lr", "max_lr"),
    ),
    Column(
        name="batch",
        kind="input",
        label="batch",
        unit="sequences or tokens a step",
        low=1,
        high=1e9,
        scale="log",
        example="512",
        headers=("batch_size", "global_batch_size", "bsz"),
    ),
    Column(
        name="vocab",
        kind="input",
        label="vocabulary",
        unit="entries",
        low=2,
        high=1e8,
        scale="log",
        example="32768",
        headers=("vocab_size", "vocabulary"),
    ),
    Column(
        name="characters",
        kind="input",
        label="training characters",
        unit="characters",
        low=1e5,
        high=1e18,
        scale="log",
        example="4e12",
        headers=("num_characters", "n_characters"),
    ),
    Column(
        name="streams",
        kind="input",
        label="parallel streams",
        unit="streams",
        low=1,
        high=1e4,
        scale="log",
        example="4",
    ),
    Column(
        name="width",
        kind="input",
        label="width",
        unit="hidden units",
        low=1,
        high=1e7,
        scale="log",
        example="4096",
        headers=("d_model", "hidden_size", "n_embd"),
    ),
    Column(
        name="depth",
        kind="input",
        label="depth",
        unit="layers",
        low=1,
        high=1e5,
        scale="log",
        example="32",
        headers=("n_layers", "num_layers", "num_hidden_layers", "n_layer"),
    ),
    Column("tokens_low", "auxiliary", "training tokens, lower end", **_TOKENS, example="1e12"),
    Column("tokens_high", "auxiliary", "training tokens, upper end", **_TOKENS, example="2e13"),
    Column(
        name="epochs",
        kind="auxiliary",
        label="epochs",
        unit="passes over the data",
        low=1e-6,
        high=1e4,
        scale="log",
        example="4",
        headers=("n_epochs", "num_epochs", "num_train_epochs"),
    ),
    Column(
        name="flops",
        kind="auxiliary",
        label="training compute",
        unit="FLOP",
        low=1e10,
        high=1e32,
        scale="log",
        example="6e23",
        headers=("C", "compute", "train_flops", "training_flops", "total_flops", "total_flos"),
    ),
    Column(
        name="loss",
        kind="response",
        label="loss",
        unit="nats per token",
        low=1e-3,
        high=20,
        scale="log",
        better="lower",
        example="2.31",
        headers=("val_loss", "eval_loss", "test_loss", "validation_loss", "final_loss"),
    ),
    Column(
        name="relative_loss",
        kind="response",
        label="loss less a reference's",
        unit="nats per token",
        low=-20,
        high=20,
        better="lower",
        example="-1.25",
        headers=("loss_unigram_normalised", "loss_difference"),
    ),
    Column(
        name="bpc",
        kind="response",
        label="bpc",
        unit="bits per character",
        low=1e-3,
        high=8,
        scale="log",
        better="lower",
        example="0.55",
        headers=("bits_per_character", "bits_per_char"),
    ),
    Column(
        name="bpb",
        kind="response",
        label="bpb",
        unit="bits per byte",
        low=1e-3,
        high=8,
        scale="log",
        better="lower",
        example="0.72",
        headers=("bits_per_byte",),
    ),
    Column(
        name="perplexity",
        kind="response",
        label="perplexity",
        unit="per token",
        low=1,
        high=1e6,
        scale="log",
        better="lower",
        example="12.4",
        headers=("ppl", "val_perplexity", "eval_perplexity", "val_ppl", "eval_ppl"),
    ),
    Column(
        name="error",
        kind="response",
        label="error",
        unit=_SHARE,
        low=0,
        high=1,
        scale="logit",
        better="lower",
        example="0.31",
        headers=("error_rate", "err", "top1_error"),
    ),
    Column(
        name="accuracy",
        kind="response",
        label="accuracy",
        unit=_SHARE,
        low=0,
        high=1,
        scale="logit",
        better="higher",
        example="0.69",
        headers=("acc", "acc_norm", "val_accuracy", "eval_accuracy", "exact_match"),
    ),
    Column(
        name="score",
        kind="response",
        label="score",
        unit="points",
        low=-1e9,
        high=1e9,
        better="higher",
        example="61.5",
        headers=("benchmark_score", "downstream_score"),
    ),
    Column(
        name="reward",
        kind="response",
        label="reward",
        unit="reward",
        low=-1e9,
        high=1e9,
        better="higher",
        example="-0.4",
        headers=("mean_reward", "reward_score"),
    ),
)
COLUMNS: dict[str, Column] = {column.name: column for column in _DECLARED}


def of_kind(*kinds: Kind) -> tuple[str, ...]:
    """Names of the columns of these kinds, in the order in which they were declared."""
    return tuple(name for name, column in COLUMNS.items() if column.kind in kinds)


def groups() -> tuple[str, ...]:
    """The groups, `run` among them; their cells are text."""
    return of_kind("group")


def responses() -> tuple[str, ...]:
    """What a law can predict."""
    return of_kind("response")


def numeric() -> tuple[str, ...]:
    """The columns of numbers."""
    return of_kind("input", "auxiliary", "response")


def named_otherwise(name: str, headers: Iterable[str]) -> str | None:
    """The one of these headers that seems to mean a column, though it is not called so."""
    known = {_plain(header) for header in (name, *COLUMNS[name].headers)}
    return next((header for header in headers if _plain(header) in known), None)


def _plain(header: str) -> str:
    return re.sub(r"[\W_]+", "", header).lower()
