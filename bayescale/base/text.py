"""Text: names that people gave to things, fit to be printed on one line."""

from __future__ import annotations

import unicodedata

# Categories of Unicode that move the cursor, end a line or cannot be written as UTF-8.
_CONTROL = ("Cc", "Cs", "Zl", "Zp")
# Characters that turn the direction of what follows.
_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def control_character(text: str) -> str | None:
    """The first control character, line break, surrogate or bidirectional mark, as `U+001B`."""
    for character in text:
        if not character.isprintable() and _controls(character):
            return f"U+{ord(character):04X}"
    return None


def escaped(text: str) -> str:
    r"""The text with its control characters written out, as in `a\x1b[31m`."""
    if control_character(text) is None:
        return text
    return "".join(c.encode("unicode_escape").decode("ascii") if _controls(c) else c for c in text)


def _controls(character: str) -> bool:
    return (
        unicodedata.category(character) in _CONTROL
        or unicodedata.bidirectional(character) in _TURNING
    )
