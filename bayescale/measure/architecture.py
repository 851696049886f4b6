"""Architecture: what a Hugging Face config says of a decoder, counted in parameters.

Only arithmetic on the config: no weights, no torch. Each kind counts its layers as its class in
`transformers` builds them, biases and norms included; the tests build each kind and compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bayescale.base.errors import BayescaleError


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A decoder's dimensions and parameters.

    Attributes
    ----------
    kind : str
        The config's `model_type`.
    layers, width, heads, vocabulary : int
        Vocabulary is the rows of the embedding, padding included.
    query_width, value_width : int
        All heads' queries together, and all heads' values: heads times their dimension, which
        need not be the width.
    context : int or None
        The longest sequence that the config states.
    params : int
        All of them; a tied embedding counts once.
    params_active : int
        Those that one token uses: all but the experts that the router does not choose. The
        router, shared experts, embeddings and output head count.
    params_non_embedding, params_active_non_embedding : int
        The same without token embedding, position embedding and output head.
    matrices : int
        Weights of the layers that one token is multiplied with: no norms, biases or embeddings,
        and no expert that is not chosen.
    """

    kind: str
    layers: int
    width: int
    heads: int
    vocabulary: int
    query_width: int
    value_width: int
    context: int | None
    params: int
    params_active: int
    params_non_embedding: int
    params_active_non_embedding: int
    matrices: int

    @classmethod
    def of(cls, config: Mapping[str, Any], name: str = "config") -> Architecture:
        """Count a config's parameters.

        Parameters
        ----------
        config : mapping
            A `config.json` as it stands; an entry that it lacks has the default of its kind.
        name : str
            Where it comes from, for messages.

        Raises
        ------
        BayescaleError
            If its kind is not known here, or a dimension is missing or not plausible.
        """
        kind = config.get("model_type")
        if kind is None:
            raise BayescaleError(
                f"{name}: no model_type; give the config.json of a Hugging Face model"
            )
        if kind not in KINDS:
            raise BayescaleError(
                f"{name}: architecture {kind!r} is not one whose parameters are counted here; "
                f"known: {', '.join(KINDS)}"
            )
        said = _Config({**_DEFAULTS.get(kind, {}), **config}, name)
        blocks = KINDS[kind](said)
        table = blocks.vocabulary * blocks.width
        inside = blocks.matrices + blocks.idle + blocks.other
        outside = table + blocks.positions + (0 if said.flag("tie_word_embeddings") else table)
        return cls(
            kind=kind,
            layers=blocks.layers,
            width=blocks.width,
            heads=blocks.heads,
            vocabulary=blocks.vocabulary,
            query_width=blocks.query_width,
            value_width=blocks.value_width,
            context=said.count("max_position_embeddings", "n_positions", optional=True),
            params=inside + outside,
            params_active=inside + outside - blocks.idle,
            params_non_embedding=inside,
            params_active_non_embedding=inside - blocks.idle,
            matrices=blocks.matrices,
        )


@dataclass(frozen=True, kw_only=True)
class _Blocks:
    """All layers together: weights used as matrices, idle experts, and norms with biases."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    query_width: int
    value_width: int
    matrices: int
    other: int
    idle: int = 0
    positions: int = 0


class _Config:
    """A config's entries, each checked as it is read."""

    def __init__(self, entries: Mapping[str, Any], name: str) -> None:
        self._entries = entries
        self._name = name

    def count(self, *names: str, optional: bool = False, zero: bool = False) -> Any:
        """The first of these entries that is stated; None where it may be missing and is."""
        said = next((n for n in names if self._entries.get(n) is not None), None)
        if said is None:
            if optional:
                return None
            raise BayescaleError(
                f"{self._name}: no {names[0]}; give the complete config.json of the model"
            )
        value = self._entries[said]
        if not isinstance(value, int) or isinstance(value, bool) or value < (0 if zero else 1):
            raise BayescaleError(f"{self._name}: {said}={value!r} is not a count; write a number")
        return value

    def replace(self, **entries: int) -> _Config:
        return _Config({**self._entries, **entries}, self._name)

    def flag(self, name: str) -> bool:
        return bool(self._entries.get(name, False))

    def list(self, name: str) -> list[int]:
        return list(self._entries.get(name) or [])

    def base(self) -> dict[str, int]:
        """Layers, width, heads and vocabulary, by the names that most kinds give them."""
        return {
            "layers": self.count("num_hidden_layers"),
            "width": self.count("hidden_size"),
            "heads": self.count("num_attention_heads"),
            "vocabulary": self.count("vocab_size"),
        }

    def head(self) -> int:
        """The dimension of one head: stated, or the width shared out."""
        stated = self.count("head_dim", optional=True)
        return stated or self.count("hidden_size") // self.count("num_attention_heads")

    def groups(self) -> int:
        """Heads of keys and values: stated, or as many as there are heads."""
        return self.count("num_key_value_heads", optional=True) or self.count("num_attention_heads")


