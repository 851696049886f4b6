"""Entries of a `config.json`, each checked as it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayescale.base.errors import BayescaleError

_MOST = 10_000_000  # of anything that a config counts: rows of an embedding are fewer


class Config:
    """A config's entries over the defaults of its kind.

    Parameters
    ----------
    entries : mapping
    name : str
        Where they come from, for messages.
    """

    def __init__(self, entries: Mapping[str, Any], name: str) -> None:
        self._entries = entries
        self.name = name

    def count(self, *names: str) -> int:
        """The first of these entries that is stated, a whole number of 1 or more.

        Raises
        ------
        BayescaleError
            If none is stated, or it is no count.
        """
        count = self._stated(names, 1)
        if count is None:
            raise BayescaleError(
                f"{self.name}: no {names[0]}; give the complete config.json of the model"
            )
        return count

    def maybe(self, *names: str) -> int | None:
        """The first of these entries that is stated, or None."""
        return self._stated(names, 1)

    def amount(self, name: str, default: int = 0) -> int:
        """A count that may be 0; `default` where it is not stated."""
        amount = self._stated((name,), 0)
        return default if amount is None else amount

    def _stated(self, names: tuple[str, ...], low: int) -> int | None:
        name = next((n for n in names if self._entries.get(n) not in (None, "auto")), None)
        if name is None:
            return None
        value = self._entries[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= _MOST:
            raise BayescaleError(
                f"{self.name}: {name}={str(value)[:40]!r} is not a count; write a whole number "
                f"from {low} to {_MOST:,}"
            )
        return value

    def flag(self, name: str) -> bool:
        """Whether an entry is true."""
        return bool(self._entries.get(name, False))

    def indices(self, name: str) -> list[int] | None:
        """A list of layers, or None."""
        value = self._entries.get(name)
        if value is not None and not isinstance(value, list):
            raise BayescaleError(f"{self.name}: {name} is not a list of layers; write one")
        return value

    @property
    def layers(self) -> int:
        """How many there are."""
        return self.count("num_hidden_layers")

    @property
    def width(self) -> int:
        """Of the residual stream."""
        return self.count("hidden_size")

    @property
    def heads(self) -> int:
        """Of queries."""
        return self.count("num_attention_heads")

    @property
    def head_width(self) -> int:
        """The dimension of one head: stated, or the width shared out."""
        return self.maybe("head_dim") or self.width // self.heads

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values: stated, or as many as there are heads."""
        return self.maybe("num_key_value_heads") or self.heads
