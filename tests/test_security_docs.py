"""docs/security.md: every surface has its trust, its promise, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of each row of the table that begins with `header`."""
    lines = PAGE.partition(header)[2].splitlines()[2:]
    table = lines[: next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


SURFACES = rows("| surface |")


@pytest.mark.parametrize("cells", SURFACES, ids=[row[0] for row in SURFACES])
def test_a_surface_has_trust_promise_and_existing_tests(cells: list[str]) -> None:
    assert len(cells) == 4 and all(cells), cells
    tests = re.findall(r"\]\((.+?)\)", cells[3])
    assert tests, cells
    for each in tests:
        assert (ROOT / "docs" / each).is_file(), each


def test_every_file_of_attacks_is_listed() -> None:
    for path in (ROOT / "tests/hostile").glob("test_*.py"):
        assert f"(../tests/hostile/{path.name})" in PAGE, path.name


def test_every_setting_of_an_administrator_is_used() -> None:
    settings = set(re.findall(r"PROFILEAPP_[A-Z_]+", " ".join(" ".join(row) for row in rows("| default |"))))
    assert len(settings) >= 8
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "worker/profileapp").rglob("*.py"))
    for name in settings:
        assert f'"{name}"' in sources, name
