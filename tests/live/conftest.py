"""What tests of `live` share: a state folder, a feed that a test controls, and a watch of fake sources."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder, and with it a lock, that no other test has."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        monkeypatch.setenv("PROFILEAPP_STATE", folder)
        yield Path(folder)
