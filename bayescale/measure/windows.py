"""Windows: which tokens a model sees, and which of them are scored, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bayescale.base.errors import BayescaleError


@dataclass(frozen=True)
class Window:
    """One call of the model on a document.

    Attributes
    ----------
    start, end : int
        The model sees tokens `start` to `end - 1` of the document with its prefix token in
        front, and predicts the document's tokens up to `end - 1` from them.
    scored : int
        How many of its last predictions count; the others were scored by windows before.
    """

    start: int
    end: int
    scored: int


def check_windows(window: int, stride: int) -> None:
    """Refuse windows that skip tokens or score none.

    Raises
    ------
    BayescaleError
    """
    if window < 1:
        raise BayescaleError(f"window={window}: must be 1 token or more")
    if not 1 <= stride <= window:
        raise BayescaleError(
            f"stride={stride}: must be 1 to {window}, the window; a longer one skips text"
        )


def windows(tokens: int, window: int, stride: int) -> Iterator[Window]:
    """Windows over a document, as many tokens of it in each as fit.

    A prefix token (BOS, or EOS where a tokenizer has none) stands before the document, so that
    its first token is scored like any other. The first window scores all that it predicts, each
    later one `stride` tokens more, or what is left, at its end. With `stride == window` these are
    the windows of lm-evaluation-harness's rolling log-likelihood.

    Parameters
    ----------
    tokens : int
        Of the document, without the prefix.
    window : int
        The most tokens that the model sees at once, the prefix among them.
    stride : int
    """
    end = min(tokens, window)
    if end:
        yield Window(0, end, end)
    while end < tokens:
        scored = min(stride, tokens - end)
        end += scored
        yield Window(end - window, end, scored)
