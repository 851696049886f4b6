"""Pages in a real browser, which fetch nothing and have no fault."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
         "--disable-background-networking --disable-component-update --disable-sync")  # fmt: skip


@contextmanager
def launched() -> Iterator[Any]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("no chromium found; install Debian's package chromium", pytrace=False)
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=FLAGS.split())
        yield opened
        opened.close()


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
