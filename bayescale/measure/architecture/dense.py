"""Kinds in which every token uses every weight: Llama and its kin, GPT-2, GPT-NeoX, Falcon."""

from __future__ import annotations

from functools import partial
from typing import Literal

from bayescale.measure.architecture.config import Config
from bayescale.measure.architecture.kind import Kind
from bayescale.measure.architecture.layers import (
    Layers,
    Weights,
    attention,
    gated,
    norms,
    stacked,
)


def _llama(
    config: Config,
    *,
    bias: Literal["stated", "qkv", "none"] = "stated",
    qk_norm: Literal["head", "all heads"] | None = None,
    norms_of_layer: int = 2,
    inner: int | None = None,
) -> Layers:
    """Grouped-query attention, a gated MLP, RMSNorm."""
    layer = (
        attention(config, bias=bias, qk_norm=qk_norm)
        + gated(config, inner or config.count("intermediate_size"), bias=config.flag("mlp_bias"))
        + norms(config, norms_of_layer)
    )
    return stacked(config, config.layers * layer)


def _qwen(config: Config) -> Layers:
    """Qwen of 2023: its config states twice the width of the gated MLP."""
    return _llama(config, bias="qkv", inner=config.count("intermediate_size") // 2)


def _gpt2(config: Config) -> Layers:
    layers, width = config.count("n_layer"), config.count("n_embd")
    inner = config.maybe("n_inner") or 4 * width
    layer = Weights(
        matrices=4 * width * width + 2 * width * inner,
        other=4 * width + 4 * width + inner + width,
    )
    return Layers(
        layers=layers,
        width=width,
        heads=config.count("n_head"),
        vocabulary=config.count("vocab_size"),
        query_width=width,
        value_width=width,
        weights=layers * layer + Weights(other=2 * width),
        positions=config.count("n_positions") * width,
    )


def _gpt_neox(config: Config) -> Layers:
    width, inner = config.width, config.count("intermediate_size")
    biases = inner + width + (4 * width if config.flag("attention_bias") else 0)
    layer = Weights(4 * width * width + 2 * width * inner, 4 * width + biases)
    return stacked(config, config.layers * layer + Weights(other=width))


def _falcon(config: Config) -> Layers:
    """One head of keys and values (7B), several in the new architecture (40B), or one a head."""
    width, heads = config.width, config.heads
    inner = config.maybe("ffn_hidden_size") or 4 * width
    new = config.flag("new_decoder_architecture")
    if new:
        kv_heads = config.maybe("num_kv_heads") or heads
    else:
        kv_heads = 1 if config.flag("multi_query") else heads
    stated = config.maybe("num_ln_in_parallel_attn")
    parallel = config.flag("parallel_attn")
    layer_norms = 1 if parallel and (stated or (2 if new else 1)) != 2 else 2
    qkv = width + 2 * kv_heads * (width // heads)
    biases = (qkv + width + inner + width) if config.flag("bias") else 0
    layer = Weights(
        matrices=width * qkv + width * width + 2 * width * inner,
        other=layer_norms * 2 * width + biases,
    )
    return stacked(config, config.layers * layer + Weights(other=width))


_TIED = {"tie_word_embeddings": True}

KINDS = {
    "llama": Kind(_llama),
    "mistral": Kind(partial(_llama, bias="none"), {"num_key_value_heads": 8}),
    "qwen": Kind(_qwen),
    "qwen2": Kind(partial(_llama, bias="qkv"), {"num_key_value_heads": 32}),
    "qwen3": Kind(partial(_llama, qk_norm="head"), {"num_key_value_heads": 32, "head_dim": 128}),
    "gemma": Kind(_llama, {"num_key_value_heads": 16, "head_dim": 256, **_TIED}),
    "gemma2": Kind(
        partial(_llama, norms_of_layer=4), {"num_key_value_heads": 4, "head_dim": 256, **_TIED}
    ),
    "gemma3_text": Kind(
        partial(_llama, norms_of_layer=4, qk_norm="head"),
        {"num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208, **_TIED},
    ),
    "olmo2": Kind(partial(_llama, qk_norm="all heads")),
    "olmo3": Kind(partial(_llama, qk_norm="all heads")),
    "phi3": Kind(partial(_llama, bias="none")),
    "smollm3": Kind(_llama, {"num_key_value_heads": 4, **_TIED}),
    "granite": Kind(_llama),
    "gpt2": Kind(_gpt2, {"n_positions": 1024, **_TIED}),
    "gpt_neox": Kind(_gpt_neox, {"attention_bias": True}),
    "falcon": Kind(_falcon, {"multi_query": True, "parallel_attn": True, **_TIED}),
}
