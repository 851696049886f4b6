"""State-space kinds: Mamba (arXiv 2312.00752), Mamba-2 (arXiv 2405.21060), Falcon-H1.

A convolution's weights count as matrices, as each meets every token. The scan itself has no
weights, and none of the conventions of FLOP counts it.
"""

from __future__ import annotations

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


def _without_attention(config: Config, layer: Weights) -> Layers:
    return Layers(
        layers=config.layers,
        width=config.width,
        heads=0,
        vocabulary=config.count("vocab_size"),
        query_width=0,
        value_width=0,
        weights=config.layers * (layer + norms(config, 1)) + norms(config, 1),
        scan=True,
    )


def _mamba(config: Config) -> Layers:
    width, state, kernel = config.width, config.count("state_size"), config.count("conv_kernel")
    inner = config.count("expand") * width
    rank = config.maybe("time_step_rank") or -(-width // 16)
    biases = 2 * inner + width if config.flag("use_bias") else 0
    biases += inner if config.flag("use_conv_bias") else 0
    mixer = Weights(
        matrices=3 * width * inner + inner * (kernel + rank + 2 * state) + rank * inner,
        other=inner * state + 2 * inner + biases,
    )
    return _without_attention(config, mixer)


def _mamba2_mixer(
    config: Config, *, inner: int, heads: int, state: int, kernel: int, biases: tuple[str, str, str]
) -> Weights:
    """Mamba-2's mixer; `biases` names the flags of its projections in and out and convolution."""
    width = config.width
    convolved = inner + 2 * config.count("n_groups", "mamba_n_groups") * state
    into = inner + convolved + heads
    sizes = (into, width, convolved)
    return Weights(
        matrices=width * into + convolved * kernel + inner * width,
        other=3 * heads
        + sum(size for flag, size in zip(biases, sizes, strict=True) if config.flag(flag)),
    )


def _mamba2(config: Config) -> Layers:
    inner = config.count("expand") * config.width
    mixer = _mamba2_mixer(
        config,
        inner=inner,
        heads=config.count("num_heads"),
        state=config.count("state_size"),
        kernel=config.count("conv_kernel"),
        biases=("use_bias", "use_bias", "use_conv_bias"),
    )
    return _without_attention(config, mixer + Weights(other=inner))


def _falcon_h1(config: Config) -> Layers:
    """In every layer attention and a mixer of Mamba-2 side by side, then a gated MLP."""
    inner = config.maybe("mamba_d_ssm") or config.count("mamba_expand") * config.width
    mixer = _mamba2_mixer(
        config,
        inner=inner,
        heads=config.count("mamba_n_heads"),
        state=config.count("mamba_d_state"),
        kernel=config.count("mamba_d_conv"),
        biases=("mamba_proj_bias", "projectors_bias", "mamba_conv_bias"),
    )
    layer = (
        attention(config)
        + mixer
        + Weights(other=inner if config.flag("mamba_rms_norm") else 0)
        + gated(config, config.count("intermediate_size"), bias=config.flag("mlp_bias"))
        + norms(config, 2)
    )
    return stacked(config, config.layers * layer, scan=True)


KINDS = {
    "mamba": Kind(
        _mamba,
        {
            "state_size": 16,
            "conv_kernel": 4,
            "expand": 2,
            "use_conv_bias": True,
            "tie_word_embeddings": True,
        },
    ),
    "mamba2": Kind(
        _mamba2,
        {
            "state_size": 128,
            "conv_kernel": 4,
            "expand": 2,
            "n_groups": 8,
            "num_heads": 128,
            "use_conv_bias": True,
        },
    ),
    "falcon_h1": Kind(
        _falcon_h1,
        {
            "num_key_value_heads": 8,
            "mamba_d_ssm": 1024,
            "mamba_n_heads": 128,
            "mamba_n_groups": 1,
            "mamba_d_state": 256,
            "mamba_d_conv": 4,
            "mamba_expand": 2,
            "mamba_conv_bias": True,
        },
    ),
}
