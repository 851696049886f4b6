"""Corpus: text, a tokenizer trained on it and its tokens, written once in a sweep's folder."""

from __future__ import annotations

import json
import shutil
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from typing import Any

import numpy as np

from bayescale.base.errors import BayescaleError
from bayescale.base.output import say
from bayescale.measure.need import need

_STDLIB = "{stdlib}"
# Before each document; a model that is scored sees it in front of the text.
_END = "<|endoftext|>"
# Documents encoded at a time: before they are an array, tokens take a hundred times the memory.
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Corpus:
    """A tokenizer, the tokens to train on and the documents held out."""

    tokenizer: Any
    tokens: np.ndarray
    held_out: Path

    @property
    def end(self) -> int:
        """The token that stands before a document."""
        return int(self.tokenizer.eos_token_id)


def find_texts(patterns: Sequence[str]) -> list[Path]:
    """The files that these patterns match, in an order that does not depend on the machine.

    Raises
    ------
    BayescaleError
        If one matches none.
    """
    stdlib = escape(sysconfig.get_path("stdlib"))
    files: dict[Path, None] = {}
    for pattern in patterns:
        matches = sorted(glob(pattern.replace(_STDLIB, stdlib), recursive=True))
        matched = [Path(name) for name in matches if Path(name).is_file()]
        if pattern.startswith(_STDLIB):
            matched = [file for file in matched if "site-packages" not in file.parts]
        if not matched:
            raise BayescaleError(f"text={pattern!r}: no file matches; a folder needs /**/*.txt")
        files |= dict.fromkeys(matched)
    return list(files)


def read_texts(files: Sequence[Path]) -> list[str]:
    """Each file's text; files that are empty or no UTF-8 are left out, and it says how many.

    Raises
    ------
    BayescaleError
        If a file cannot be read.
    """
    texts, foreign = [], 0
    for file in files:
        try:
            texts.append(file.read_bytes().decode("utf-8"))
        except UnicodeDecodeError:  # the standard library has tests of other encodings
            foreign += 1
        except OSError as error:
            raise BayescaleError(f"{file}: cannot be read: {error.strerror}") from error
    kept = [text for text in texts if text]
    if foreign or len(kept) < len(texts):
        say(
            f"info [left-out] of {len(files)} files {foreign} are no UTF-8 text and "
            f"{len(texts) - len(kept)} are empty"
        )
    return kept


def split(texts: Sequence[str], share: float, characters: int, seed: int) -> tuple[list, list]:
    """Documents to train on, shuffled, and those held out, of which `characters` are kept.

    Raises
    ------
    BayescaleError
        If there are too few documents.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    count = max(1, round(share * len(texts)))
    if len(texts) < 2:
        raise BayescaleError(
            f"{len(texts)} documents: some are held out, so at least 2 files of UTF-8 are needed"
        )
    held_out, remaining = [], characters
    for i in order[:count]:
        if remaining <= 0:
            break
        held_out.append(texts[i][:remaining])
        remaining -= len(texts[i])
    return [texts[i] for i in order[count:]], held_out


def prepare(
    folder: Path,
    patterns: Sequence[str],
    vocabulary: int,
    *,
    held_out: float,
    held_out_characters: int,
    seed: int,
) -> Corpus:
    """Train the tokenizer and encode the text, unless the folder holds both already.

    What is in the folder is not made again, so that a run goes on with the text that it began
    with, whatever became of the files since.
    """
    if not folder.is_dir():
        train, kept = split(read_texts(find_texts(patterns)), held_out, held_out_characters, seed)
        draft = folder.with_name(f".{folder.name}")
        shutil.rmtree(draft, ignore_errors=True)  # left by a kill
        draft.mkdir(parents=True)
        inner = _train_tokenizer(train, vocabulary)
        if inner.get_vocab_size() != vocabulary:
            raise BayescaleError(
                f"vocabulary={vocabulary}: the text gives {inner.get_vocab_size()} tokens only; "
                "add text, or lower it"
            )
        end = inner.token_to_id(_END)
        pieces = []
        for start in range(0, len(train), _AT_ONCE):
            encoded = inner.encode_batch_fast(train[start : start + _AT_ONCE])
            pieces += [np.array([end, *encoding.ids], dtype=np.uint16) for encoding in encoded]
        tokens = np.concatenate(pieces)
        np.save(draft / "tokens.npy", tokens)
        inner.save(str(draft / "tokenizer.json"))
        lines = "".join(json.dumps({"text": text}) + "\n" for text in kept)
        (draft / "held_out.jsonl").write_text(lines, "utf-8")
        draft.rename(folder)
    tokens = np.load(folder / "tokens.npy", mmap_mode="r")
    tokenizer = need("transformers").PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token=_END
    )
    return Corpus(tokenizer, tokens, folder / "held_out.jsonl")


def _train_tokenizer(texts: list[str], vocabulary: int) -> Any:
    tokenizers = need("tokenizers")
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = byte_level(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_END],
        initial_alphabet=sorted(byte_level.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return inner
