"""Columns: the registry of what a table of runs can say, each declared once.

Inputs, responses and groups are the entries of `COLUMNS`; specs, checks, folds, points and axes
read them there. To add one, add an entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypedDict

from bayescale.runs.column import SHARE, Column, Kind, Scale


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
    Column("architecture", "group", "architecture"),
    # One trained model, which several rows score on different texts.
    Column("checkpoint", "group", "checkpoint"),
    Column("round", "group", "round of evaluation", headers=("eval_round", "eval_set")),
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
        unit=SHARE,
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
        unit=SHARE,
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
