"""Tiny language models, made on the spot: the tests' own, the same on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SAMPLE = "the quick brown fox jumps over the lazy dog; über 10 % of 𝄞 are lost. "


def byte_tokenizer(**special: str) -> Any:
    """A byte-level BPE that gives every text back."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator([SAMPLE * 20], trainer)
    special = special or {"bos_token": "<s>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **special)


def lossy_tokenizer() -> Any:
    """A word tokenizer that lowers case and knows few words."""
    words = {"<s>": 0, "<unk>": 1, "the": 2, "dog": 3, "fox": 4}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", unk_token="<unk>"
    )


def save(
    folder: Path, *, tokenizer: Any = None, uniform: bool = False, context: int = 64, seed: int = 0
) -> Path:
    """A Llama of two layers in a folder; `uniform` gives every token the same logit."""
    tokenizer = tokenizer or byte_tokenizer()
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.1,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = transformers.LlamaForCausalLM(config)
    if uniform:
        torch.nn.init.zeros_(model.lm_head.weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def documents() -> list[str]:
    """Short and long texts, longer than a context of 64 tokens among them."""
    long = [
        "".join(f"{SAMPLE[(7 * k + j) % 40 :]} {k * j} " for j in range(n))
        for k, n in ((1, 3), (2, 9))
    ]
    return ["the", "𝄞 é 漢字 🜁🜂", "line\r\nline\n\n  tab\t", *long]
