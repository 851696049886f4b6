"""Architecture: what a Hugging Face config says of a decoder, counted in parameters.

Only arithmetic on the config: no weights, no torch. Each kind counts its layers as its class in
`transformers` builds them, biases and norms included; the tests build each kind and compare.
A new kind is an entry of `KINDS` in the file of its family, and a config in those tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.measure.architecture import dense, mixtures, state_space
from bayescale.measure.architecture.config import Config
from bayescale.measure.architecture.kind import Kind

KINDS: dict[str, Kind] = {**dense.KINDS, **mixtures.KINDS, **state_space.KINDS}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A decoder's dimensions and parameters.

    Attributes
    ----------
    kind : str
        The config's `model_type`.
    layers, width, heads, vocabulary : int
        Vocabulary is the rows of the embedding, padding included; heads of attention are 0 where
        there is none.
    query_width, value_width : int
        All heads' queries together, and all heads' values: heads times their dimension, which
        need not be the width.
    context : int or None
        The longest sequence that the config states, in tokens.
    tied : bool
        Whether the embedding is the output head too.
    scan : bool
        Whether layers hold a state-space scan, beside attention or instead of it.
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
    tied: bool
    scan: bool
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
        model_type = config.get("model_type")
        if model_type is None:
            raise BayescaleError(
                f"{name}: no model_type; give the config.json of a Hugging Face model"
            )
        if not isinstance(model_type, str) or model_type not in KINDS:
            raise BayescaleError(
                f"{name}: architecture {model_type!r} is not one whose parameters are counted "
                f"here; known: {', '.join(KINDS)}"
            )
        kind = KINDS[model_type]
        entries = Config({**kind.defaults, **config}, name)
        decoder = kind.count(entries)
        tied = entries.flag("tie_word_embeddings")
        table = decoder.vocabulary * decoder.width
        weights = decoder.weights
        inside = weights.matrices + weights.idle + weights.other
        outside = table + decoder.positions + (0 if tied else table)
        return cls(
            kind=model_type,
            layers=decoder.layers,
            width=decoder.width,
            heads=decoder.heads,
            vocabulary=decoder.vocabulary,
            query_width=decoder.query_width,
            value_width=decoder.value_width,
            context=entries.maybe("max_position_embeddings", "n_positions"),
            tied=tied,
            scan=decoder.scan,
            params=inside + outside,
            params_active=inside + outside - weights.idle,
            params_non_embedding=inside,
            params_active_non_embedding=inside - weights.idle,
            matrices=weights.matrices,
        )
