"""The built site in a real browser, as wide as a desk and a phone; `make docs` calls this."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

SITE = Path(__file__).parents[2] / "build" / "docs" / "html"
PAGES = [page for page in SITE.rglob("*.html") if "_modules" not in page.parts]
PAGES.sort(key=lambda page: page.stat().st_size)  # so that halves take as long
WIDTHS = (1280, 390)
_HIDDEN_IF_NARROW = [[".sidebar-drawer"], [".toc-drawer"]]

pytestmark = pytest.mark.skipif(not PAGES, reason="no site is built; make docs builds and tests it")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        opened = browser.new_page()
        opened.set_default_timeout(120_000)  # a machine may be busy
        yield opened
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_every_page_can_be_read(page: Page, half: int) -> None:
    """Nothing from a network, no error, no page wider than its window, nothing serious for axe."""
    faults: list[str] = []

    def heard(fault: object) -> None:
        faults.append(f"{page.url}: {fault}")

    page.on("pageerror", heard)
    page.on("request", lambda sent: sent.url.startswith(("file:", "data:")) or heard(sent.url))
    axe = Axe()

    def check(context: dict[str, list[list[str]]] | None = None) -> None:
        for violation in axe.run(page, context=context).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                heard(f"{violation['id']}: {violation['nodes'][0]['html']}")

    for path in PAGES[half::2]:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(path.as_uri())
            wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            if wider > 0:
                heard(f"{wider} pixels too wide at {width}")
            # The whole page once, where more has to scroll, because axe takes longer than all
            # else; of the wide page what the narrow one hides.
            check({"include": _HIDDEN_IF_NARROW} if width == max(WIDTHS) else None)
    page.remove_listener("pageerror", heard)
    assert not faults


@pytest.mark.slow
def test_search_works_without_a_network(page: Page) -> None:
    page.goto(f"{(SITE / 'search.html').as_uri()}?q=discrepancy")
    page.locator("#search-results li a", has_text="Beyond the data").first.click()
    assert page.url.startswith((SITE / "how-to" / "forecast.html").as_uri())
