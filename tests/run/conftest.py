"""A state folder of its own for each test: short enough for a socket's path, and a lock nobody else waits for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pa-") as folder:
        monkeypatch.setenv("PROFILEAPP_STATE", folder)
        yield Path(folder)
