"""BPC of a causal language model: bits per character of text, windows sliding over it."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.progress import TextProgress
from bayescale.measure.causal import CausalModel, load_causal
from bayescale.measure.documents import Document, read_documents, text_files
from bayescale.measure.journal import Journal
from bayescale.measure.need import need
from bayescale.measure.windows import Window, check_windows, windows

WINDOW, STRIDE = 1900, 512


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One document: its size, and the nats that a model needs for it."""

    characters: int
    bytes: int
    tokens: int
    nats: float
    round_trips: bool


@dataclass(frozen=True, kw_only=True)
class Bpc:
    """How well a model predicts text.

    Attributes
    ----------
    model : str
    params, params_active : int or None
        All parameters, and those that one token uses; None where that is not known.
    window, stride : int
        As used: not more than the model's context.
    device, dtype : str
    documents, empty, not_round_trip : int
        Documents scored; empty ones, which are passed over; and those scored whose tokens do
        not decode to their text, so that not every character of theirs was predicted.
    characters, bytes, tokens : int
        Characters are code points of the original text, bytes those of its UTF-8.
    nats : float
        Their sum over all tokens.
    bpc, bpb, loss : float
        Bits per character, bits per byte, nats per token.
    bpc_se, bpb_se, loss_se : float
        Standard errors over documents, of a ratio of sums; NaN for one document.
    tokens_per_character : float
    resumed : int
        Documents whose scores were in the journal already.
    """

    model: str
    params: int
    params_active: int | None
    window: int
    stride: int
    device: str
    dtype: str
    documents: int
    empty: int
    not_round_trip: int
    characters: int
    bytes: int
    tokens: int
    nats: float
    bpc: float
    bpc_se: float
    bpb: float
    bpb_se: float
    loss: float
    loss_se: float
    tokens_per_character: float
    resumed: int = field(default=0, compare=False)

    def row(self, **stated: object) -> dict[str, object]:
        """A row of a runs table: what the user states of the run, then what was measured.

        Sizes of the text are columns `text_...`: `tokens` of a run are those it trained on.
        """
        texts = ("documents", "characters", "bytes", "tokens")
        measured = ("bpc", "bpc_se", "bpb", "bpb_se", "loss", "loss_se", "tokens_per_character")
        fields = asdict(self)
        return (
            {**stated}
            | {name: fields[name] for name in ("params", "params_active", *measured)}
            | {f"text_{name}": fields[name] for name in texts}
            | {name: fields[name] for name in ("window", "stride", "dtype", "model")}
        )


def measure_bpc(
    model: str | CausalModel,
    texts: Sequence[str | Path],
    *,
    field: str = "text",
    window: int = WINDOW,
    stride: int = STRIDE,
    batch: int = 1,
    device: str = "auto",
    dtype: str = "auto",
    journal: Path | None = None,
    progress: bool = False,
) -> Bpc:
    """Measure a model's bits per character on texts.

    Each document is scored by itself: a prefix token (BOS, or EOS) and the document, windows of
    at most `window` tokens that move by `stride`, every token scored once. BPC is the sum of
    nats over characters times ln 2. The leaderboard of arXiv 2404.09937, whose window and stride
    are the defaults, lays all documents end to end instead, so that the first window of each
    sees the end of another.

    Parameters
    ----------
    model : str or CausalModel
        A folder, a name on the Hugging Face hub, or a loaded model.
    texts : sequence of str or Path
        `.txt` files (a document each), `.jsonl` files (a document a line) and folders of them.
    field : str, optional
        Where the text stands in the objects of `.jsonl` files.
    window, stride : int, optional
        Tokens; a window longer than the model's context is cut to it, and the stride with it.
    batch : int, optional
        Windows at once; all of one document, so that no padding is needed and a resumed
        measurement is the same to the last digit.
    device, dtype : str, optional
        As for `load_causal`.
    journal : Path, optional
        Where the scores of each document are kept, and looked for: a measurement that was
        killed goes on where it was.
    progress : bool, optional
        Show a bar on a terminal.

    Returns
    -------
    Bpc

    Raises
    ------
    BayescaleError
        If the model or a text cannot be read, or the model gives no finite number.

    References
    ----------
    .. [1] Huang et al. 2024, Compression Represents Intelligence Linearly, arXiv 2404.09937.
    """
    check_windows(window, stride)
    if batch < 1:
        raise BayescaleError(f"batch={batch}: must be 1 or more")
    files = text_files([Path(text) for text in texts])
    size = sum(file.stat().st_size for file in files)
    with TextProgress(size, enabled=progress) as bar:
        if not isinstance(model, CausalModel):
            model = load_causal(model, device=device, dtype=dtype)
        if model.context is not None:
            window = min(window, model.context)
        stride = min(stride, window)
        book = None if journal is None else Journal(journal)
        how = (model.identity, model.device.split(":")[0], model.dtype, window, stride, batch)
        scores: list[Scored] = []
        empty = resumed = read = 0
        for document in read_documents(files, field):
            bar.update(document.name, read)
            read += document.read
            if not document.text:
                empty += 1
                continue
            key = hashlib.sha256(repr((how, document.text)).encode()).hexdigest()
            entry = None if book is None else book.get(key)
            if entry is not None:
                resumed += 1
                scores.append(_from_entry(entry))
                continue
            scored = score(model, document, window=window, stride=stride, batch=batch)
            if book is not None:
                book.add(key, {"model": model.name, "document": document.name, **asdict(scored)})
            scores.append(scored)
    if not any(scored.tokens for scored in scores):
        raise BayescaleError(f"{files[0]}: nothing to score: every document is empty")
    return Bpc(
        model=model.name,
        params=model.params,
        params_active=model.params_active,
        window=window,
        stride=stride,
        device=model.device,
        dtype=model.dtype,
        documents=len(scores),
        empty=empty,
        not_round_trip=sum(not scored.round_trips for scored in scores),
        resumed=resumed,
        **_ratios(scores),
    )


