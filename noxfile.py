"""The tests on each Python that profileapp supports: `.venv/bin/nox`. One that is not installed is skipped by name."""

from __future__ import annotations

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
EXTRAS = "dev,report,store,postgres,parquet,functions"

nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests that need no Docker, browser or Groovy."""
    session.install("-q", "-e", f".[{EXTRAS}]")
    session.run("python", "-m", "pytest", "-q", "-m", "not docker and not browser and not slow", *session.posargs)
