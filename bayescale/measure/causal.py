"""Causal: a Hugging Face language model, loaded and known to predict left to right."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.measure.architecture import KINDS, Architecture
from bayescale.measure.configs import check_causal, hub_error, read_config
from bayescale.measure.need import need

DTYPES = ("auto", "bfloat16", "float16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class CausalModel:
    """A model with its tokenizer.

    Attributes
    ----------
    name : str
        The folder or hub name that it was loaded from.
    model, tokenizer : object
        As `transformers` gives them; the model is in evaluation mode on its device.
    prefix : int
        The token that stands before a document: BOS, or EOS where there is none.
    context : int or None
        The most tokens that it sees at once, as its config states.
    params, params_active : int or None
        Active is None where it is a mixture of experts of an architecture not counted here.
    identity : str
        Changes when the weights, the tokenizer or their files do.
    device, dtype : str
    """

    name: str
    model: Any
    tokenizer: Any
    prefix: int
    context: int | None
    params: int
    params_active: int | None
    identity: str
    device: str
    dtype: str

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, no special ones added."""
        ids = self.tokenizer.encode(text, add_special_tokens=False, verbose=False)
        rows = self.model.get_input_embeddings().num_embeddings
        if ids and max(ids) >= rows:
            raise BayescaleError(
                f"{self.name}: the tokenizer has a token {max(ids)}, the model embeds {rows}; "
                "give the tokenizer that the model was trained with"
            )
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text that these tokens stand for."""
        return self.tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )


def load_causal(source: str, *, device: str = "auto", dtype: str = "auto") -> CausalModel:
    """Load a causal language model; no code of the model's own is ever run.

    Parameters
    ----------
    source : str
        A folder, or a name on the Hugging Face hub.
    device : str, optional
        As torch names it; `auto` is `cuda` where there is one, else `cpu`.
    dtype : str, optional
        One of `DTYPES`; `auto` is the one that the weights are stored in.

    Raises
    ------
    BayescaleError
        If it cannot be loaded, is not causal, or lacks weights or a tokenizer.
    """
    torch, transformers = need("torch"), need("transformers")
    if dtype not in DTYPES:
        raise BayescaleError(f"dtype={dtype!r}: use one of {', '.join(DTYPES)}")
    torch_device = _device(torch, device)
    if Path(source).is_file():
        raise BayescaleError(f"{source}: a file; give the folder of a Hugging Face model")
    config = read_config(source)
    check_causal(config, source)
    with _quiet(transformers):
        model, tokenizer = _load(transformers, source, dtype)
        try:
            model = model.to(torch_device).eval()
        except torch.OutOfMemoryError as error:
            raise BayescaleError(
                f"{source}: does not fit on {torch_device}; try --dtype bfloat16 or --device cpu"
            ) from error
    prefix = tokenizer.bos_token_id
    prefix = tokenizer.eos_token_id if prefix is None else prefix
    if prefix is None:
        raise BayescaleError(
            f"{source}: its tokenizer names no BOS and no EOS, and one must stand before a text; "
            "name one in tokenizer_config.json"
        )
    _check_order(torch, model, source)
    params = sum(weights.numel() for weights in model.parameters())
    return CausalModel(
        name=source,
        model=model,
        tokenizer=tokenizer,
        prefix=prefix,
        context=_context(model.config),
        params=params,
        params_active=_active(config, source, params),
        identity=_identity(source, model),
        device=str(torch_device),
        dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
    )


def _device(torch: Any, device: str) -> Any:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch_device = torch.device(device)
        torch.empty(1, device=torch_device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise BayescaleError(
            f"device={device!r} cannot be used ({reason}); try cpu, or auto"
        ) from error
    return torch_device


def _load(transformers: Any, source: str, dtype: str) -> tuple[Any, Any]:
    options = {"trust_remote_code": False, "local_files_only": Path(source).is_dir()}
    part = "config"  # the first to say that an architecture is not known
    try:
        transformers.AutoConfig.from_pretrained(source, **options)
        part = "tokenizer"
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
        part = "weights"
        model, loading = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, output_loading_info=True, **options
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        if "trust_remote_code" in str(error):
            raise BayescaleError(
                f"{source}: needs code of its own, which is not run here; "
                "give a version that transformers knows by itself"
            ) from error
        if not options["local_files_only"] and isinstance(error, OSError):
            raise hub_error(source, error) from error
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise BayescaleError(
            f"{source}: transformers cannot load its {part} ({reason.strip().rstrip('.:')}); "
            "give the folder of a causal language model with its tokenizer"
        ) from error
    lacking = sorted(loading["missing_keys"]) + sorted(str(k) for k in loading["mismatched_keys"])
    if lacking:
        raise BayescaleError(
            f"{source}: its files lack {len(lacking)} weights of a causal language model, "
            f"such as {lacking[0]}, which would be random; give complete weights"
        )
    return model, tokenizer


def _check_order(torch: Any, model: Any, source: str) -> None:
    """Refuse a model whose predictions change with what comes after them."""
    rows = model.get_input_embeddings().num_embeddings
    length = min(8, _context(model.config) or 8)
    if length == 1:
        return
    ids = torch.arange(length, device=model.device) % rows
    altered = ids.clone()
    altered[-1] = (ids[-1] + 1) % rows
    try:
        with torch.inference_mode():
            logits = (
                model(torch.stack([ids, altered]), use_cache=False).logits[:, :-1].double().cpu()
            )
    except torch.OutOfMemoryError as error:
        raise BayescaleError(
            f"{source}: does not fit on {model.device}; try --device cpu"
        ) from error
    rounding = max(1e-4, 8 * torch.finfo(model.dtype).eps) * float(logits.abs().max())
    if float((logits[0] - logits[1]).abs().max()) > rounding:
        raise BayescaleError(
            f"{source}: not a causal language model: its predictions change with the text after "
            "them; give one that reads left to right"
        )


def _context(config: Any) -> int | None:
    names = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
    stated = [getattr(config, name, None) for name in names]
    return next((n for n in stated if isinstance(n, int) and n > 0), None)


def _active(config: dict[str, Any], source: str, params: int) -> int | None:
    if config.get("model_type") in KINDS:
        counted = Architecture.of(config, source)
        return params - (counted.params - counted.params_active)
    return None if any("expert" in entry for entry in config) else params


def _identity(source: str, model: Any) -> str:
    folder = Path(source)
    if not folder.is_dir():
        return f"{source}@{model.config._commit_hash}"
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    stamps = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Leave the terminal to our own bar and messages while a model loads."""
    log, bars = transformers.logging, transformers.logging.is_progress_bar_enabled()
    level, hub = log.get_verbosity(), logging.getLogger("huggingface_hub")
    hub_level = hub.level
    log.set_verbosity_error()
    log.disable_progress_bar()
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.set_verbosity(level)
        hub.setLevel(hub_level)
        if bars:
            log.enable_progress_bar()
