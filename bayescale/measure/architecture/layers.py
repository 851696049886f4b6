"""Parts of a layer, in weights: attention, gated MLP, mixture of experts, state-space mixer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bayescale.base.errors import BayescaleError
from bayescale.measure.architecture.config import Config


@dataclass(frozen=True)
class Weights:
    """Weights of some part of a decoder; parts are added, and multiplied by how many there are.

    Attributes
    ----------
    matrices : int
        One token is multiplied with them.
    other : int
        Norms, biases and the like.
    idle : int
        Of experts that the router does not choose for a token.
    """

    matrices: int = 0
    other: int = 0
    idle: int = 0

    def __add__(self, part: Weights) -> Weights:
        return Weights(
            self.matrices + part.matrices, self.other + part.other, self.idle + part.idle
        )

    def __rmul__(self, count: int) -> Weights:
        return Weights(count * self.matrices, count * self.other, count * self.idle)


@dataclass(frozen=True, kw_only=True)
class Layers:
    """All layers of a decoder with the norm at their end, and the dimensions of the whole.

    Attributes
    ----------
    layers, width, heads, vocabulary, query_width, value_width : int
        As in `Architecture`.
    weights : Weights
    positions : int
        Weights of a position embedding.
    scan : bool
        Whether layers hold a state-space scan.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    query_width: int
    value_width: int
    weights: Weights
    positions: int = 0
    scan: bool = False


def stacked(config: Config, weights: Weights, *, scan: bool = False) -> Layers:
    """Layers of these weights, the final norm added, with heads of one width."""
    queries = config.heads * config.head_width
    return Layers(
        layers=config.layers,
        width=config.width,
        heads=config.heads,
        vocabulary=config.count("vocab_size"),
        query_width=queries,
        value_width=queries,
        weights=weights + norms(config, 1),
        scan=scan,
    )


def norms(config: Config, count: int) -> Weights:
    """So many RMSNorms over the width."""
    return Weights(other=count * config.width)


def attention(
    config: Config,
    *,
    bias: Literal["stated", "qkv", "none"] = "stated",
    qk_norm: Literal["head", "all heads"] | None = None,
) -> Weights:
    """Four projections, with fewer heads of keys and values perhaps.

    Parameters
    ----------
    config : Config
    bias : {"stated", "qkv", "none"}
        All four have one if `attention_bias` says so; or all but the last, always; or none.
    qk_norm : {"head", "all heads"}, optional
        Norms of queries and keys, over one head or all of them together.
    """
    width, head = config.width, config.head_width
    queries, keys = config.heads * head, config.kv_heads * head
    other = 0
    if bias == "qkv" or (bias == "stated" and config.flag("attention_bias")):
        other += queries + 2 * keys
    if bias == "stated" and config.flag("attention_bias"):
        other += width
    if qk_norm is not None:
        other += 2 * head if qk_norm == "head" else queries + keys
    return Weights(matrices=width * (2 * queries + 2 * keys), other=other)


def gated(config: Config, inner: int, *, bias: bool = False) -> Weights:
    """A gated MLP: three matrices between the width and `inner`."""
    return Weights(3 * config.width * inner, 2 * inner + config.width if bias else 0)


def experts(config: Config, expert: Weights, count: int, *, router_bias: bool = False) -> Weights:
    """A router and experts, of which `num_experts_per_tok` are chosen for a token.

    Raises
    ------
    BayescaleError
        If more are chosen than there are.
    """
    chosen = config.count("num_experts_per_tok")
    if chosen > count:
        raise BayescaleError(
            f"{config.name}: num_experts_per_tok={chosen} of {count} experts; correct one of them"
        )
    router = Weights(config.width * count, count if router_bias else 0)
    idle = Weights(idle=(count - chosen) * (expert.matrices + expert.other))
    return router + chosen * expert + idle
