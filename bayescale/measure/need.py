"""Need: a module of the `measure` extra, or one line that says how to install it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bayescale.errors import BayescaleError


def need(name: str) -> ModuleType:
    """Import a module of the extra.

    Raises
    ------
    BayescaleError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.split(".", maxsplit=1)[0]:
            raise
        raise BayescaleError(
            f"{name} is not installed, and measuring models needs it; "
            "install the extra: pip install 'bayescale[measure]'"
        ) from error
