"""The flame graph in a real browser, under the policy that Jenkins sends with artifacts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from profileapp.model.stacks import read_folded
from profileapp.report.page.flame_graph import flame_graph_svg
from tests.browser.test_report_pages import evaluate, opened

pytestmark = pytest.mark.browser

LINES = "\n".join(
    ";".join(f"{'Wide' * (depth % 5)}function{depth}_{row % (depth + 1)} (m{depth}.py:{row})" for depth in range(12))
    + f" {row + 1}"
    for row in range(60)
)
# The largest overflow of a text over its box.
OVERHANG = """Math.max(...[...document.querySelectorAll('text')].map(text => {
    const box = text.parentNode.querySelector('rect').getBBox(), drawn = text.getBBox();
    return drawn.x + text.getComputedTextLength() - box.x - box.width;
}))"""


@pytest.fixture
def graph(report: Path) -> Iterator[Path]:
    """A flame graph among the artifacts, and a page that embeds it as an image."""
    svg, page = report / "flame.svg", report / "flame.html"
    svg.write_text(flame_graph_svg(read_folded(io.BytesIO(LINES.encode())), "use-gpu"))
    page.write_text('<!doctype html><title>x</title><img src="flame.svg" alt="" width="1200">')
    yield svg
    svg.unlink()
    page.unlink()


def test_it_renders_without_errors_and_text_stays_in_its_box(browser: Browser, address: str, graph: Path) -> None:
    with opened(browser, f"{address}{graph.name}") as (page, complaints):
        assert complaints == []
        assert evaluate(page, "document.querySelectorAll('text').length") > 50
        assert evaluate(page, OVERHANG) <= 0
        assert evaluate(page, "document.querySelector('rect + text').previousElementSibling.getBBox().height") == 17
        assert "mono" in evaluate(page, "getComputedStyle(document.querySelector('text')).fontFamily")


def test_it_renders_as_an_image(browser: Browser, address: str, graph: Path) -> None:
    with opened(browser, f"{address}flame.html", "dark") as (page, complaints):
        assert complaints == []
        width, height = evaluate(page, "[document.images[0].naturalWidth, document.images[0].naturalHeight]")
        assert width > 0 and height > 0
        assert evaluate(page, "document.images[0].height") == pytest.approx(13 * 18, abs=1)
