"""Mixtures of experts: a router chooses, for each token, some of a layer's MLPs."""

from __future__ import annotations

from functools import partial
from typing import Literal

from bayescale.measure.architecture.config import Config
from bayescale.measure.architecture.kind import Kind
from bayescale.measure.architecture.layers import (
    Layers,
    Weights,
    attention,
    experts,
    gated,
    norms,
    stacked,
)


def _mixtral(
    config: Config,
    *,
    bias: Literal["stated", "none"] = "stated",
    qk_norm: Literal["all heads"] | None = None,
) -> Layers:
    """Llama with a mixture in every layer."""
    layer = (
        attention(config, bias=bias, qk_norm=qk_norm)
        + experts(
            config,
            gated(config, config.count("intermediate_size")),
            config.count("num_local_experts", "num_experts"),
        )
        + norms(config, 2)
    )
    return stacked(config, config.layers * layer)


def _qwen_moe(config: Config, *, qk_norm: Literal["head"] | None = None) -> Layers:
    """Qwen-MoE: a mixture in every so many layers, with a gated shared expert until Qwen 3."""
    layers = config.layers
    count = config.amount("num_experts") or config.amount("num_local_experts")
    step, dense = config.count("decoder_sparse_step"), config.indices("mlp_only_layers") or []
    sparse = sum(
        layer not in dense and count > 0 and (layer + 1) % step == 0 for layer in range(layers)
    )
    mixture = Weights()
    if sparse:
        mixture = experts(config, gated(config, config.count("moe_intermediate_size")), count)
    if qk_norm is None:  # Qwen 2
        shared = config.amount("shared_expert_intermediate_size")
        mixture += gated(config, shared) + Weights(config.width)
    bias: Literal["qkv", "stated", "none"] = "stated"
    if qk_norm is None:
        bias = "qkv" if config.flag("qkv_bias") else "none"
    return stacked(
        config,
        layers * (attention(config, bias=bias, qk_norm=qk_norm) + norms(config, 2))
        + sparse * mixture
        + (layers - sparse) * gated(config, config.count("intermediate_size")),
    )


def _gpt_oss(config: Config) -> Layers:
    """Biases everywhere, experts and router too, and a learnt sink of each head."""
    inner = config.count("intermediate_size")
    layer = (
        attention(config)
        + Weights(other=config.heads)
        + experts(
            config,
            gated(config, inner, bias=True),
            config.count("num_local_experts"),
            router_bias=True,
        )
        + norms(config, 2)
    )
    return stacked(config, config.layers * layer)


def _llama4(config: Config) -> Layers:
    """A mixture and a shared expert in every so many layers; norms of queries have no weights."""
    layers, inner = config.layers, config.count("intermediate_size")
    step = config.count("interleave_moe_layer_step")
    stated = config.indices("moe_layers")
    sparse = layers // step if stated is None else len(set(stated) & set(range(layers)))
    mixture = experts(config, gated(config, inner), config.count("num_local_experts"))
    return stacked(
        config,
        layers * (attention(config) + norms(config, 2))
        + sparse * (mixture + gated(config, inner))
        + (layers - sparse) * gated(config, config.count("intermediate_size_mlp")),
    )


def _deepseek(config: Config, *, version: Literal[2, 3]) -> Layers:
    """Latent attention (arXiv 2405.04434), dense layers first, then routed and shared experts.

    V3 (arXiv 2412.19437) corrects its router by a bias for each expert, learnt though not by
    gradients: it counts. Modules that predict further tokens do not, as in the published count.
    """
    layers, width, heads = config.layers, config.width, config.heads
    rope, nope, value = (
        config.count(name) for name in ("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    )
    kv_rank, q_rank = config.count("kv_lora_rank"), config.maybe("q_lora_rank")
    queries = heads * (nope + rope)
    to_queries = width * queries if q_rank is None else q_rank * (width + queries)
    to_values = width * (kv_rank + rope) + kv_rank * heads * (nope + value)
    biases = (q_rank or 0) + kv_rank + rope + width if config.flag("attention_bias") else 0
    latent = Weights(
        matrices=to_queries + to_values + heads * value * width,
        other=kv_rank + (q_rank or 0) + biases,
    )
    expert = config.count("moe_intermediate_size")
    shared = config.amount("n_shared_experts") * expert
    dense = min(config.amount("first_k_dense_replace"), layers)
    bias = version == 2 and config.flag("mlp_bias")
    mixture = experts(
        config,
        gated(config, expert),
        config.count("n_routed_experts"),
        router_bias=version == 3,
    )
    mixture += gated(config, shared, bias=bias)
    return Layers(
        layers=layers,
        width=width,
        heads=heads,
        vocabulary=config.count("vocab_size"),
        query_width=queries,
        value_width=heads * value,
        weights=layers * (latent + norms(config, 2))
        + dense * gated(config, config.count("intermediate_size"), bias=bias)
        + (layers - dense) * mixture
        + norms(config, 1),
    )


KINDS = {
    "mixtral": Kind(
        partial(_mixtral, bias="none"),
        {"num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2},
    ),
    "olmoe": Kind(
        partial(_mixtral, qk_norm="all heads"),
        {"num_experts": 64, "num_experts_per_tok": 8},
    ),
    "granitemoe": Kind(_mixtral, {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "qwen2_moe": Kind(
        _qwen_moe,
        {
            "qkv_bias": True,
            "num_key_value_heads": 16,
            "decoder_sparse_step": 1,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
            "num_experts_per_tok": 4,
            "num_experts": 60,
        },
    ),
    "qwen3_moe": Kind(
        partial(_qwen_moe, qk_norm="head"),
        {
            "num_key_value_heads": 4,
            "decoder_sparse_step": 1,
            "moe_intermediate_size": 768,
            "num_experts_per_tok": 8,
            "num_experts": 128,
        },
    ),
    "gpt_oss": Kind(
        _gpt_oss,
        {
            "attention_bias": True,
            "head_dim": 64,
            "num_key_value_heads": 8,
            "num_local_experts": 128,
            "num_experts_per_tok": 4,
        },
    ),
    "llama4_text": Kind(
        _llama4,
        {
            "head_dim": 128,
            "num_key_value_heads": 8,
            "num_local_experts": 16,
            "num_experts_per_tok": 1,
            "interleave_moe_layer_step": 1,
        },
    ),
    "deepseek_v2": Kind(
        partial(_deepseek, version=2),
        {
            "first_k_dense_replace": 0,
            "kv_lora_rank": 512,
            "q_lora_rank": 1536,
            "n_routed_experts": 64,
            "n_shared_experts": 2,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "moe_intermediate_size": 1407,
        },
    ),
    "deepseek_v3": Kind(
        partial(_deepseek, version=3),
        {
            "first_k_dense_replace": 3,
            "kv_lora_rank": 512,
            "q_lora_rank": 1536,
            "n_routed_experts": 256,
            "n_shared_experts": 1,
            "num_experts_per_tok": 8,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "moe_intermediate_size": 2048,
        },
    ),
}
