"""Fixtures of the `live` tests: a state folder, a controllable feed, and a watch of fake sources."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private state folder, and so a private lock."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        monkeypatch.setenv("PROFILEAPP_STATE", folder)
        yield Path(folder)
