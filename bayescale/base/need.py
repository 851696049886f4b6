"""Need: a module of an extra, or one line that says how to install it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bayescale.base.errors import BayescaleError


def need(name: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a module of an extra, which some purpose needs.

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
            f"{name} is not installed, and {purpose} needs it; "
            f"install the extra: pip install 'bayescale[{extra}]'"
        ) from error