def _attention(said: _Config) -> tuple[int, int]:
    """One layer's weights of the four projections; its norms, and biases of the projections."""
    width, head = said.count("hidden_size"), said.head()
    queries, groups = said.count("num_attention_heads") * head, said.groups() * head
    other = 2 * width
    if said.flag("attention_bias") or said.flag("qkv_bias"):
        other += queries + 2 * groups
    if said.flag("attention_bias"):
        other += width
    if said.flag("qk_norm"):
        other += 2 * head
    return width * (2 * queries + 2 * groups), other


def _grouped(said: _Config, **sums: int) -> _Blocks:
    queries = said.count("num_attention_heads") * said.head()
    return _Blocks(**said.base(), query_width=queries, value_width=queries, **sums)


def _llama(said: _Config) -> _Blocks:
    """Grouped-query attention, a gated MLP, RMSNorm: Llama, Mistral, Yi, DeepSeek LLM, Qwen 2."""
    layers, width, ffn = (
        said.count(name) for name in ("num_hidden_layers", "hidden_size", "intermediate_size")
    )
    projections, other = _attention(said)
    if said.flag("mlp_bias"):
        other += 2 * ffn + width
    matrices = layers * (projections + 3 * width * ffn)
    return _grouped(said, matrices=matrices, other=layers * other + width)


