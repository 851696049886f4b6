"""A page in a browser that fetches nothing and finds no fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page


@contextmanager
def faultless(browser: Any, path: Path) -> Iterator[Page]:
    """Open a file; when it is left, nothing was fetched, logged, asked or thrown."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(120_000)  # a machine may be busy
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text))
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("dialog", lambda dialog: faults.append(dialog.message))
    opened.on(
        "request", lambda sent: sent.url.startswith(("file:", "data:")) or faults.append(sent.url)
    )
    opened.goto(path.as_uri())
    yield opened
    context.close()
    assert not faults
