"""Lazy imports: a module that another one imports is loaded when something of it is first used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


@contextmanager
def imported_lazily(name: str) -> Iterator[None]:
    """Modules that import this one meanwhile load it when they first use it.

    For those that need it only in functions. `importlib.util.LazyLoader` does not serve: an import
    statement looks at the module's spec, and that loads it.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = _Later(name)
    try:
        yield
    finally:
        del sys.modules[name]
