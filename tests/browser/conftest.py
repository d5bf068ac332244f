"""A report served with the headers that Jenkins sends for artifacts, and a real Chromium."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from profileapp.report.page.history import write_comparison, write_history
from profileapp.report.write import write_data, write_overview, write_pages
from tests.report.history_samples import DIFFERENCES, TRENDS
from tests.report.sample_runs import judged_devices, judged_samples
from tests.report.test_pages import HOSTILE, hostile_run

POLICIES = {
    "jenkins since 2.417": "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';",
    "jenkins before": "sandbox; default-src 'none'; img-src 'self'; style-src 'self';",
}
"""What Jenkins sends with every artifact unless its administrator weakens it (hudson.model.DirectoryBrowserSupport)."""


class _Artifacts(SimpleHTTPRequestHandler):
    """Serves files with Jenkins's headers."""

    def __init__(self, *args: Any, policy: str, **attributes: Any) -> None:
        self._policy = policy
        super().__init__(*args, **attributes)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self._policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Does not log requests."""


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete report over four ordinary targets and a hostile one, with a history and a comparison in subfolders."""
    out = tmp_path_factory.mktemp("browser") / "profile"
    judged = [*judged_samples(out), hostile_run(out, HOSTILE)]
    for each in judged:
        write_data(each)
    write_overview(out, judged)
    write_pages(out, judged)
    write_history(out / "history", TRENDS)
    write_pages(out / "devices", judged_devices(out / "devices"))
    write_comparison(out / "comparison", "main", HOSTILE, DIFFERENCES)
    return out


@pytest.fixture(scope="session", params=POLICIES)
def address(report: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of the report, once for each policy."""
    handler = partial(_Artifacts, directory=str(report), policy=POLICIES[request.param])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium that connects to no network but ours."""
    options = ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync", "--no-first-run"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=options, timeout=60_000)
        yield found
        found.close()
