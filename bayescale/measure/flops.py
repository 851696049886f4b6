"""FLOP per training token by each convention in use, so that tables can be put on one footing.

Forward and backward together: a multiplication with a weight counts 2 FLOP forward and 4 back.

References
----------
.. [1] Kaplan et al. 2020, arXiv 2001.08361, section 2.1 and Table 1.
.. [2] Hoffmann et al. 2022, arXiv 2203.15556, section 3 and appendix F.
.. [3] Chowdhery et al. 2022 (PaLM), arXiv 2204.02311, appendix B.
.. [4] DeepSeek-AI 2024 (DeepSeek LLM), arXiv 2401.02954, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from bayescale.measure.architecture import Architecture


@dataclass(frozen=True)
class Count:
    """One convention's count.

    Attributes
    ----------
    convention, formula, source : str
        In `formula`, N is parameters, L layers, d width, V vocabulary, s sequence length, q and v
        the widths of all heads' queries and values, H heads, W weights of matrices in the layers.
    attention, logits : bool
        Whether it counts products of queries with keys and of weights with values, and the
        product with the output matrix. A count of N by `6 N` holds the embedding instead.
    per_token : int
        FLOP a token, forward and backward.
    """

    convention: str
    formula: str
    attention: bool
    logits: bool
    source: str
    per_token: int


def flops_per_token(architecture: Architecture, sequence: int | None) -> list[Count]:
    """FLOP per training token by each convention.

    Attention is counted as the cited papers do, over the full sequence, whatever its mask or
    window; only Kaplan's Table 1 has half of that. Where layers hold a state-space scan, which no
    convention counts, those that describe a transformer are left out.

    `trainer` is the `total_flos` of Hugging Face's Trainer: 6 N for the parameters that are in no
    embedding layer. A tied output head is one; an untied head is not, and counts.

    Parameters
    ----------
    architecture : Architecture
    sequence : int or None
        Tokens of a training sequence; None leaves out the conventions that count attention.
    """
    counts = _parameter_counts(architecture)
    if not architecture.scan:
        counts += _deepseek_counts(architecture)
        if sequence is not None:
            counts += _attention_counts(architecture, sequence)
    return counts


_HERE = "weights that a token meets"


def _parameter_counts(a: Architecture) -> list[Count]:
    head = a.vocabulary * a.width
    outside_embeddings = a.params_non_embedding + (0 if a.tied else head)
    return [
        Count("6N", "6 N", False, True, "arXiv 2203.15556", 6 * a.params),
        Count("6N-active", "6 N active", False, True, "arXiv 2203.15556", 6 * a.params_active),
        Count(
            "6N-non-embedding",
            "6 N non-embedding",
            False,
            False,
            "arXiv 2001.08361",
            6 * a.params_non_embedding,
        ),
        Count(
            "6N-active-non-embedding",
            "6 N active, non-embedding",
            False,
            False,
            "arXiv 2001.08361",
            6 * a.params_active_non_embedding,
        ),
        Count(
            "trainer",
            "6 N non-embedding" if a.tied else "6 (N non-embedding + V d)",
            False,
            not a.tied,
            "transformers, total_flos",
            6 * outside_embeddings,
        ),
        Count("matrices", "6 W", False, False, _HERE, 6 * a.matrices),
        Count("matrices+logits", "6 (W + V d)", False, True, _HERE, 6 * (a.matrices + head)),
    ]


def _deepseek_counts(a: Architecture) -> list[Count]:
    layers = 72 * a.layers * a.width**2
    source = "arXiv 2401.02954"
    return [
        Count("deepseek-6N1", "72 L d²", False, False, source, layers),
        Count(
            "deepseek-6N2",
            "72 L d² + 6 V d",
            False,
            True,
            source,
            layers + 6 * a.vocabulary * a.width,
        ),
    ]


def _attention_counts(a: Architecture, sequence: int) -> list[Count]:
    s = sequence
    head = a.vocabulary * a.width
    mixing = 6 * a.layers * s * (a.query_width + a.value_width)
    return [
        Count(
            "kaplan",
            "6 N active, non-embedding + 6 L s q",
            True,
            False,
            "arXiv 2001.08361, Table 1",
            6 * a.params_active_non_embedding + 6 * a.layers * s * a.query_width,
        ),
        Count(
            "palm",
            "6 N active + 6 L s (q + v)",
            True,
            True,
            "arXiv 2204.02311, app. B",
            6 * a.params_active + mixing,
        ),
        Count(
            "chinchilla",
            "6 (V d + W + d V) + 6 L s (q + v) + 9 L H s",
            True,
            True,
            "arXiv 2203.15556, app. F",
            6 * (head + a.matrices + head) + mixing + 9 * a.layers * a.heads * s,
        ),
        Count(
            "deepseek-M",
            "72 L d² + 12 L d s",
            True,
            False,
            "arXiv 2401.02954",
            72 * a.layers * a.width**2 + 12 * a.layers * a.width * s,
        ),
        Count(
            "matrices+attention",
            "6 W + 6 L s (q + v)",
            True,
            False,
            _HERE,
            6 * a.matrices + mixing,
        ),
        Count(
            "matrices+attention+logits",
            "6 (W + V d) + 6 L s (q + v)",
            True,
            True,
            _HERE,
            6 * (a.matrices + head) + mixing,
        ),
    ]
