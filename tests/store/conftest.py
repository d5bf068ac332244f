"""A new SQLite or PostgreSQL database for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.private_postgres import PrivatePostgres


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/profiles.db"
    server: PrivatePostgres = request.getfixturevalue("postgres")
    return server.new_database()
