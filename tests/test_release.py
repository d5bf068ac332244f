"""scripts/release, in clones of this repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("towncrier")
ROOT = Path(__file__).parent.parent
PLACES = ("setup.cfg", "worker/profileapp/__init__.py", "resources/profileapp/VERSION")


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    return subprocess.run(["git", *identity, *args], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the current files committed."""
    folder = tmp_path / "clone"
    names = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .split("\0")
    )
    for name in filter(None, names):
        source = ROOT / name
        if source.is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())
    git(folder, "init", "-q")
    git(folder, "config", "user.name", "Ann")
    git(folder, "config", "user.email", "ann@example.org")
    (folder / "news/+one.added.md").write_text("A thing that is new.\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    return folder


def release(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, folder / "scripts/release", *args], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_release_sets_one_version_everywhere_and_tags_it(clone: Path) -> None:
    done = release(clone, "7.8.9", "--yes")
    assert done.returncode == 0, done.stderr
    assert git(clone, "tag").split() == ["v7.8.9"]
    assert all("7.8.9" in (clone / place).read_text() for place in PLACES)
    assert (clone / "dist/profileapp-7.8.9-py3-none-any.whl").exists()
    text = (clone / "CHANGELOG.md").read_text()
    released = re.search(r"^## 7\.8\.9 \(\d{4}-\d\d-\d\d\)\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert released, text[:900]
    assert "\n### Added\n\n" in released[1] and "\n- A thing that is new.\n" in released[1]
    assert not list((clone / "news").glob("+*")) and git(clone, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_dry_run_changes_nothing(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD")
    done = release(clone, "7.8.9")
    assert done.returncode == 0, done.stderr
    assert "v7.8.9: dist/profileapp-7.8.9-py3-none-any.whl" in done.stdout and "rehearsal" in done.stdout
    assert git(clone, "rev-parse", "HEAD") == before and git(clone, "status", "--porcelain", "--ignored") == ""
    assert git(clone, "tag") == ""


def test_different_versions_of_library_and_worker_are_refused(clone: Path) -> None:
    (clone / "resources/profileapp/VERSION").write_text("0.0.9\n")
    git(clone, "commit", "-qam", "a mistake")
    done = release(clone, "7.8.9", "--yes")
    assert done.returncode == 1
    assert "library and worker differ" in done.stderr and "library 0.0.9" in done.stderr
    assert git(clone, "tag") == "" and git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "message"), [("1.0", "three numbers"), ("0.0.1", "older than"), ("v1.2.3", "no version")]
)
def test_an_invalid_version_is_refused(clone: Path, version: str, message: str) -> None:
    done = release(clone, version, "--yes")
    assert (done.returncode, message in done.stderr, git(clone, "tag")) == (1, True, ""), done.stderr


def test_uncommitted_changes_and_existing_tags_are_refused(clone: Path) -> None:
    git(clone, "tag", "v7.8.9")
    assert "released already" in release(clone, "7.8.9", "--yes").stderr
    (clone / "README.md").write_text("changed")
    assert "has changes" in release(clone, "7.9.0", "--yes").stderr