def score(
    model: CausalModel, document: Document, *, window: int, stride: int, batch: int = 1
) -> Scored:
    """Score one document; parameters as for `measure_bpc`."""
    ids = model.encode(document.text)
    line = [model.prefix, *ids]
    nats = 0.0
    for group in _batches(len(ids), window, stride, batch):
        nats += _nats(model, [line[w.start : w.end + 1] for w in group], [w.scored for w in group])
    if not math.isfinite(nats):
        raise BayescaleError(
            f"{document.name}: {model.name} gives a log-probability that is no number; "
            "try --dtype bfloat16 or float32"
        )
    return Scored(
        characters=document.characters,
        bytes=document.bytes,
        tokens=len(ids),
        nats=nats,
        round_trips=model.decode(ids) == document.text,
    )


def _batches(tokens: int, window: int, stride: int, batch: int) -> Iterator[list[Window]]:
    """The first window alone, since all its predictions count; then all are equally long."""
    every = list(windows(tokens, window, stride))
    yield from ([first] for first in every[:1])
    yield from (every[i : i + batch] for i in range(1, len(every), batch))


def _nats(model: CausalModel, lines: list[list[int]], scored: list[int]) -> float:
    """Nats of the last `scored` tokens of each line, given those before."""
    torch = need("torch")
    ids = torch.tensor(lines, device=model.model.device)
    most = max(scored)
    kept = inspect.signature(model.model.forward).parameters.get("logits_to_keep")
    options = {} if kept is None else {"logits_to_keep": most}  # the others are costly and unused
    try:
        with torch.inference_mode():
            logits = model.model(ids[:, :-1], use_cache=False, **options).logits[:, -most:]
            total = 0.0
            for row, target, count in zip(logits, ids, scored, strict=True):
                row_logits = row[-count:]
                if row_logits.dtype != torch.float64:
                    row_logits = row_logits.float()
                each = torch.nn.functional.cross_entropy(
                    row_logits, target[-count:], reduction="none"
                )
                total += float(each.cpu().double().sum())
            return total
    except torch.OutOfMemoryError as error:
        raise BayescaleError(
            f"{model.name}: out of memory on {model.device}; "
            "try a smaller --batch or --window, or --dtype bfloat16"
        ) from error


def _from_entry(entry: Mapping[str, Any]) -> Scored:
    return Scored(**{name: entry[name] for name in Scored.__dataclass_fields__})


def _ratios(scores: Sequence[Scored]) -> dict[str, Any]:
    """Sums, their ratios, and standard errors over documents."""
    nats = np.array([s.nats for s in scores])
    total = math.fsum(nats)
    sizes = {
        "bpc": np.array([s.characters for s in scores]) * math.log(2),
        "bpb": np.array([s.bytes for s in scores]) * math.log(2),
        "loss": np.array([s.tokens for s in scores], dtype=float),
    }
    ratios: dict[str, Any] = {
        name: sum(getattr(s, name) for s in scores) for name in ("characters", "bytes", "tokens")
    }
    per_character = ratios["tokens"] / ratios["characters"]
    ratios |= {"nats": total, "tokens_per_character": per_character}
    for name, size in sizes.items():
        ratio = total / math.fsum(size)
        ratios |= {name: ratio, f"{name}_se": _ratio_se(nats, size, ratio)}
    return ratios


def _ratio_se(numerator: np.ndarray, denominator: np.ndarray, ratio: float) -> float:
    """Standard error of a ratio of sums, documents drawn at random (linearised)."""
    n = len(numerator)
    if n < 2:
        return math.nan
    residuals = numerator - ratio * denominator
    return math.sqrt(n / (n - 1) * math.fsum(residuals**2)) / math.fsum(denominator)
