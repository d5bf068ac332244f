"""Hostile cases share a separate state folder with tests of complete runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A path short enough for a socket, and a lock that no other run waits for."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        monkeypatch.setenv("PROFILEAPP_STATE", folder)
        yield Path(folder)
