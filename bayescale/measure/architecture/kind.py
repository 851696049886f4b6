"""Kind: how the layers of one `model_type` are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bayescale.measure.architecture.config import Config
from bayescale.measure.architecture.layers import Layers


@dataclass(frozen=True)
class Kind:
    """A `model_type` of transformers.

    Attributes
    ----------
    count : callable (config) -> Layers
    defaults : mapping
        What transformers 5 takes where a config is silent.
    """

    count: Callable[[Config], Layers]
    defaults: Mapping[str, Any] = field(default_factory=dict)
