"""Paths that tests use."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""

RECORDED = ROOT.parent / "shared" / "recorded"
"""What real devices and tools wrote. It is no part of the repository: tests that need it skip where it is not."""
