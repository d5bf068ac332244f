"""Removes folders created by an app, whatever they contain, and nothing outside of them."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from profileapp.record import tree
from profileapp.record.tree import empty_tree, remove_tree

as_root = pytest.mark.skipif(os.getuid() != 0, reason="mounting and changing the user need root")


def make_deep(root: Path, levels: int) -> None:
    """Creates folders deeper than any path can express."""
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("levels", [1500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_any_depth_is_removed_with_few_descriptors(tmp_path: Path, levels: int) -> None:
    make_deep(tmp_path / "deep", levels)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 8, hard))
    try:
        remove_tree(tmp_path / "deep")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_every_short_attempt_makes_progress(tmp_path: Path) -> None:
    make_deep(tmp_path / "deep", 5000)
    (tmp_path / "deep" / "moved-0").touch()
    (tmp_path / "deep" / "moved-1" / "inner").mkdir(parents=True)
    for _ in range(40):
        left = iter(range(1000))

        def tick(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise TimeoutError

        with suppress(TimeoutError):
            remove_tree(tmp_path / "deep", tick)
    assert list(tmp_path.iterdir()) == []


def test_targets_of_links_stay(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("kept")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "a" / "b" / "file").symlink_to(tmp_path / "outside" / "kept")
    (tmp_path / "top").symlink_to(tmp_path / "outside")
    remove_tree(tmp_path / "a")
    remove_tree(tmp_path / "top")
    with pytest.raises(OSError, match=r"link|directory"):
        (tmp_path / "top").symlink_to(tmp_path / "outside")
        empty_tree(tmp_path / "top")
    assert (tmp_path / "outside" / "kept").read_text() == "kept" and not (tmp_path / "a").exists()


def test_unusual_files_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    (root / "closed" / "inner").mkdir(parents=True)
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"\xff\n\x1b[31m")).touch()
    (root / ("n" * 255)).mkdir()
    for number in range(300):
        (root / f"folder{number}").mkdir()
    (root / "closed" / "inner").chmod(0)
    (root / "closed").chmod(0)
    remove_tree(root)
    remove_tree(root)
    remove_tree(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


@as_root
def test_a_mount_is_not_entered(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (root / "in" / "mount").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").touch()
    subprocess.run(["mount", "--bind", outside, root / "in" / "mount"], check=True)
    try:
        with pytest.raises(OSError, match="mounted"):
            remove_tree(root)
        assert (outside / "kept").exists()
    finally:
        subprocess.run(["umount", root / "in" / "mount"], check=True)
    remove_tree(root)
    assert not root.exists()


def test_a_folder_moved_meanwhile_stops_the_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    remove_files, visited = tree._remove_files, []

    def move_it(folder: int, tick: tree.Tick) -> str | None:
        visited.append(folder)
        if len(visited) == 3:
            (tmp_path / "root" / "a" / "b").rename(tmp_path / "elsewhere" / "b")
        return remove_files(folder, tick)

    monkeypatch.setattr(tree, "_remove_files", move_it)
    with pytest.raises(OSError, match="moved"):
        remove_tree(tmp_path / "root")
    assert (tmp_path / "elsewhere" / "kept").exists()


@as_root
def test_as_a_program_it_empties_a_folder_of_another_user(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "theirs").mkdir(parents=True)
    (root / "theirs" / "file").touch()
    os.chown(root / "theirs", 1234, 1234)
    (root / "theirs").chmod(stat.S_IRUSR)
    done = subprocess.run([sys.executable, "-m", "profileapp.record.tree", root], check=True, capture_output=True)
    assert done.stderr == b"" and list(root.iterdir()) == []
    failed = subprocess.run(
        [sys.executable, "-m", "profileapp.record.tree", root / "no"], check=False, capture_output=True
    )
    assert failed.returncode == 1 and b"cannot be removed" in failed.stderr
