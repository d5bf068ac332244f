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


PACKAGE = ROOT / "worker/profileapp"
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_architecture_names_every_package_and_every_file_beside_them() -> None:
    packages = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert [name for name in packages | modules if f"`{name}`" not in ARCHITECTURE] == []


@pytest.mark.parametrize("row", re.findall(r"^\| `(.*)$", ARCHITECTURE, re.MULTILINE))
def test_every_module_in_a_row_of_architecture_exists(row: str) -> None:
    """Below the row's own folder, however deep: `custom/` and its files have one row with `collect/`."""
    first, *others = re.findall(r"[\w./]*/|[\w./]+\.(?:py|sh|groovy)|\b[A-Z][a-z]+(?=`)", f"`{row}")
    folder = next(path for path in (PACKAGE / first, ROOT / first) if path.exists())
    below = folder if folder.is_dir() else folder.parent
    missing = [
        name
        for name in others
        if not any(below.rglob(f"{name.rstrip('/')}{'' if '.' in name or '/' in name else '.*'}"))
        and not (PACKAGE / name).exists()
    ]
    assert missing == [], f"{first}: {missing}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w.-]+/[\w./-]*)`", ARCHITECTURE))))
def test_every_path_in_architecture_exists(path: str) -> None:
    places = (ROOT, PACKAGE, *(place.parent for place in PACKAGE.rglob("__init__.py")))
    assert any((place / path).exists() for place in places)


def test_every_command_has_examples_in_its_help() -> None:
    for name in _COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "profileapp", name, "--help"], capture_output=True, text=True, check=True
        )
        assert "Examples:" in done.stdout, name