def _qwen(said: _Config) -> _Blocks:
    """Qwen of 2023: its config states twice the width of the gated MLP."""
    return _llama(said.replace(intermediate_size=said.count("intermediate_size") // 2))


def _gpt2(said: _Config) -> _Blocks:
    layers, width, heads = said.count("n_layer"), said.count("n_embd"), said.count("n_head")
    ffn = said.count("n_inner", optional=True) or 4 * width
    return _Blocks(
        layers=layers,
        width=width,
        heads=heads,
        vocabulary=said.count("vocab_size"),
        query_width=width,
        value_width=width,
        matrices=layers * (4 * width * width + 2 * width * ffn),
        other=layers * (4 * width + 4 * width + ffn + width) + 2 * width,
        positions=said.count("n_positions") * width,
    )


def _gpt_neox(said: _Config) -> _Blocks:
    base = said.base()
    layers, width, ffn = base["layers"], base["width"], said.count("intermediate_size")
    biases = ffn + width + (4 * width if said.flag("attention_bias") else 0)
    return _Blocks(
        **base,
        query_width=width,
        value_width=width,
        matrices=layers * (4 * width * width + 2 * width * ffn),
        other=layers * (4 * width + biases) + 2 * width,
    )


def _falcon(said: _Config) -> _Blocks:
    """One group of keys and values (7B), several in the new architecture (40B), or one a head."""
    base = said.base()
    layers, width, heads = base["layers"], base["width"], base["heads"]
    ffn = said.count("ffn_hidden_size", optional=True) or 4 * width
    new = said.flag("new_decoder_architecture")
    if new:
        groups = said.count("num_kv_heads", optional=True) or heads
    else:
        groups = 1 if said.flag("multi_query") else heads
    parallel = said.flag("parallel_attn")
    stated = said.count("num_ln_in_parallel_attn", optional=True)
    norms = 1 if parallel and (stated or (2 if new else 1)) != 2 else 2
    qkv = width + 2 * groups * (width // heads)
    biases = (qkv + width + ffn + width) if said.flag("bias") else 0
    return _Blocks(
        **base,
        query_width=width,
        value_width=width,
        matrices=layers * (width * qkv + width * width + 2 * width * ffn),
        other=layers * (norms * 2 * width + biases) + 2 * width,
    )


def _mixtral(said: _Config) -> _Blocks:
    layers, width = said.count("num_hidden_layers"), said.count("hidden_size")
    expert = 3 * width * said.count("intermediate_size")
    experts = said.count("num_local_experts", "num_experts")
    chosen = said.count("num_experts_per_tok")
    projections, other = _attention(said)
    return _grouped(
        said,
        matrices=layers * (projections + width * experts + chosen * expert),
        idle=layers * (experts - chosen) * expert,
        other=layers * other + width,
    )


def _qwen_moe(said: _Config) -> _Blocks:
    """Qwen-MoE: routed experts in every so many layers, with a gated shared expert until Qwen 3."""
    layers, width = said.count("num_hidden_layers"), said.count("hidden_size")
    experts = said.count("num_experts", "num_local_experts", zero=True)
    chosen = said.count("num_experts_per_tok")
    expert = 3 * width * said.count("moe_intermediate_size")
    step, dense = said.count("decoder_sparse_step"), said.list("mlp_only_layers")
    sparse = sum(
        layer not in dense and experts > 0 and (layer + 1) % step == 0 for layer in range(layers)
    )
    shared = said.count("shared_expert_intermediate_size", optional=True, zero=True)
    beside = 0 if shared is None else 3 * width * shared + width  # the expert and its gate
    projections, other = _attention(said)
    return _grouped(
        said,
        matrices=layers * projections
        + sparse * (width * experts + chosen * expert + beside)
        + (layers - sparse) * 3 * width * said.count("intermediate_size"),
        idle=sparse * (experts - chosen) * expert,
        other=layers * other + width,
    )


def _deepseek_v2(said: _Config) -> _Blocks:
    """Latent attention (arXiv 2405.04434), dense layers first, then routed and shared experts."""
    base = said.base()
    layers, width, heads = base["layers"], base["width"], base["heads"]
    rope, nope, value = (
        said.count(name) for name in ("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    )
    kv_rank, q_rank = said.count("kv_lora_rank"), said.count("q_lora_rank", optional=True)
    queries = heads * (nope + rope)
    attention = width * queries if q_rank is None else q_rank * (width + queries)
    attention += width * (kv_rank + rope) + kv_rank * heads * (nope + value) + heads * value * width
    norms = 2 * width + kv_rank + (q_rank or 0)
    biases = (q_rank or 0) + kv_rank + rope + width if said.flag("attention_bias") else 0
    expert = 3 * width * said.count("moe_intermediate_size")
    experts, chosen = said.count("n_routed_experts"), said.count("num_experts_per_tok")
    shared = said.count("n_shared_experts", zero=True)
    dense = min(said.count("first_k_dense_replace", zero=True), layers)
    sparse = layers - dense
    ffn = said.count("intermediate_size")
    mlp_biases = 0
    if said.flag("mlp_bias"):
        inner = shared * said.count("moe_intermediate_size")
        mlp_biases = dense * (2 * ffn + width) + sparse * (2 * inner + width)
    return _Blocks(
        **base,
        query_width=queries,
        value_width=heads * value,
        matrices=layers * attention
        + dense * 3 * width * ffn
        + sparse * (width * experts + (chosen + shared) * expert),
        idle=sparse * (experts - chosen) * expert,
        other=layers * (norms + biases) + mlp_biases + width,
    )


KINDS: dict[str, Callable[[_Config], _Blocks]] = {
    "llama": _llama,
    "mistral": _llama,
    "qwen": _qwen,
    "qwen2": _llama,
    "qwen3": _llama,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "falcon": _falcon,
    "mixtral": _mixtral,
    "qwen2_moe": _qwen_moe,
    "qwen3_moe": _qwen_moe,
    "deepseek_v2": _deepseek_v2,
}

# What transformers 5 takes where a config is silent. `qkv_bias` of qwen2 and `qk_norm` of qwen3
# are no entries of theirs: the classes have them always.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "mistral": {"num_key_value_heads": 8},
    "qwen": {"qkv_bias": True},
    "qwen2": {"qkv_bias": True, "num_key_value_heads": 32},
    "qwen3": {"qk_norm": True, "num_key_value_heads": 32, "head_dim": 128},
    "gpt2": {"n_positions": 1024, "tie_word_embeddings": True},
    "gpt_neox": {"attention_bias": True},
    "falcon": {"multi_query": True, "parallel_attn": True, "tie_word_embeddings": True},
    "mixtral": {"num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2},
    "qwen2_moe": {
        "qkv_bias": True,
        "num_key_value_heads": 16,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4,
        "num_experts": 60,
    },
    "qwen3_moe": {
        "qk_norm": True,
        "num_key_value_heads": 4,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_experts": 128,
    },
    "deepseek_v2": {
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
}
