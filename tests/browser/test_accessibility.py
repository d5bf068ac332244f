"""axe-core finds no serious accessibility problem on any page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.test_report_pages import EVERY_PAGE, Scheme, opened

pytestmark = pytest.mark.browser

LOOKS: tuple[tuple[Scheme, int], ...] = (("light", 1280), ("dark", 1280), ("light", 360))


def findings(page: Page) -> list[str]:
    """One line for each finding of axe-core: rule, impact and first element."""
    violations = Axe().run(page).response["violations"]
    return [f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}" for each in violations]


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_axe_finds_nothing(browser: Browser, report: Path, path: str) -> None:
    # Loaded from a file: the policy that Jenkins sends would block the timers of axe.
    with opened(browser, (report / path).as_uri()) as (page, _):
        for scheme, width in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert findings(page) == [], (scheme, width)


@pytest.fixture
def defective_page(report: Path) -> Iterator[Path]:
    """The overview with three defects that axe-core rates serious or critical."""
    path = report / "defective_page.html"
    added = '<img src="x.svg"><p style="color: #bbb">pale</p><a href="#x"></a></main>'
    path.write_text((report / "index.html").read_text().replace("</main>", added))
    yield path
    path.unlink()


def test_accessibility_problems_are_detected(browser: Browser, defective_page: Path) -> None:
    with opened(browser, defective_page.as_uri()) as (page, _):
        found = {line.partition(" ")[0] for line in findings(page)}
        assert {"image-alt", "color-contrast", "link-name"} <= found
