"""The docs agree with the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import profileapp
from profileapp.commands.main import _COMMANDS
from profileapp.errors import ExitCode

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def test_generated_docs_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/make-docs", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert re.search(rf"(\| |, ){code.value}\b", text), code


def test_there_is_one_version() -> None:
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert f"\nversion = {profileapp.__version__}\n" in setup
    assert (ROOT / "resources/profileapp/VERSION").read_text().strip() == profileapp.__version__


def test_the_map_lists_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for room in (ROOT / "worker/profileapp").iterdir():
        if room.is_dir() and (room / "__init__.py").exists():
            assert f"`{room.name}/`" in text, room.name


def test_every_command_has_examples_in_its_help() -> None:
    for name in _COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "profileapp", name, "--help"], capture_output=True, text=True, check=True
        )
        assert "Examples:" in done.stdout, name
