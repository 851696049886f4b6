"""Configs: the `config.json` of a model, from a file, a folder or the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.base.output import read_json
from bayescale.measure.need import need

_CAUSAL = ("ForCausalLM", "LMHeadModel")


def read_config(source: str) -> dict[str, Any]:
    """Read a model's config.

    Parameters
    ----------
    source : str
        A `.json` file, a folder that holds `config.json`, or a model's name on the hub.

    Raises
    ------
    BayescaleError
        If there is none, or the hub cannot be reached.
    """
    path = Path(source)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise BayescaleError(f"{source}: no config.json in it; give a Hugging Face model")
        return read_json(path / "config.json")
    if path.is_file() or path.suffix == ".json":
        return read_json(path)
    if is_path(source):
        raise BayescaleError(f"{source}: no such folder; give a Hugging Face model's folder")
    return read_json(_from_hub(source))


def is_path(source: str) -> bool:
    """Whether this can only be a path: names on the hub are `NAME` or `OWNER/NAME`."""
    return Path(source).exists() or source.startswith((".", "/", "~")) or source.count("/") > 1


def check_causal(config: dict[str, Any], name: str) -> None:
    """Refuse a config whose model is not a causal language model.

    Raises
    ------
    BayescaleError
    """
    classes = config.get("architectures") or []
    classes = [str(c) for c in classes] if isinstance(classes, list) else [str(classes)]
    hint = "give one whose class ends in ForCausalLM"
    if isinstance(config.get("text_config"), dict):
        hint = "its language model alone is its text_config: write that to a file of its own"
    if config.get("is_encoder_decoder"):
        raise BayescaleError(f"{name}: an encoder-decoder, not a causal language model; {hint}")
    if classes and not any(c.endswith(_CAUSAL) for c in classes):
        raise BayescaleError(f"{name}: {classes[0]} is not a causal language model; {hint}")


def _from_hub(name: str) -> Path:
    hub = need("huggingface_hub")
    hub.logging.set_verbosity_error()  # it announces each of its attempts
    try:
        return Path(hub.hf_hub_download(name, "config.json"))
    except (OSError, ValueError) as error:  # its own errors derive from these
        raise hub_error(name, error) from error


def hub_error(name: str, error: Exception) -> BayescaleError:
    """The error for a model that the hub does not give, with what to do."""
    kind = type(error).__name__
    if kind == "GatedRepoError":
        why = "the hub wants you to accept its terms; do so there, and `hf auth login`"
    elif kind in ("RepositoryNotFoundError", "HFValidationError", "RemoteEntryNotFoundError"):
        why = "no such folder, and no such model on the hub; check the name, or `hf auth login`"
    else:
        why = (
            "no such folder, and the hub cannot be reached; "
            "download it where there is network, and give its folder"
        )
    return BayescaleError(f"{name}: {why}")
