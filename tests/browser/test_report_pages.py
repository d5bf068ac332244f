"""The pages in a real browser, under the policy that Jenkins sends with artifacts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PAGES = (
    "index.html",
    "interval-1-use-gpu/report/index.html",
    "use-gpu/report/index.html",
    "use-cpu/report/index.html",
    "night/report/index.html",
    "bad/report/index.html",
)
EVERY_PAGE = (*PAGES, "devices/index.html", "history/index.html", "comparison/index.html")
Scheme = Literal["light", "dark"]


@contextmanager
def opened(browser: Browser, url: str, scheme: Scheme = "light", width: int = 1280) -> Iterator[tuple[Page, list[str]]]:
    """A loaded page, and the browser's errors and warnings."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on(
        "response",
        lambda response: complaints.append(f"{response.status}: {response.url}") if response.status >= 400 else None,
    )
    page.goto(url, wait_until="load", timeout=60_000)
    # A container that starts or ends elsewhere changes the machine's interfaces, and Chromium drops what it loads.
    for _ in range(3):
        if not any("ERR_NETWORK_CHANGED" in text for text in complaints):
            break
        complaints.clear()
        page.reload(wait_until="load", timeout=60_000)
    try:
        yield page, [text for text in complaints if "favicon.ico" not in text]
    finally:
        page.close()


def evaluate(page: Page, expression: str) -> Any:
    """Result of a JavaScript expression. DevTools can evaluate it although the page's policy forbids scripts."""
    return page.evaluate(expression)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_have_styles_and_all_plots_and_no_errors(
    browser: Browser, address: str, path: str, scheme: Scheme
) -> None:
    with opened(browser, address + path, scheme) as (page, complaints):
        assert complaints == []
        dark = scheme == "dark"
        style = "getComputedStyle(document.body)"
        assert evaluate(page, f"{style}.backgroundColor") == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
        assert evaluate(page, f"{style}.color") == ("rgb(232, 234, 237)" if dark else "rgb(27, 31, 36)")
        badge = evaluate(page, "getComputedStyle(document.querySelector('.badge')).borderTopLeftRadius")
        assert badge == "16px"
        images = evaluate(page, "[...document.images].map(i => [i.complete, i.naturalWidth, i.width, i.currentSrc])")
        assert len(images) >= 2
        for complete, natural_width, width, source in images:
            assert complete
            assert natural_width > 0
            assert width > 200
            assert source.endswith(".dark.svg") == dark


def test_a_standalone_plot_renders_without_errors(browser: Browser, address: str, report: Path) -> None:
    name = next((report / "use-gpu" / "report").glob("*container-cpu.svg")).name
    with opened(browser, f"{address}use-gpu/report/{name}") as (page, complaints):
        assert complaints == []
        line = "document.querySelector('path[stroke=\"#0072b2\"]')"
        assert evaluate(page, f"getComputedStyle({line}).stroke") == "rgb(0, 114, 178)"
        assert evaluate(page, f"getComputedStyle({line}).fill") == "none"
        assert "system-ui" in evaluate(page, "getComputedStyle(document.querySelector('text')).fontFamily")


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_no_page_is_wider_than_its_window(browser: Browser, address: str, path: str) -> None:
    with opened(browser, address + path) as (page, _):
        for width in (320, 390, 768, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert evaluate(page, "document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["index.html", "use-gpu/report/index.html"])
def test_pages_work_from_a_file(browser: Browser, report: Path, path: str) -> None:
    with opened(browser, (report / path).as_uri(), "dark") as (page, complaints):
        assert complaints == []
        assert evaluate(page, "getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert evaluate(page, "[...document.images].every(i => i.naturalWidth > 0)")


def test_targets_are_reachable_by_link_and_by_keyboard(browser: Browser, address: str) -> None:
    with opened(browser, address) as (page, _):
        page.keyboard.press("Tab")
        assert evaluate(page, "document.activeElement.getAttribute('aria-label')") == "Targets"
        page.keyboard.press("Tab")
        assert evaluate(page, "document.activeElement.textContent") == "interval-1-use-gpu"
        assert evaluate(page, "getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url("**/interval-1-use-gpu/report/index.html")
        page.get_by_text("All targets").click()
        page.wait_for_url("**/index.html")


def test_hostile_text_is_escaped(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}bad/report/index.html") as (page, complaints):
        assert complaints == []
        assert evaluate(page, "document.querySelectorAll('script, img:not(picture img), style, [onerror]').length") == 0
        assert "<script>alert(1)</script>" in page.inner_text(".lead")


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        ('<p style="color: red">x</p>', "style"),
        ("<style>p { color: red }</style>", "style"),
        ("<script>document.title = 'ran'</script>", "script"),
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="x">', "image"),
        ('<img src="gone.svg" alt="x">', "gone.svg"),
        ('<link rel="stylesheet" href="https://example.invalid/x.css">', "style"),
    ],
)
def test_violations_of_the_policy_are_detected(
    browser: Browser, address: str, report: Path, spoilt: str, complaint: str
) -> None:
    """Proves that the tests above can fail."""
    page_file = report / "spoilt.html"
    page_file.write_text((report / "index.html").read_text().replace("</main>", f"{spoilt}</main>"))
    try:
        with opened(browser, f"{address}spoilt.html") as (page, complaints):
            assert any(complaint in text.lower() for text in complaints), complaints
            assert page.title() != "ran"
    finally:
        page_file.unlink()


def test_print_has_no_dark_page_and_no_cut_table(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}use-gpu/report/index.html", "dark") as (page, _):
        page.emulate_media(media="print", color_scheme="light")
        assert evaluate(page, "getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert evaluate(page, "getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
        light = "[...document.images].every(i => !i.currentSrc.endsWith('.dark.svg'))"
        # The browser selects the images some time after the colours.
        until_s = time.monotonic() + 10
        while not evaluate(page, light) and time.monotonic() < until_s:
            page.wait_for_timeout(50)
        assert evaluate(page, light)
